/** Writes MOO files, for tests of the reader. */

export interface WrittenState {
  /** Words by number, in the order of the numbers. */
  readonly registers: Readonly<Record<number, number>>;
  readonly ram?: readonly (readonly [number, number])[];
  readonly masks?: Readonly<Record<number, number>>;
}

export interface WrittenTest {
  readonly name: string;
  readonly bytes: readonly number[];
  readonly before: WrittenState;
  readonly after: WrittenState;
  readonly exception?: readonly [vector: number, flagsAddress: number];
  readonly hash?: string;
}

const u16 = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff];
const u32 = (value: number): number[] => [...u16(value), ...u16(value >>> 16)];
const ascii = (text: string): number[] => [...text].map((character) => character.charCodeAt(0));
export const chunk = (type: string, ...data: readonly number[]): number[] => [
  ...ascii(type),
  ...u32(data.length),
  ...data,
];

function listed(type: string, wide: boolean, words: Readonly<Record<number, number>>): number[] {
  const numbers = Object.keys(words).map(Number);
  const word = wide ? u32 : u16;
  const present = numbers.reduce((bits, number) => bits | (1 << number), 0);
  return chunk(type, ...word(present), ...numbers.flatMap((number) => word(words[number] as number)));
}

function state(wide: boolean, { registers, ram = [], masks }: WrittenState): number[] {
  return [
    ...listed(wide ? "RG32" : "REGS", wide, registers),
    ...(masks === undefined ? [] : listed(wide ? "RM32" : "RMSK", wide, masks)),
    ...chunk("RAM ", ...u32(ram.length), ...ram.flatMap(([address, byte]) => [...u32(address), byte])),
    ...chunk("QUEU", ...u32(0)),
  ];
}

/** `cpu`: four characters. `extra`: chunks before the tests. */
export function mooFile(
  cpu: string,
  tests: readonly WrittenTest[],
  extra: readonly number[] = [],
): Uint8Array {
  const wide = cpu === "386E";
  const bodies = tests.map(({ name, bytes, before, after, exception, hash }, index) =>
    chunk(
      "TEST",
      ...u32(index),
      ...chunk("NAME", ...u32(name.length), ...ascii(name)),
      ...chunk("BYTS", ...u32(bytes.length), ...bytes),
      ...chunk("INIT", ...state(wide, before)),
      ...chunk("FINA", ...state(wide, after)),
      ...chunk("CYCL", ...u32(0)),
      ...(exception === undefined ? [] : chunk("EXCP", exception[0], ...u32(exception[1]))),
      ...chunk("NEW ", 1, 2, 3),
      ...(hash === undefined ? [] : chunk("HASH", ...Buffer.from(hash, "hex"))),
    ),
  );
  return Uint8Array.from([
    ...chunk("MOO ", 1, 1, 0, 0, ...u32(tests.length), ...ascii(cpu)),
    ...chunk("META", ...new Array<number>(33).fill(0)),
    ...extra,
    ...bodies.flat(),
  ]);
}
