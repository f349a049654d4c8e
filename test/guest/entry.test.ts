import { describe, expect, it } from "vitest";
import * as L from "../../src/cpu/layout.ts";
import { Mode } from "../../src/cpu/modes.ts";
import { CpuState } from "../../src/cpu/state.ts";
import { applyEntryState, flatEntry, realModeEntry } from "../../src/guest/entry.ts";

const newState = () => new CpuState(new WebAssembly.Memory({ initial: 1 }));

describe("applyEntryState", () => {
  it("puts the processor into flat 32-bit protected mode", () => {
    const state = newState();
    state.setReg(0, 0xffffffff);
    const entry = flatEntry({
      eip: 0x100000,
      registers: { esi: 0x2000, eax: 1 },
      codeSelector: 0x10,
      dataSelector: 0x18,
      gdtr: { base: 0x1000, limit: 31 },
    });
    applyEntryState(state, entry);
    expect(state.get(L.MODE)).toBe(Mode.code32 | Mode.stack32 | Mode.protected | Mode.flat);
    expect([0, 1, 2, 3, 4, 5, 6, 7].map((index) => state.reg(index))).toEqual([1, 0, 0, 0, 0, 0, 0x2000, 0]);
    expect([0, 1, 2, 3, 4, 5].map((index) => state.selector(index))).toEqual([
      0x18, 0x10, 0x18, 0x18, 0x18, 0x18,
    ]);
    expect([state.eip, state.eflags, state.cpl]).toEqual([0x100000, 2, 0]);
    expect([state.get(L.GDTR_BASE), state.get(L.GDTR_LIMIT)]).toEqual([0x1000, 31]);
    expect([state.get(L.IDTR_BASE), state.get(L.IDTR_LIMIT)]).toEqual([0, 0x3ff]);
    expect(state.cr0 & 0x80000001).toBe(1);
  });

  it("puts the processor into real mode", () => {
    const state = newState();
    applyEntryState(state, realModeEntry(0x7c0, 0x10));
    expect(state.get(L.MODE)).toBe(0);
    expect([0, 1, 2, 3].map((index) => state.segBase(index))).toEqual([0x7c00, 0x7c00, 0x7c00, 0x7c00]);
    expect([state.eip, state.selector(1), state.segLimit(1), state.get(L.IDTR_LIMIT)]).toEqual([
      0x10, 0x7c0, 0xffff, 0x3ff,
    ]);
  });
});
