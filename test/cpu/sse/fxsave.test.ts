import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import { Cr4 } from "../../../src/cpu/state.ts";
import { GuestBuilder } from "../../../src/guest/builder/index.ts";
import { CODE, DATA, EngineGuest } from "../engine/support/guest.ts";

let last: EngineGuest | undefined;
const [GP, PF] = [13, 14];
const FXSAVE = [0x0f, 0xae, 0x03];
const FXRSTOR = [0x0f, 0xae, 0x0b];
const SIZE = 512;

function start(code: readonly number[], ebx = DATA): EngineGuest {
  last = new EngineGuest({ after: last });
  last.start(new GuestBuilder({ origin: CODE }).raw([...code, 0xf4]).build(), { ring: 0, paged: true });
  last.cpu.state.setReg(3, ebx);
  return last;
}
function image(g: EngineGuest, at = DATA): Uint8Array {
  const words = Uint32Array.from({ length: SIZE / 4 }, (_, n) => g.read32(at + 4 * n));
  return new Uint8Array(words.buffer);
}
/** Values that all differ, in every register that FXSAVE knows. */
function fill(g: EngineGuest): void {
  const { state } = g.cpu;
  state.set(L.FPU_CONTROL, 0x1f7f);
  state.set(L.FPU_STATUS, (3 << 11) | 0x4100);
  state.set(L.FPU_EMPTY, 0x5a);
  state.set(L.FPU_LAST_OPCODE, 0x6a5);
  state.set(L.FPU_LAST_IP, 0x11223344);
  state.set(L.FPU_LAST_CS, 0x55);
  state.set(L.FPU_LAST_DP, 0x66778899);
  state.set(L.FPU_LAST_DS, 0xaa);
  state.set(L.MXCSR, 0xffbf);
  for (let n = 0; n < 8; n++) {
    state.u8.fill(0x10 + n, L.FPU_REGS + 16 * n, L.FPU_REGS + 16 * n + 10);
    state.u8.fill(0x20 + n, L.XMM + 16 * n, L.XMM + 16 * n + 16);
  }
}
const everything = (g: EngineGuest): number[] => [
  ...[L.FPU_CONTROL, L.FPU_STATUS, L.FPU_EMPTY, L.FPU_LAST_OPCODE, L.FPU_LAST_IP, L.FPU_LAST_CS].map((at) =>
    g.cpu.state.get(at),
  ),
  ...[L.FPU_LAST_DP, L.FPU_LAST_DS, L.MXCSR].map((at) => g.cpu.state.get(at)),
  ...g.cpu.state.u8.subarray(L.FPU_REGS, L.FPU_CONTROL),
  ...g.cpu.state.u8.subarray(L.XMM, L.MXCSR),
];

describe("FXSAVE", () => {
  it("writes every field where the manual has it, registers in stack order, and nothing behind XMM7", () => {
    const g = start(FXSAVE);
    fill(g);
    g.write(DATA, new Array<number>(SIZE).fill(0xee));
    g.runToExit();
    const bytes = image(g);
    const expected = new Uint8Array(SIZE).fill(0xee);
    const view = new DataView(expected.buffer);
    const words = [0x1f7f, (3 << 11) | 0x4100, 0xa5, 0x6a5];
    words.forEach((word, n) => {
      view.setUint16(2 * n, word, true);
    });
    [0x11223344, 0x55, 0x66778899, 0xaa, 0xffbf, 0xffff].forEach((word, n) => {
      view.setUint32(8 + 4 * n, word, true);
    });
    for (let n = 0; n < 8; n++) {
      expected.fill(0x10 + ((n + 3) & 7), 32 + 16 * n, 42 + 16 * n);
      expected.fill(0, 42 + 16 * n, 48 + 16 * n);
      expected.fill(0x20 + n, 160 + 16 * n, 176 + 16 * n);
    }
    expect([...bytes]).toEqual([...expected]);
  });

  it("leaves XMM registers out without CR4.OSFXSR", () => {
    const g = start(FXSAVE);
    fill(g);
    g.write(DATA, new Array<number>(SIZE).fill(0xee));
    g.cpu.state.set(L.CR4, g.cpu.state.cr4 & ~Cr4.OSFXSR);
    g.runToExit();
    expect(
      image(g)
        .subarray(160)
        .every((byte) => byte === 0xee),
    ).toBe(true);
  });

  it("does not wait for a pending exception, and keeps it", () => {
    const g = start(FXSAVE);
    g.cpu.state.set(L.FPU_CONTROL, 0x340);
    g.cpu.state.set(L.FPU_STATUS, 0x8081);
    g.runToExit();
    expect([g.haltedIn, g.cpu.state.get(L.FPU_STATUS)]).toEqual([-1, 0x8081]);
  });
});

describe("FXRSTOR", () => {
  it("restores what FXSAVE saved", () => {
    const g = start([...FXSAVE, ...FXRSTOR]);
    fill(g);
    const before = everything(g);
    g.cpu.run(1);
    g.cpu.state.u8.fill(0, L.FPU_REGS, L.FPU_LAST_OPCODE + 4);
    g.cpu.state.u8.fill(0, L.XMM, L.MXCSR + 4);
    g.runToExit();
    expect(everything(g)).toEqual(before);
  });

  it("makes an unmasked exception that it loads pending, and one that is masked not", () => {
    const g = start(FXRSTOR);
    for (const [control, status, expected] of [
      [0x37e, 0x0001, 0x8081],
      [0x37f, 0x8081, 0x0001],
    ] as const) {
      g.write(DATA, [
        control & 255,
        control >> 8,
        status & 255,
        status >> 8,
        ...new Array<number>(SIZE - 4).fill(0),
      ]);
      g.cpu.state.eip = CODE;
      g.runToExit();
      expect(g.cpu.state.get(L.FPU_STATUS)).toBe(expected);
    }
  });

  it("refuses reserved bits of MXCSR and changes nothing", () => {
    const g = start(FXRSTOR);
    g.write(DATA, new Array<number>(SIZE).fill(1));
    g.write32(DATA + 24, 0x10000);
    fill(g);
    const before = everything(g);
    g.runToExit();
    expect([g.haltedIn, g.frame(true).errorCode]).toEqual([GP, 0]);
    expect(everything(g)).toEqual(before);
  });
});

describe.each([
  ["FXSAVE", FXSAVE, 2],
  ["FXRSTOR", FXRSTOR, 0],
] as const)("%s", (_, code, error) => {
  it("must be aligned to 16 bytes", () => {
    const g = start(code, DATA + 8);
    g.runToExit();
    expect([g.haltedIn, g.frame(true).errorCode]).toEqual([GP, 0]);
  });

  it("faults at the second page before it has changed anything", () => {
    const g = start(code, DATA + 0xf00);
    g.unmap(DATA + 0x1000);
    fill(g);
    const before = [...everything(g), ...image(g, DATA + 0xe00)];
    g.runToExit();
    expect([g.haltedIn, g.cpu.state.get(L.CR2), g.frame(true).errorCode]).toEqual([PF, DATA + 0x1000, error]);
    expect([...everything(g), ...image(g, DATA + 0xe00)]).toEqual(before);
  });
});

describe("LDMXCSR and STMXCSR", () => {
  it("load and store, and refuse reserved bits", () => {
    const g = start([0x0f, 0xae, 0x13, 0x0f, 0xae, 0x5b, 0x04]);
    g.write32(DATA, 0xffff);
    g.runToExit();
    expect([g.cpu.state.get(L.MXCSR), g.read32(DATA + 4)]).toEqual([0xffff, 0xffff]);
    const bad = start([0x0f, 0xae, 0x13]);
    bad.write32(DATA, 0x10000);
    bad.runToExit();
    expect([bad.haltedIn, bad.frame(true).errorCode, bad.cpu.state.get(L.MXCSR)]).toEqual([GP, 0, 0x1f80]);
  });
});
