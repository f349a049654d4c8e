import { i32, or, select, xor } from "../ir/expr.ts";
import { Flag } from "../state.ts";
import type { Semantics } from "./context.ts";
import { hex, line } from "./define.ts";
import { difference, flagsAdd, flagsSub, sum } from "./flags.ts";
import { FLAGS_ALL, Generation, type OpcodeLine } from "./line.ts";

const EAX = 0;
const ECX = 1;
const EDX = 2;
const EBX = 3;

/** XCHG: the memory operand, if any, is operand 0 and is written first. */
export const xchg: Semantics = (c) => {
  const a = c.read(0);
  const b = c.read(1);
  c.write(0, b);
  c.write(1, a);
};

/** XADD: when both operands are the same register, the sum stays. */
export const xadd: Semantics = (c) => {
  const a = c.read(0);
  const b = c.read(1);
  const result = sum(c, a, b);
  if (c.operandKind(0) === "mem") {
    c.write(0, result);
    c.write(1, a);
  } else {
    c.write(1, a);
    c.write(0, result);
  }
  flagsAdd(c, a, b, result);
};

/** CMPXCHG: the destination is written in either case, with its own value when the comparison fails. */
export const cmpxchg: Semantics = (c) => {
  const destination = c.read(0);
  const source = c.read(1);
  const expected = c.let(c.reg(EAX, c.width));
  const result = difference(c, expected, destination);
  c.write(0, c.let(select(result, destination, source)));
  c.when(result, () => c.setReg(EAX, c.width, destination));
  flagsSub(c, expected, destination, result);
};

/** CMPXCHG8B m64: ZF alone of the flags changes. */
export const cmpxchg8b: Semantics = (c) => {
  const low = c.let(c.loadQuad());
  const high = c.let(c.loadAt(i32(4), 32, true));
  const differ = c.let(or(xor(low, c.reg(EAX, 32)), xor(high, c.reg(EDX, 32))));
  c.storeAt(i32(0), 32, c.let(select(differ, low, c.reg(EBX, 32))));
  c.storeAt(i32(4), 32, c.let(select(differ, high, c.reg(ECX, 32))));
  c.when(differ, () => {
    c.setReg(EAX, 32, low);
    c.setReg(EDX, 32, high);
  });
  c.setFlags(differ, c.flagSp(), c.flagAux());
};

const REGISTERS = [1, 2, 3, 4, 5, 6, 7] as const;
const EXCHANGE = { semantics: xchg, lockable: true } as const;
const ADD = { semantics: xadd, lockable: true, writesFlags: FLAGS_ALL, feature: Generation.i486 } as const;
const COMPARE = {
  semantics: cmpxchg,
  lockable: true,
  writesFlags: FLAGS_ALL,
  feature: Generation.i486,
} as const;
const CX8_FEATURE = 8;

export const exchangeLines: readonly OpcodeLine[] = [
  line("xchg", "86", "Eb:rw Gb:rw", EXCHANGE),
  line("xchg", "87", "Ev:rw Gv:rw", EXCHANGE),
  // 90 would be XCHG AX,AX: it is NOP, also in its upper half.
  ...REGISTERS.map((r) => line("xchg", hex(0x90 + r), "Zv:rw AX:rw", { semantics: xchg })),
  line("xadd", "0F C0", "Eb:rw Gb:rw", ADD),
  line("xadd", "0F C1", "Ev:rw Gv:rw", ADD),
  line("cmpxchg", "0F B0", "Eb:rw Gb", COMPARE),
  line("cmpxchg", "0F B1", "Ev:rw Gv", COMPARE),
  line("cmpxchg8b", "0F C7 /1 mem", "Mq:rw", {
    semantics: cmpxchg8b,
    lockable: true,
    writesFlags: Flag.ZF,
    feature: CX8_FEATURE,
  }),
];
