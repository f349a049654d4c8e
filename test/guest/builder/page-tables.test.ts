import { describe, expect, it } from "vitest";
import { GuestBuilderError, PageTables } from "../../../src/guest/builder/index.ts";
import { TestMemory } from "../memory.ts";

/** All entries that are not zero, by address. */
function entries(tables: PageTables): Record<string, string> {
  const { gpa, bytes } = tables.build();
  const view = new DataView(bytes.buffer);
  const result: Record<string, string> = {};
  for (let at = 0; at < bytes.length; at += 4) {
    const entry = view.getUint32(at, true);
    if (entry) result[(gpa + at).toString(16)] = entry.toString(16);
  }
  return result;
}

describe("PageTables", () => {
  it("lay out the directory and, behind it, the tables in the order of their need", () => {
    const tables = new PageTables(0x10000)
      .map(0x400000, 0x5000, { writable: true })
      .map(0xfffff000, 0x6000, { user: true, global: true })
      .map(0x401000, 0x7000, { pages: 2, writable: true, user: true });
    expect(entries(tables)).toEqual({
      "10004": "11007",
      "10ffc": "12007",
      "11000": "5003",
      "11004": "7007",
      "11008": "8007",
      "12ffc": "6105",
    });
    expect(tables.sizeBytes).toBe(3 * 4096);
  });

  it("map large pages in the directory itself", () => {
    const tables = new PageTables(0x1000).map(0xc0000000, 0, { large: true, writable: true, pages: 2 });
    expect(entries(tables)).toEqual({ "1c00": "83", "1c04": "400083" });
  });

  it("know where the entry of an address is", () => {
    const tables = new PageTables(0x10000).map(0x403000, 0).map(0x800000, 0, { large: true });
    expect(tables.entryGpa(0x403fff)).toBe(0x1100c);
    expect(tables.entryGpa(0x8abcde)).toBe(0x10008);
    expect(() => tables.entryGpa(0xc00000)).toThrow("Nothing maps 0xc00000");
  });

  it("refuse addresses that are not aligned and pages that are mapped already", () => {
    const tables = new PageTables(0x10000).map(0x1000, 0).map(0x400000, 0, { large: true });
    for (const wrong of [
      () => new PageTables(0x10004),
      () => tables.map(0x1004, 0),
      () => tables.map(0x800000, 0x1000, { large: true }),
      () => tables.map(0x1000, 0x2000),
      () => tables.map(0x401000, 0),
      () => tables.map(0, 0, { large: true }),
    ]) {
      expect(wrong).toThrow(GuestBuilderError);
    }
  });

  it("can be written to guest memory", () => {
    const memory = new TestMemory(1);
    new PageTables(0x10000).map(0, 0x3000).writeTo(memory);
    expect([memory.u32(0x10000), memory.u32(0x11000)]).toEqual([0x11007, 0x3001]);
  });
});
