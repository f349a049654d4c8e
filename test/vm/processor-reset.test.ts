import { describe, expect, it } from "vitest";
import * as L from "../../src/cpu/layout.ts";
import { type GuestBuilder, mem32 } from "../../src/guest/index.ts";
import type { Gpa } from "../../src/mmu/address.ts";
import { awaitWord, bootTwo, sendInit, sendStartUp, twoProcessors } from "../support/two-processors.ts";

/** Words in memory that tell how far they have come. */
const SPOILT = 0x500;
const STARTS = 0x504;
/** Where the second one is started again: it stays there, and changes nothing. */
const REST_PAGE = 9;
const EFER = 0xc0000080;
const SYSENTER_EIP = 0x176;
const PAT = 0x277;

/** Gives everything that INIT changes, and much of what it does not, another value. */
function spoil(g: GuestBuilder): void {
  const writeMsr = (msr: number, low: number, high: number) =>
    g.mov("ecx", msr).mov("eax", low).mov("edx", high).plain("wrmsr");
  writeMsr(EFER, 0x800, 0);
  writeMsr(SYSENTER_EIP, 0x1234, 0);
  writeMsr(PAT, 0x01010101, 0x06060606);
  g.mov("eax", 0x200).mov("cr4", "eax").mov("eax", 0x123000).mov("cr3", "eax").mov("cr2", "eax");
  for (const register of ["dr0", "dr1", "dr2", "dr3"] as const) g.mov(register, "eax");
  g.mov("eax", 0xffff0ff3).mov("dr6", "eax").mov("eax", 0x700).mov("dr7", "eax");
  g.plain("fninit").raw([0xd9, 0xe8]);
  g.raw([0x66, 0x0f, 0x6e, 0xc8]);
  // NW off, which was on.
  g.mov("eax", "cr0").and("eax", ~0x20000000).or("eax", 0x22).mov("cr0", "eax");
  for (const register of ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"] as const)
    g.mov(register, 0x11111111);
  g.plain("stc").mov(mem32(SPOILT), 1).label("rest").jmp("rest");
}

function reset() {
  const program = twoProcessors({
    second: (g) => {
      g.lock().inc(mem32(STARTS));
      spoil(g);
    },
    first: (g) => {
      // Nobody waits for it: nothing may come of it.
      sendStartUp(g, 1);
      awaitWord(g, SPOILT, 1);
      sendStartUp(g, 1);
      sendInit(g, 1);
      g.mov(mem32(SPOILT), 2);
      awaitWord(g, SPOILT, 3);
      sendStartUp(g, 1, REST_PAGE);
      sendStartUp(g, 1);
      g.label("done").inc(mem32(SPOILT)).jmp("done");
    },
  });
  const { vm, word } = bootTwo(
    program,
    { prepare: (memory) => memory.writeBytes((REST_PAGE << 12) as Gpa, Uint8Array.of(0xeb, 0xfe)) },
    { cpu: "max" },
  );
  return { vm, word };
}

describe("INIT to a second processor that runs", () => {
  const { vm, word } = reset();
  const upTo = (count: number) => vm.run({ until: () => word(SPOILT) >= count }).status;

  it("stops it until a start-up message comes", () => {
    expect(upTo(1)).toBe("until");
    expect(vm.withState((state) => [state.reg(3), state.efer, state.get(L.FPU_EMPTY)], 1)).not.toContain(0);
    expect(upTo(2)).toBe("until");
    const before = vm.stats().vcpus[1]?.instructions;
    vm.run({ budget: 100_000 });
    expect(vm.stats().vcpus[1]?.instructions).toBe(before);
  });

  it("leaves it with the registers of the manual's table when that has come, and the second one is ignored", () => {
    vm.memory.write32(SPOILT as Gpa, 3);
    expect(upTo(1000)).toBe("until");
    expect(word(STARTS)).toBe(1);
    vm.withState((state) => {
      const segment = (index: number) =>
        [L.SEG_SELECTOR, L.SEG_BASE, L.SEG_LIMIT, L.SEG_ATTR].map((field) =>
          state.get(L.SEG + index * L.SEG_SIZE + field),
        );
      expect({
        eip: state.eip,
        eflags: state.eflags,
        cs: segment(1).slice(0, 3),
        general: [0, 1, 3, 4, 5, 6, 7].map((index) => state.reg(index)),
        family: (state.reg(2) >>> 8) & 0xf,
        control: [L.CR0, L.CR2, L.CR3, L.CR4].map((at) => state.get(at)),
        data: [0, 2, 3, 4, 5].map(segment),
        ldtr: segment(6),
        tr: segment(7),
        tables: [L.GDTR_BASE, L.GDTR_LIMIT, L.IDTR_BASE, L.IDTR_LIMIT].map((at) => state.get(at)),
        debug: [0, 4, 8, 12].map((at) => state.get(L.DR0 + at)),
        debugControl: [state.get(L.DR6), state.get(L.DR7)],
        efer: state.efer,
        cpl: state.get(L.CPL),
      }).toEqual({
        eip: 0,
        eflags: 2,
        cs: [0x900, 0x9000, 0xffff],
        general: Array(7).fill(0),
        family: 6,
        // CD and NW are as they were.
        control: [0x40000010, 0, 0, 0],
        data: Array(5).fill([0, 0, 0xffff, 0x93]),
        ldtr: [0, 0, 0xffff, 0x82],
        tr: [0, 0, 0xffff, 0x8b],
        tables: [0, 0xffff, 0, 0xffff],
        debug: [0, 0, 0, 0],
        debugControl: [0xffff0ff0, 0x400],
        efer: 0,
        cpl: 0,
      });
      // Unchanged by INIT.
      expect({
        fpu: [state.get(L.FPU_CONTROL), state.get(L.FPU_EMPTY) !== 0xff],
        xmm1: state.get(L.XMM + 16),
        sysenterEip: state.get(L.SYSENTER + 8),
        pat: [state.get(L.PAT), state.get(L.PAT + 4)],
        apicBase: (state.get(L.APIC_BASE) & ~L.APIC_PRESENT) >>> 0,
        apicId: state.get(L.APIC_ID),
      }).toEqual({
        fpu: [0x37f, true],
        xmm1: 0x700,
        sysenterEip: 0x1234,
        pat: [0x01010101, 0x06060606],
        apicBase: 0xfee00800,
        apicId: 1,
      });
    }, 1);
  });

  it("does not set its time-stamp counter back", () => {
    expect(vm.stats().vcpus[1]?.instructions).toBeGreaterThan(40);
    expect(vm.withState((state) => state.get(L.TSC_OFFSET), 1)).toBe(0);
  });
});
