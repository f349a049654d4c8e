import { i32, sub as less, neg as minus, add as plus } from "../ir/expr.ts";
import { Flag } from "../state.ts";
import type { Semantics } from "./context.ts";
import { hex, line } from "./define.ts";
import {
  ALL_BUT_CF,
  carry,
  difference,
  flagsAdd,
  flagsDec,
  flagsInc,
  flagsNeg,
  flagsSub,
  sum,
} from "./flags.ts";
import { FLAGS_ALL, type OpcodeLine } from "./line.ts";

export const add: Semantics = (c) => {
  const a = c.read(0);
  const b = c.read(1);
  const result = sum(c, a, b);
  c.write(0, result);
  flagsAdd(c, a, b, result);
};

export const adc: Semantics = (c) => {
  const a = c.read(0);
  const b = c.read(1);
  const result = sum(c, a, plus(b, carry(c)));
  c.write(0, result);
  flagsAdd(c, a, b, result);
};

export const sub: Semantics = (c) => {
  const a = c.read(0);
  const b = c.read(1);
  const result = difference(c, a, b);
  c.write(0, result);
  flagsSub(c, a, b, result);
};

export const sbb: Semantics = (c) => {
  const a = c.read(0);
  const b = c.read(1);
  const result = difference(c, less(a, carry(c)), b);
  c.write(0, result);
  flagsSub(c, a, b, result);
};

export const cmp: Semantics = (c) => {
  const a = c.read(0);
  const b = c.read(1);
  flagsSub(c, a, b, difference(c, a, b));
};

export const inc: Semantics = (c) => {
  const a = c.read(0);
  const result = sum(c, a, i32(1));
  c.write(0, result);
  flagsInc(c, a, result);
};

export const dec: Semantics = (c) => {
  const a = c.read(0);
  const result = difference(c, a, i32(1));
  c.write(0, result);
  flagsDec(c, a, result);
};

export const neg: Semantics = (c) => {
  const a = c.read(0);
  const result = c.let(minus(a));
  c.write(0, result);
  flagsNeg(c, a, result);
};

/** The six encodings that the classic two-operand operations share, opcode base + 0..5, and group 1 (80..83) number base / 8. */
export function aluLines(
  mnemonic: string,
  base: number,
  semantics: Semantics,
  rest: { readonly writesDestination: boolean; readonly readsFlags?: number },
): OpcodeLine[] {
  const access = rest.writesDestination ? ":rw" : "";
  const common = {
    semantics,
    writesFlags: FLAGS_ALL,
    ...(rest.readsFlags === undefined ? {} : { readsFlags: rest.readsFlags }),
  };
  const lockable = rest.writesDestination ? { ...common, lockable: true } : common;
  const group = base >> 3;
  return [
    line(mnemonic, hex(base), `Eb${access} Gb`, lockable),
    line(mnemonic, hex(base + 1), `Ev${access} Gv`, lockable),
    line(mnemonic, hex(base + 2), `Gb${access} Eb`, common),
    line(mnemonic, hex(base + 3), `Gv${access} Ev`, common),
    line(mnemonic, hex(base + 4), `AL${access} Ib`, common),
    line(mnemonic, hex(base + 5), `AX${access} Iz`, common),
    line(mnemonic, `80 /${group}`, `Eb${access} Ib`, lockable),
    line(mnemonic, `81 /${group}`, `Ev${access} Iz`, lockable),
    line(mnemonic, `82 /${group}`, `Eb${access} Ib`, lockable),
    line(mnemonic, `83 /${group}`, `Ev${access} Ibs`, lockable),
  ];
}

const KEEPS_CF = { writesFlags: ALL_BUT_CF } as const;
const REGISTERS = [0, 1, 2, 3, 4, 5, 6, 7] as const;

export const arithmeticLines: readonly OpcodeLine[] = [
  ...aluLines("add", 0x00, add, { writesDestination: true }),
  ...aluLines("adc", 0x10, adc, { writesDestination: true, readsFlags: Flag.CF }),
  ...aluLines("sbb", 0x18, sbb, { writesDestination: true, readsFlags: Flag.CF }),
  ...aluLines("sub", 0x28, sub, { writesDestination: true }),
  ...aluLines("cmp", 0x38, cmp, { writesDestination: false }),
  ...REGISTERS.map((r) => line("inc", hex(0x40 + r), "Zv:rw", { semantics: inc, ...KEEPS_CF })),
  ...REGISTERS.map((r) => line("dec", hex(0x48 + r), "Zv:rw", { semantics: dec, ...KEEPS_CF })),
  line("inc", "FE /0", "Eb:rw", { semantics: inc, ...KEEPS_CF, lockable: true }),
  line("inc", "FF /0", "Ev:rw", { semantics: inc, ...KEEPS_CF, lockable: true }),
  line("dec", "FE /1", "Eb:rw", { semantics: dec, ...KEEPS_CF, lockable: true }),
  line("dec", "FF /1", "Ev:rw", { semantics: dec, ...KEEPS_CF, lockable: true }),
  line("neg", "F6 /3", "Eb:rw", { semantics: neg, writesFlags: FLAGS_ALL, lockable: true }),
  line("neg", "F7 /3", "Ev:rw", { semantics: neg, writesFlags: FLAGS_ALL, lockable: true }),
];
