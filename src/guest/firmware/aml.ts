import { TableWriter } from "./tables.ts";

/** ACPI machine language (ACPI 6.4, chapter 20), as much of it as the DSDT needs. Every function gives the bytes of a term. */
export type Aml = readonly number[];

const ZERO = 0x00;
const BYTE = 0x0a;
const DWORD = 0x0c;

export function integer(value: number): Aml {
  if (value === 0) return [ZERO];
  if (value < 0x100) return [BYTE, value];
  return [DWORD, ...[0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff)];
}

export const name = (path: string, value: Aml): Aml => [0x08, ...segments(path), ...value];
export const packageOf = (...elements: readonly Aml[]): Aml => [
  0x12,
  ...sized([elements.length, ...elements.flat()]),
];
export const scope = (path: string, ...terms: readonly Aml[]): Aml => [
  0x10,
  ...sized([...segments(path), ...terms.flat()]),
];
export const device = (path: string, ...terms: readonly Aml[]): Aml => [
  0x5b,
  0x82,
  ...sized([...segments(path), ...terms.flat()]),
];
export const buffer = (bytes: readonly number[]): Aml => [
  0x11,
  ...sized([...integer(bytes.length), ...bytes]),
];

/** A compressed EISA identifier: three letters and four hexadecimal digits. */
export function eisaId(id: string): Aml {
  const letters = [0, 1, 2].reduce((bits, n) => (bits << 5) | (id.charCodeAt(n) - 0x40), 0);
  const digits = Number.parseInt(id.slice(3), 16);
  return [DWORD, letters >> 8, letters & 0xff, digits >> 8, digits & 0xff];
}

/** Four characters, filled up with underscores. */
const segments = (path: string): Aml => [...Buffer.from(path.padEnd(4, "_"), "latin1")];

/** A package length, which counts its own bytes, and what it covers. */
function sized(content: readonly number[]): Aml {
  const one = content.length + 1;
  if (one < 0x40) return [one, ...content];
  const two = content.length + 2;
  return [0x40 | (two & 15), two >> 4, ...content];
}

/** Resource descriptors (6.4): a window that a bridge passes on, of bus numbers, ports or memory, or ports of its own. */
export const busNumbers = (first: number, last: number): Aml => wordSpace(2, 0x0c, 0x00, first, last);
export const portWindow = (first: number, last: number): Aml => wordSpace(1, 0x0c, 0x03, first, last);

function wordSpace(type: number, flags: number, specific: number, first: number, last: number): Aml {
  const writer = new TableWriter().u8(0x88).u16(13).u8(type, flags, specific);
  return [
    ...writer
      .u16(0)
      .u16(first)
      .u16(last)
      .u16(0)
      .u16(last - first + 1)
      .build(),
  ];
}

export function memoryWindow(first: number, last: number): Aml {
  const writer = new TableWriter().u8(0x87).u16(23).u8(0, 0x0c, 0x01);
  return [
    ...writer
      .u32(0)
      .u32(first)
      .u32(last)
      .u32(0)
      .u32(last - first + 1)
      .build(),
  ];
}

export const ports = (first: number, count: number): Aml => [
  ...new TableWriter().u8(0x47, 1).u16(first).u16(first).u8(1, count).build(),
];

/** Edge-triggered, active high. */
export const irq = (line: number): Aml => [0x22, ...new TableWriter().u16(1 << line).build()];

/** A resource template; its checksum is 0, which says that there is none. */
export const resources = (...descriptors: readonly Aml[]): Aml => buffer([...descriptors.flat(), 0x79, 0]);
