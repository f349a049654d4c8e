import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import { Cr0, Cr4 } from "../../../src/cpu/state.ts";
import { GuestBuilder } from "../../../src/guest/builder/index.ts";
import { CODE, DATA, EngineGuest, W } from "../engine/support/guest.ts";

let last: EngineGuest | undefined;
function guest(): EngineGuest {
  last = new EngineGuest({ after: last });
  return last;
}
const [UD, NM, GP, PF, MF, XM] = [6, 7, 13, 14, 16, 19];
/** No memory is there. */
const DEVICE = 0x80000000;

const hex = (text: string): number[] => text.split(" ").map((byte) => Number.parseInt(byte, 16));
/** `code` and a HLT; EBX points to DATA or where it is said to. */
function start(text: string, options: { ring?: 0 | 3; paged?: boolean; ebx?: number } = {}): EngineGuest {
  const g = guest();
  if (options.paged) g.map(DEVICE, DEVICE, W, 2);
  g.start(new GuestBuilder({ origin: CODE }).raw([...hex(text), 0xf4]).build(), options);
  g.cpu.state.setReg(3, options.ebx ?? DATA);
  return g;
}
const xmm = (g: EngineGuest, n: number): number[] => [
  ...g.cpu.state.u8.subarray(L.XMM + 16 * n, L.XMM + 16 * n + 16),
];
function setXmm(g: EngineGuest, n: number, bytes: readonly number[]): void {
  g.cpu.state.u8.set(bytes, L.XMM + 16 * n);
}
const COUNT = Array.from({ length: 16 }, (_, n) => n + 1);
const memory = (g: EngineGuest, gpa: number, length: number): number[] =>
  Array.from({ length }, (_, n) => (g.read32((gpa + n) & ~3) >>> (8 * ((gpa + n) & 3))) & 0xff);

const MOVDQU_LOAD = "F3 0F 6F 03";
const MOVDQU_STORE = "F3 0F 7F 03";
const MOVDQA_LOAD = "66 0F 6F 03";
const PADDB = "0F FC C1";

describe("vector registers may not be used", () => {
  const meet = (text: string, set: (g: EngineGuest) => void): number => {
    const g = start(text);
    set(g);
    g.runToExit();
    return g.haltedIn;
  };
  const cr0 = (bits: number) => (g: EngineGuest) => g.cpu.state.set(L.CR0, g.cpu.state.cr0 | bits);
  const withoutOsfxsr = (g: EngineGuest) => g.cpu.state.set(L.CR4, g.cpu.state.cr4 & ~Cr4.OSFXSR);

  it.each([
    ["SSE with CR0.EM", MOVDQU_LOAD, cr0(Cr0.EM), UD],
    ["SSE with CR0.TS", MOVDQU_LOAD, cr0(Cr0.TS), NM],
    ["SSE with CR0.EM and TS", MOVDQU_LOAD, cr0(Cr0.EM | Cr0.TS), UD],
    ["SSE without CR4.OSFXSR", MOVDQU_LOAD, withoutOsfxsr, UD],
    ["MMX with CR0.EM", PADDB, cr0(Cr0.EM), UD],
    ["MMX with CR0.TS", PADDB, cr0(Cr0.TS), NM],
    ["EMMS with CR0.TS", "0F 77", cr0(Cr0.TS), NM],
    ["MOVQ2DQ without CR4.OSFXSR", "F3 0F D6 C1", withoutOsfxsr, UD],
    ["FXSAVE with CR0.EM", "0F AE 03", cr0(Cr0.EM), NM],
    ["FXSAVE with CR0.TS", "0F AE 03", cr0(Cr0.TS), NM],
    ["LDMXCSR without CR4.OSFXSR", "0F AE 13", withoutOsfxsr, UD],
    ["MASKMOVDQU with CR0.TS", "66 0F F7 C1", cr0(Cr0.TS), NM],
  ])("%s", (_, text, set, vector) => {
    expect(meet(text, set)).toBe(vector);
  });

  it.each([
    ["MMX without CR4.OSFXSR", PADDB, withoutOsfxsr],
    [
      "MOVNTI without CR4.OSFXSR and with CR0.EM and TS",
      "0F C3 03",
      (g: EngineGuest) => {
        withoutOsfxsr(g);
        cr0(Cr0.EM | Cr0.TS)(g);
      },
    ],
    ["fences with CR0.TS", "0F AE E8 0F AE F0 0F AE F8", cr0(Cr0.TS)],
  ])("but %s", (_, text, set) => {
    expect(meet(text, set)).toBe(-1);
  });

  it("MMX waits for pending x87 exceptions, SSE does not, and after an x87 instruction MMX asks again", () => {
    // FLDCW [ebx]: zero-divide unmasked; FLD1; FLDZ; FDIVP; then MMX.
    const raise = "D9 2B D9 E8 D9 EE DE F9";
    const prepare = (g: EngineGuest) => {
      g.write(DATA, [0x7b, 0x03]);
      g.cpu.state.set(L.FPU_CONTROL, 0x37f);
      g.cpu.state.set(L.FPU_EMPTY, 0xff);
    };
    expect(meet(`${raise} ${PADDB}`, prepare)).toBe(MF);
    expect(meet(`${PADDB} 0F 77 ${raise} ${PADDB}`, prepare)).toBe(MF);
    expect(meet(`${raise} ${MOVDQU_LOAD}`, prepare)).toBe(-1);
  });

  it("the check comes before the faults of the operand, and a processor of no such feature knows none of it", () => {
    expect(meet("66 0F 6F 05 01 00 00 F0", cr0(Cr0.TS))).toBe(NM);
  });
});

describe("MMX registers are the significands of the x87's", () => {
  it("a write fills the exponent, makes register 0 the top and all registers valid; EMMS empties them", () => {
    const g = start("0F 6E C8 90 0F 77");
    g.cpu.state.set(L.FPU_STATUS, 5 << 11);
    g.cpu.state.set(L.FPU_EMPTY, 0xff);
    g.cpu.state.setReg(0, 0x80000001);
    g.cpu.run(2);
    expect([...g.cpu.state.u8.subarray(L.FPU_REGS + 16, L.FPU_REGS + 26)]).toEqual([
      1, 0, 0, 0x80, 0, 0, 0, 0, 0xff, 0xff,
    ]);
    expect([g.cpu.state.get(L.FPU_STATUS), g.cpu.state.get(L.FPU_EMPTY)]).toEqual([0, 0]);
    g.runToExit();
    expect([g.cpu.state.get(L.FPU_STATUS), g.cpu.state.get(L.FPU_EMPTY)]).toEqual([0, 0xff]);
  });
});

describe("operands of 16 bytes in memory", () => {
  it.each([0x10, 0x11, 0xff8])("are loaded and stored at any place by unaligned forms: %i", (offset) => {
    for (const paged of [false, true]) {
      const g = start(`${MOVDQU_LOAD} 83 C3 20 F3 0F 7F 03`, { paged, ebx: DATA + offset });
      g.write(DATA + offset, COUNT);
      g.runToExit();
      expect(xmm(g, 0)).toEqual(COUNT);
      expect(memory(g, DATA + offset + 0x20, 16)).toEqual(COUNT);
    }
  });

  it("must be aligned for others: #GP(0) before any page fault, by the linear address", () => {
    for (const ebx of [DATA + 8, DATA + 1, 0xf0000008]) {
      const g = start(MOVDQA_LOAD, { ring: 3, paged: true, ebx });
      g.runToExit();
      expect([g.haltedIn, g.frame(true).errorCode]).toEqual([GP, 0]);
    }
  });

  it.each([
    ["a load", MOVDQU_LOAD, 4],
    ["a store", MOVDQU_STORE, 6],
    ["a load of 8 bytes", "0F 12 43 08", 4],
    ["a store of 8 bytes", "0F 13 43 08", 6],
  ])("that go on in an absent page: %s faults there and leaves everything as it was", (_, text, error) => {
    const g = start(text, { ring: 3, paged: true, ebx: DATA + 0x3ff4 });
    g.unmap(DATA + 0x4000);
    setXmm(g, 0, COUNT);
    const before = memory(g, DATA + 0x3ff0, 16);
    g.runToExit();
    expect(g.haltedIn).toBe(PF);
    expect([g.frame(true).errorCode, g.cpu.state.get(L.CR2)]).toEqual([error, DATA + 0x4000]);
    expect(xmm(g, 0)).toEqual(COUNT);
    expect(memory(g, DATA + 0x3ff0, 16)).toEqual(before);
  });

  it("a fault in the first page is reported at the operand's first byte", () => {
    const g = start(MOVDQU_STORE, { ring: 3, paged: true, ebx: DATA + 0x3ff4 });
    g.unmap(DATA + 0x3000);
    g.runToExit();
    expect([g.haltedIn, g.cpu.state.get(L.CR2)]).toEqual([PF, DATA + 0x3ff4]);
  });

  it("a device sees doublewords, and the instruction is done when all are answered", () => {
    for (const paged of [false, true]) {
      const g = start(`${MOVDQU_LOAD} 66 0F 7F 43 10 0F 13 43 20`, { paged, ebx: DEVICE });
      const seen: string[] = [];
      for (let exit = g.cpu.run(100); exit.reason === "mmio"; exit = g.cpu.run(100)) {
        seen.push(`${exit.write ? "w" : "r"}${exit.size} ${(exit.gpa - DEVICE).toString(16)}=${exit.value}`);
        g.cpu.answer(0x01010101 * seen.length);
      }
      const words = [1, 2, 3, 4].map((n) => 0x01010101 * n);
      expect(seen).toEqual([
        ...[0, 4, 8, 12].map((at) => `r4 ${at.toString(16)}=0`),
        ...words.map((value, n) => `w4 ${(0x10 + 4 * n).toString(16)}=${value}`),
        ...words.slice(0, 2).map((value, n) => `w4 ${(0x20 + 4 * n).toString(16)}=${value}`),
      ]);
      expect(g.cpu.retired).toBe(4);
    }
  });

  it("a store changes the code that comes next", () => {
    // MOVDQU over the INC EAX behind it: NOPs.
    const g = start("F3 0F 7F 03 40 40 40 40", { ebx: CODE + 4 });
    setXmm(g, 0, [0x90, 0x90, 0x42, 0x90, 0xf4, ...new Array<number>(11).fill(0xf4)]);
    g.cpu.run(1);
    g.runToExit();
    expect([g.registers[0], g.registers[2]]).toEqual([0, 0x684]);
    const again = start("F3 0F 7F 03 40 40 40 40", { ebx: CODE + 4 });
    setXmm(again, 0, [0x90, 0x90, 0x42, 0x90, 0xf4, ...new Array<number>(11).fill(0xf4)]);
    again.runToExit();
    expect([again.registers[0], again.registers[2]]).toEqual([0, 0x684]);
  });

  it("a breakpoint on data in the midst of one is met after the instruction", () => {
    const g = start(`${MOVDQU_STORE} 90`);
    g.cpu.state.set(L.DR0, DATA + 12);
    g.cpu.state.set(L.DR7, 0x400 | 1 | (0xd << 16));
    g.cpu.core.breakpointsChanged();
    setXmm(g, 0, COUNT);
    g.runToExit();
    expect([g.haltedIn, g.frame(false).eip]).toEqual([1, CODE + 4]);
    expect(memory(g, DATA, 16)).toEqual(COUNT);
  });

  it("segments are checked over all of them", () => {
    const g = start(MOVDQU_LOAD, { ebx: 0xff1 });
    g.cpu.state.setSegment(3, 0x10, DATA, 0xfff, 0x93);
    g.cpu.state.updateMode();
    g.runToExit();
    expect(g.haltedIn).toBe(GP);
    const inside = start(MOVDQU_LOAD, { ebx: 0xff0 });
    inside.cpu.state.setSegment(3, 0x10, DATA, 0xfff, 0x93);
    inside.cpu.state.updateMode();
    inside.runToExit();
    expect(inside.haltedIn).toBe(-1);
  });
});

describe("an unmasked exception of SSE", () => {
  it.each([
    ["#XM with CR4.OSXMMEXCPT", Cr4.OSXMMEXCPT, XM],
    ["#UD without", 0, UD],
  ])("is %s, with its flag in MXCSR and the destination as it was", (_, bit, vector) => {
    const g = start("F2 0F 5E C1");
    const { state } = g.cpu;
    state.set(L.CR4, (state.cr4 & ~Cr4.OSXMMEXCPT) | bit);
    state.set(L.MXCSR, 0x1f80 & ~0x200);
    const one = [0, 0, 0, 0, 0, 0, 0xf0, 0x3f, ...COUNT.slice(8)];
    setXmm(g, 0, one);
    setXmm(g, 1, new Array<number>(16).fill(0));
    g.runToExit();
    expect([g.haltedIn, g.frame(false).eip, state.get(L.MXCSR)]).toEqual([vector, CODE, 0x1d84]);
    expect(xmm(g, 0)).toEqual(one);
  });
});

describe("power-on and INIT", () => {
  it("clear XMM registers and set MXCSR at power-on, and leave both at INIT", () => {
    const g = guest();
    g.cpu.reset();
    expect([g.cpu.state.get(L.MXCSR), ...xmm(g, 7)]).toEqual([0x1f80, ...new Array<number>(16).fill(0)]);
    setXmm(g, 7, COUNT);
    g.cpu.state.set(L.MXCSR, 0x1fa0);
    g.cpu.init(-1);
    expect([g.cpu.state.get(L.MXCSR), ...xmm(g, 7)]).toEqual([0x1fa0, ...COUNT]);
  });
});
