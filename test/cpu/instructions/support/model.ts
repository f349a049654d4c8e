import { Flag } from "../../../../src/cpu/state.ts";

/**
 * The manual's definition of the classic operations, on plain bigints and bit by bit where that is plainest: slow, and sharing nothing with
 * the semantics that it checks. Results are unsigned; `flags` holds only flags of `defined`.
 */
export interface Modelled {
  readonly result: bigint;
  readonly flags: number;
  readonly defined: number;
}

export type Model = (a: bigint, b: bigint, width: number, flags: number) => Modelled;

const bit = (value: bigint, n: number): number => Number((value >> BigInt(n)) & 1n);
const low = (value: bigint, width: number): bigint => BigInt.asUintN(width, value);
const signed = (value: bigint, width: number): bigint => BigInt.asIntN(width, value);

/** SF, ZF and PF of a result. */
function resultFlags(result: bigint, width: number): number {
  let ones = 0;
  for (let n = 0; n < 8; n++) ones += bit(result, n);
  return (
    (bit(result, width - 1) ? Flag.SF : 0) | (result === 0n ? Flag.ZF : 0) | (ones % 2 === 0 ? Flag.PF : 0)
  );
}

const STATUS = Flag.SF | Flag.ZF | Flag.PF;
const ALL = STATUS | Flag.CF | Flag.OF | Flag.AF;

function sumOf(a: bigint, b: bigint, carryIn: bigint, width: number): Modelled {
  const result = low(a + b + carryIn, width);
  const exact = signed(a, width) + signed(b, width) + carryIn;
  const flags =
    resultFlags(result, width) |
    (a + b + carryIn !== result ? Flag.CF : 0) |
    (exact !== signed(result, width) ? Flag.OF : 0) |
    (low(a, 4) + low(b, 4) + carryIn > 15n ? Flag.AF : 0);
  return { result, flags, defined: ALL };
}

function differenceOf(a: bigint, b: bigint, borrow: bigint, width: number): Modelled {
  const result = low(a - b - borrow, width);
  const exact = signed(a, width) - signed(b, width) - borrow;
  const flags =
    resultFlags(result, width) |
    (a < b + borrow ? Flag.CF : 0) |
    (exact !== signed(result, width) ? Flag.OF : 0) |
    (low(a, 4) < low(b, 4) + borrow ? Flag.AF : 0);
  return { result, flags, defined: ALL };
}

const logic =
  (operation: (a: bigint, b: bigint) => bigint): Model =>
  (a, b, width) => {
    const result = operation(a, b);
    return { result, flags: resultFlags(result, width), defined: ALL & ~Flag.AF };
  };

const withoutCarry = (modelled: Modelled): Modelled => ({
  ...modelled,
  flags: modelled.flags & ~Flag.CF,
  defined: modelled.defined & ~Flag.CF,
});

/** Moves a value one place, giving the bit that falls out. */
type Step = (value: bigint, carry: number, width: number) => { value: bigint; carry: number };

const top = (width: number): bigint => 1n << BigInt(width - 1);
const STEPS = {
  rol: (value, _, width) => {
    const out = bit(value, width - 1);
    return { value: low(value << 1n, width) | BigInt(out), carry: out };
  },
  ror: (value, _, width) => {
    const out = bit(value, 0);
    return { value: (value >> 1n) | (out ? top(width) : 0n), carry: out };
  },
  rcl: (value, carry, width) => ({
    value: low(value << 1n, width) | BigInt(carry),
    carry: bit(value, width - 1),
  }),
  rcr: (value, carry, width) => ({ value: (value >> 1n) | (carry ? top(width) : 0n), carry: bit(value, 0) }),
  shl: (value, _, width) => ({ value: low(value << 1n, width), carry: bit(value, width - 1) }),
  shr: (value) => ({ value: value >> 1n, carry: bit(value, 0) }),
  sar: (value, _, width) => ({ value: low(signed(value, width) >> 1n, width), carry: bit(value, 0) }),
} satisfies Record<string, Step>;

/** Shifts and rotates one place at a time; the second operand is the count. */
const moving =
  (name: keyof typeof STEPS): Model =>
  (a, b, width, flags) => {
    const count = Number(b & 31n);
    if (count === 0) return { result: a, flags: flags & ALL, defined: ALL };
    const step: Step = STEPS[name];
    let carry = flags & Flag.CF;
    let value = a;
    for (let left = count; left > 0; left--) ({ value, carry } = step(value, carry, width));
    const rotates = name.startsWith("r");
    // OF after one place: the sign of the operand changed (SAR: never).
    const overflow = count === 1 && bit(a, width - 1) !== bit(value, width - 1) ? Flag.OF : 0;
    const others = rotates ? flags & (STATUS | Flag.AF) : resultFlags(value, width);
    const carryDefined = !rotates && name !== "sar" && count >= width ? 0 : Flag.CF;
    const defined = STATUS | carryDefined | (rotates ? Flag.AF : 0) | (count === 1 ? Flag.OF : 0);
    return { result: value, flags: (others | overflow | (carry ? Flag.CF : 0)) & defined, defined };
  };

export const MODELS = {
  add: (a, b, width) => sumOf(a, b, 0n, width),
  adc: (a, b, width, flags) => sumOf(a, b, BigInt(flags & Flag.CF), width),
  sub: (a, b, width) => differenceOf(a, b, 0n, width),
  sbb: (a, b, width, flags) => differenceOf(a, b, BigInt(flags & Flag.CF), width),
  cmp: (a, b, width) => ({ ...differenceOf(a, b, 0n, width), result: a }),
  and: logic((a, b) => a & b),
  or: logic((a, b) => a | b),
  xor: logic((a, b) => a ^ b),
  inc: (a, _, width) => withoutCarry(sumOf(a, 1n, 0n, width)),
  dec: (a, _, width) => withoutCarry(differenceOf(a, 1n, 0n, width)),
  neg: (a, _, width) => differenceOf(0n, a, 0n, width),
  not: (a, _, width) => ({ result: low(~a, width), flags: 0, defined: 0 }),
  rol: moving("rol"),
  ror: moving("ror"),
  rcl: moving("rcl"),
  rcr: moving("rcr"),
  shl: moving("shl"),
  shr: moving("shr"),
  sar: moving("sar"),
} satisfies Record<string, Model>;
