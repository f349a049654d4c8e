import { describe, expect, it } from "vitest";
import { loadFlat, loadFlatRealMode } from "../../src/guest/flat.ts";
import { TestMemory } from "./memory.ts";

const BYTES = Uint8Array.from({ length: 5000 }, (_, index) => index % 256);

describe("a flat binary", () => {
  it("runs in protected mode from its first byte", () => {
    const memory = new TestMemory(2);
    const { entry } = loadFlat(memory, { bytes: BYTES, gpa: 0x100000 });
    expect(memory.read(0x100000, BYTES.length)).toEqual(BYTES);
    expect([entry.eip, entry.cr0 & 1, entry.cs.selector, entry.ds.selector]).toEqual([
      0x100000, 1, 0x08, 0x10,
    ]);
    expect([memory.u32(entry.gdtr.base + 8), memory.u32(entry.gdtr.base + 12)]).toEqual([0xffff, 0x00cf9b00]);
  });

  it("runs from another entry with registers of its own", () => {
    const { entry } = loadFlat(new TestMemory(2), {
      bytes: BYTES,
      gpa: 0x1000,
      entry: 0x1004,
      registers: { esp: 0x9000 },
    });
    expect([entry.eip, entry.registers.esp]).toEqual([0x1004, 0x9000]);
  });

  it("is not overwritten by the GDT, wherever it is", () => {
    const memory = new TestMemory(2);
    loadFlat(memory, { bytes: BYTES, gpa: 0x100 });
    expect(memory.read(0x100, BYTES.length)).toEqual(BYTES);
  });

  it("runs in real mode in segment 0 below 64 KiB, with the stack below it, else in its own paragraph", () => {
    const low = loadFlatRealMode(new TestMemory(2), { bytes: BYTES, gpa: 0x7c00, entry: 0x7c02 }).entry;
    expect([low.cs.selector, low.cs.base, low.eip, low.cr0 & 1, low.registers.esp]).toEqual([
      0, 0, 0x7c02, 0, 0x7c00,
    ]);
    const high = loadFlatRealMode(new TestMemory(2), { bytes: BYTES, gpa: 0x17c00, entry: 0x17c02 }).entry;
    expect([high.cs.selector, high.cs.base, high.eip, high.cr0 & 1]).toEqual([0x17c0, 0x17c00, 2, 0]);
  });

  it.each([0x9f000, 0xa0000, 0xff000, 0x1ff000])("is refused where it does not fit (0x%s)", (gpa) => {
    expect(() => loadFlat(new TestMemory(2), { bytes: BYTES, gpa })).toThrow(
      expect.objectContaining({ problem: "image-out-of-memory" }),
    );
  });

  it("is refused in real mode above 1 MiB or with an entry out of the segment", () => {
    const load = (gpa: number, entry: number) => () =>
      loadFlatRealMode(new TestMemory(2), { bytes: BYTES, gpa, entry });
    expect(load(0x110000, 0x110000)).toThrow("Real mode cannot begin");
    expect(load(0x1000, 0x20000)).toThrow("Real mode cannot begin");
  });
});
