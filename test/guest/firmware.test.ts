import { describe, expect, test } from "vitest";
import { FIRMWARE_BASE, firmwareRom } from "../../src/guest/firmware/rom.ts";

const rom = firmwareRom({ cpus: 2 });
const view = new DataView(rom.bytes.buffer);
const text = (at: number, length: number) =>
  Buffer.from(rom.bytes.subarray(at, at + length)).toString("latin1");
const sum = (at: number, length: number) =>
  rom.bytes.subarray(at, at + length).reduce((total, byte) => (total + byte) & 0xff, 0);
/** As a guest searches: on 16-byte boundaries. */
function find(signature: string): number {
  for (let at = 0; at < rom.bytes.length; at += 16) if (text(at, signature.length) === signature) return at;
  throw new Error(`no ${signature}`);
}
const offset = (gpa: number) => gpa - FIRMWARE_BASE;

describe("ACPI", () => {
  const rsdp = find("RSD PTR ");
  const rsdt = offset(view.getUint32(rsdp + 16, true));
  const tables = [36, 40].map((at) => offset(view.getUint32(rsdt + at, true)));
  test("the pointer and every table add up to 0", () => {
    expect(sum(rsdp, 20)).toBe(0);
    const fadt = tables[0] as number;
    const dsdt = offset(view.getUint32(fadt + 40, true));
    const all = [rsdt, ...tables, dsdt];
    expect(all.map((at) => text(at, 4))).toEqual(["RSDT", "FACP", "APIC", "DSDT"]);
    expect(all.map((at) => sum(at, view.getUint32(at + 4, true)))).toEqual([0, 0, 0, 0]);
    expect(text(offset(view.getUint32(fadt + 36, true)), 4)).toBe("FACS");
  });
  test("the DSDT routes pin A of slots 2 to 31 to I/O APIC pins 10, 10, 11 and 11 in turns", () => {
    const at = Buffer.from(rom.bytes).indexOf("_PRT") + 4;
    // A package: its length in two bytes, 30 elements.
    expect([rom.bytes[at], (rom.bytes[at + 1] as number) >> 6, rom.bytes[at + 3]]).toEqual([0x12, 1, 30]);
    const entries = Array.from({ length: 30 }, (_, n) => [
      ...rom.bytes.subarray(at + 4 + 12 * n, at + 16 + 12 * n),
    ]);
    expect(entries).toEqual(
      Array.from({ length: 30 }, (_, n) => [
        0x12,
        11,
        4,
        0x0c,
        0xff,
        0xff,
        n + 2,
        0,
        0,
        0,
        0x0a,
        [10, 11, 11, 10][n & 3],
      ]),
    );
  });
  test("the MADT lists both processors, the I/O APIC and the overrides", () => {
    const madt = tables[1] as number;
    const entries: number[][] = [];
    for (let at = madt + 44; at < madt + view.getUint32(madt + 4, true); at += rom.bytes[at + 1] as number)
      entries.push([...rom.bytes.subarray(at, at + 4)]);
    expect(entries).toEqual([
      [0, 8, 0, 0],
      [0, 8, 1, 1],
      [1, 12, 15, 0],
      [2, 10, 0, 0],
      [2, 10, 0, 9],
      [4, 6, 255, 0],
    ]);
  });
});

test("MultiProcessor: the table has as many entries as it says, and adds up to 0", () => {
  const pointer = find("_MP_");
  expect(sum(pointer, 16)).toBe(0);
  const table = offset(view.getUint32(pointer + 4, true));
  const length = view.getUint16(table + 4, true);
  expect([text(table, 4), sum(table, length)]).toEqual(["PCMP", 0]);
  let count = 0;
  const kinds = new Map<number, number>();
  for (let at = table + 44; at < table + length; count++) {
    const kind = rom.bytes[at] as number;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    at += kind === 0 ? 20 : 8;
  }
  expect(count).toBe(view.getUint16(table + 34, true));
  expect(Object.fromEntries(kinds)).toEqual({ 0: 2, 1: 1, 2: 1, 3: 15, 4: 2 });
});
