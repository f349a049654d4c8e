import type { BinaryOp, Expr } from "../../../../src/cpu/ir/expr.ts";

/** What WebAssembly would trap on; semantics must rule it out before they divide. */
export class WebAssemblyTrap extends Error {}

/** Reads the WebAssembly memory for `load` nodes. */
export type ReadWord = (address: number, bytes: 1 | 2 | 4) => number;

const unsigned64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const signed64 = (value: bigint): bigint => BigInt.asIntN(64, value);

/** The value of an i32 tree, signed, as WebAssembly defines it. `call` and `local` nodes have no meaning here and throw. */
export function evaluate32(e: Expr, read: ReadWord): number {
  switch (e.kind) {
    case "const":
      if (e.type !== "i32") throw new TypeError("i64 constant where i32 is wanted");
      return e.value;
    case "binary":
      if (e.a.type === "i64") return Number(binary64(e.op, evaluate64(e.a, read), evaluate64(e.b, read)));
      return binary32(e.op, evaluate32(e.a, read), evaluate32(e.b, read));
    case "unary":
      return unary32(e, read);
    case "convert":
      if (e.op !== "wrap") throw new TypeError(`${e.op} gives an i64`);
      return Number(BigInt.asIntN(32, evaluate64(e.a, read)));
    case "select":
      return evaluate32(e.condition, read) !== 0 ? evaluate32(e.a, read) : evaluate32(e.b, read);
    case "load":
      return loadValue(e, read);
    default:
      throw new TypeError(`cannot evaluate a ${e.kind} node`);
  }
}

/** The value of an i64 tree, signed. */
export function evaluate64(e: Expr, read: ReadWord): bigint {
  switch (e.kind) {
    case "const":
      if (e.type !== "i64") throw new TypeError("i32 constant where i64 is wanted");
      return e.value;
    case "binary":
      return binary64(e.op, evaluate64(e.a, read), evaluate64(e.b, read));
    case "convert": {
      const value = BigInt(evaluate32(e.a, read));
      return e.op === "extend_u" ? BigInt.asUintN(32, value) : value;
    }
    case "select":
      return evaluate32(e.condition, read) !== 0 ? evaluate64(e.a, read) : evaluate64(e.b, read);
    default:
      throw new TypeError(`cannot evaluate an i64 ${e.kind} node`);
  }
}

function loadValue(e: Extract<Expr, { kind: "load" }>, read: ReadWord): number {
  const address = (evaluate32(e.address, read) + e.offset) >>> 0;
  switch (e.access) {
    case "u8":
      return read(address, 1);
    case "s8":
      return (read(address, 1) << 24) >> 24;
    case "u16":
      return read(address, 2);
    case "s16":
      return (read(address, 2) << 16) >> 16;
    case "i32":
      return read(address, 4) | 0;
    default:
      throw new TypeError("i64 loads are not evaluated");
  }
}

function unary32(e: Extract<Expr, { kind: "unary" }>, read: ReadWord): number {
  if (e.a.type === "i64") {
    if (e.op === "eqz") return +(evaluate64(e.a, read) === 0n);
    throw new TypeError(`i64 ${e.op} is not evaluated`);
  }
  const a = evaluate32(e.a, read);
  switch (e.op) {
    case "eqz":
      return +(a === 0);
    case "clz":
      return Math.clz32(a);
    case "ctz":
      return a === 0 ? 32 : 31 - Math.clz32(a & -a);
    case "popcnt": {
      let count = 0;
      for (let rest = a; rest !== 0; rest &= rest - 1) count++;
      return count;
    }
    case "extend8_s":
      return (a << 24) >> 24;
    case "extend16_s":
      return (a << 16) >> 16;
    default:
      throw new TypeError(`i32 ${e.op} does not exist`);
  }
}

function binary32(op: BinaryOp, a: number, b: number): number {
  const ua = a >>> 0;
  const ub = b >>> 0;
  switch (op) {
    case "add":
      return (a + b) | 0;
    case "sub":
      return (a - b) | 0;
    case "mul":
      return Math.imul(a, b);
    case "div_s":
      if (b === 0 || (a === -0x80000000 && b === -1)) throw new WebAssemblyTrap("i32.div_s");
      return (a / b) | 0;
    case "div_u":
      if (b === 0) throw new WebAssemblyTrap("i32.div_u");
      return Math.trunc(ua / ub) | 0;
    case "rem_s":
      if (b === 0) throw new WebAssemblyTrap("i32.rem_s");
      return (a % b) | 0;
    case "rem_u":
      if (b === 0) throw new WebAssemblyTrap("i32.rem_u");
      return (ua % ub) | 0;
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    case "shl":
      return a << b;
    case "shr_s":
      return a >> b;
    case "shr_u":
      return (a >>> b) | 0;
    case "rotl":
      return (a << b) | (b & 31 ? a >>> -b : 0);
    case "rotr":
      return (a >>> b) | (b & 31 ? a << -b : 0);
    case "eq":
      return +(a === b);
    case "ne":
      return +(a !== b);
    case "lt_s":
      return +(a < b);
    case "lt_u":
      return +(ua < ub);
    case "gt_s":
      return +(a > b);
    case "gt_u":
      return +(ua > ub);
    case "le_s":
      return +(a <= b);
    case "le_u":
      return +(ua <= ub);
    case "ge_s":
      return +(a >= b);
    case "ge_u":
      return +(ua >= ub);
  }
}

function binary64(op: BinaryOp, a: bigint, b: bigint): bigint {
  const ua = unsigned64(a);
  const ub = unsigned64(b);
  const places = ub & 63n;
  switch (op) {
    case "add":
      return signed64(a + b);
    case "sub":
      return signed64(a - b);
    case "mul":
      return signed64(a * b);
    case "div_s":
      if (b === 0n || (signed64(a) === -(1n << 63n) && signed64(b) === -1n))
        throw new WebAssemblyTrap("i64.div_s");
      return signed64(a) / signed64(b);
    case "div_u":
      if (b === 0n) throw new WebAssemblyTrap("i64.div_u");
      return signed64(ua / ub);
    case "and":
      return signed64(a & b);
    case "or":
      return signed64(a | b);
    case "xor":
      return signed64(a ^ b);
    case "shl":
      return signed64(ua << places);
    case "shr_u":
      return signed64(ua >> places);
    case "shr_s":
      return signed64(a) >> places;
    case "eq":
      return BigInt(ua === ub);
    case "ne":
      return BigInt(ua !== ub);
    default:
      throw new TypeError(`i64 ${op} is not evaluated`);
  }
}
