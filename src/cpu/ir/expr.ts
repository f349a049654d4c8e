import type { SimdExpr } from "./simd.ts";

/**
 * Expression trees that instruction semantics build and the printer turns into WebAssembly. Trees are typed (i32, i64, v128),
 * immutable, and folded while they are built: an operation on constants is a constant, x+0 is x, and so on.
 * Semantics never compute guest values themselves.
 */

export type ValueType = "i32" | "i64" | "v128";

export const BINARY_OPS = [
  "add",
  "sub",
  "mul",
  "div_s",
  "div_u",
  "rem_s",
  "rem_u",
  "and",
  "or",
  "xor",
  "shl",
  "shr_s",
  "shr_u",
  "rotl",
  "rotr",
  "eq",
  "ne",
  "lt_s",
  "lt_u",
  "gt_s",
  "gt_u",
  "le_s",
  "le_u",
  "ge_s",
  "ge_u",
] as const;
export type BinaryOp = (typeof BINARY_OPS)[number];
export const UNARY_OPS = ["eqz", "clz", "ctz", "popcnt", "extend8_s", "extend16_s", "extend32_s"] as const;
export type UnaryOp = (typeof UNARY_OPS)[number];
export type ConvertOp = "wrap" | "extend_s" | "extend_u";

/** Bytes of a memory access, and whether a narrow load is sign-extended; v32 and v64 are the low lane of a vector, zero above. */
export type LoadKind = "u8" | "s8" | "u16" | "s16" | "i32" | "i64" | "v32" | "v64" | "v128";
export type StoreKind = "i8" | "i16" | "i32" | "i64" | "v32" | "v64" | "v128";

export type Expr =
  | { readonly kind: "const"; readonly type: "i32"; readonly value: number }
  | { readonly kind: "const"; readonly type: "i64"; readonly value: bigint }
  | { readonly kind: "local"; readonly type: ValueType; readonly index: number }
  | {
      readonly kind: "binary";
      readonly type: ValueType;
      readonly op: BinaryOp;
      readonly a: Expr;
      readonly b: Expr;
    }
  | { readonly kind: "unary"; readonly type: ValueType; readonly op: UnaryOp; readonly a: Expr }
  | { readonly kind: "convert"; readonly type: ValueType; readonly op: ConvertOp; readonly a: Expr }
  /** Raw load from the WebAssembly memory (state or micro-op; guest memory goes through the context). */
  | {
      readonly kind: "load";
      readonly type: ValueType;
      readonly access: LoadKind;
      readonly address: Expr;
      readonly offset: number;
    }
  | {
      readonly kind: "select";
      readonly type: ValueType;
      readonly condition: Expr;
      readonly a: Expr;
      readonly b: Expr;
    }
  | {
      readonly kind: "call";
      readonly type: ValueType;
      readonly callee: number;
      readonly args: readonly Expr[];
    }
  | SimdExpr;

export type Stmt =
  | { readonly kind: "set"; readonly index: number; readonly value: Expr }
  | {
      readonly kind: "store";
      readonly access: StoreKind;
      readonly address: Expr;
      readonly offset: number;
      readonly value: Expr;
    }
  | {
      readonly kind: "if";
      readonly condition: Expr;
      readonly then: readonly Stmt[];
      readonly else: readonly Stmt[];
    }
  /** Evaluates for its effect; the result, if any, is dropped. */
  | {
      readonly kind: "call";
      readonly callee: number;
      readonly args: readonly Expr[];
      readonly drops: boolean;
    }
  /** Repeats the body until a `break` of it is reached. */
  | { readonly kind: "loop"; readonly body: readonly Stmt[] }
  | { readonly kind: "break" }
  /** Leaves the function (to JavaScript). */
  | { readonly kind: "return" }
  /** Tail call through the handler table: `return_call_indirect (argument) table[handler]`. */
  | { readonly kind: "dispatch"; readonly handler: Expr; readonly argument: Expr }
  /** Tail call of a known function with the same signature as the handlers. */
  | { readonly kind: "tail"; readonly callee: number; readonly argument: Expr };

export const i32 = (value: number): Expr => ({ kind: "const", type: "i32", value: value | 0 });
export const i64 = (value: bigint): Expr => ({ kind: "const", type: "i64", value: BigInt.asIntN(64, value) });

const isConst32 = (e: Expr): e is Extract<Expr, { kind: "const"; type: "i32" }> =>
  e.kind === "const" && e.type === "i32";
const isConst64 = (e: Expr): e is Extract<Expr, { kind: "const"; type: "i64" }> =>
  e.kind === "const" && e.type === "i64";

const COMPARISONS: ReadonlySet<BinaryOp> = new Set([
  "eq",
  "ne",
  "lt_s",
  "lt_u",
  "gt_s",
  "gt_u",
  "le_s",
  "le_u",
  "ge_s",
  "ge_u",
]);

function fold32(op: BinaryOp, x: number, y: number): number | undefined {
  const a = x | 0;
  const b = y | 0;
  const ua = a >>> 0;
  const ub = b >>> 0;
  switch (op) {
    case "add":
      return (a + b) | 0;
    case "sub":
      return (a - b) | 0;
    case "mul":
      return Math.imul(a, b);
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
      return (a << (b & 31)) | ((b & 31) === 0 ? 0 : a >>> (32 - (b & 31)));
    case "rotr":
      return (b & 31) === 0 ? a : (a >>> (b & 31)) | (a << (32 - (b & 31)));
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
    default:
      return undefined; // divisions may trap: left to run time
  }
}

/** True for operations where (x op 0) is x. */
const RIGHT_ZERO_IDENTITY: ReadonlySet<BinaryOp> = new Set([
  "add",
  "sub",
  "or",
  "xor",
  "shl",
  "shr_s",
  "shr_u",
  "rotl",
  "rotr",
]);

export function binary(op: BinaryOp, a: Expr, b: Expr): Expr {
  if (a.type !== b.type) throw new TypeError(`operands of ${op} differ in type: ${a.type}, ${b.type}`);
  const type: ValueType = COMPARISONS.has(op) ? "i32" : a.type;
  if (isConst32(a) && isConst32(b)) {
    const value = fold32(op, a.value, b.value);
    if (value !== undefined) return i32(value);
  }
  const bZero = (isConst32(b) && b.value === 0) || (isConst64(b) && b.value === 0n);
  if (bZero) {
    if (RIGHT_ZERO_IDENTITY.has(op)) return a;
    if (op === "eq") return unary("eqz", a);
  }
  if (isConst32(b) && b.value === -1 && op === "and") return a;
  if (isConst32(a) && a.value === 0 && (op === "add" || op === "or" || op === "xor")) return b;
  return { kind: "binary", type, op, a, b };
}

export function unary(op: UnaryOp, a: Expr): Expr {
  const type: ValueType = op === "eqz" ? "i32" : a.type;
  if (isConst32(a)) {
    switch (op) {
      case "eqz":
        return i32(+(a.value === 0));
      case "clz":
        return i32(Math.clz32(a.value));
      case "extend8_s":
        return i32((a.value << 24) >> 24);
      case "extend16_s":
        return i32((a.value << 16) >> 16);
      default:
        break;
    }
  }
  return { kind: "unary", type, op, a };
}

export const wrap = (a: Expr): Expr =>
  isConst64(a) ? i32(Number(BigInt.asIntN(32, a.value))) : { kind: "convert", type: "i32", op: "wrap", a };
export const extendS = (a: Expr): Expr =>
  isConst32(a) ? i64(BigInt(a.value)) : { kind: "convert", type: "i64", op: "extend_s", a };
export const extendU = (a: Expr): Expr =>
  isConst32(a) ? i64(BigInt(a.value >>> 0)) : { kind: "convert", type: "i64", op: "extend_u", a };

export const add = (a: Expr, b: Expr): Expr => binary("add", a, b);
export const sub = (a: Expr, b: Expr): Expr => binary("sub", a, b);
export const mul = (a: Expr, b: Expr): Expr => binary("mul", a, b);
export const and = (a: Expr, b: Expr): Expr => binary("and", a, b);
export const or = (a: Expr, b: Expr): Expr => binary("or", a, b);
export const xor = (a: Expr, b: Expr): Expr => binary("xor", a, b);
export const shl = (a: Expr, b: Expr): Expr => binary("shl", a, b);
export const shrS = (a: Expr, b: Expr): Expr => binary("shr_s", a, b);
export const shrU = (a: Expr, b: Expr): Expr => binary("shr_u", a, b);
export const rotl = (a: Expr, b: Expr): Expr => binary("rotl", a, b);
export const rotr = (a: Expr, b: Expr): Expr => binary("rotr", a, b);
export const eq = (a: Expr, b: Expr): Expr => binary("eq", a, b);
export const ne = (a: Expr, b: Expr): Expr => binary("ne", a, b);
export const ltU = (a: Expr, b: Expr): Expr => binary("lt_u", a, b);
export const ltS = (a: Expr, b: Expr): Expr => binary("lt_s", a, b);
export const geU = (a: Expr, b: Expr): Expr => binary("ge_u", a, b);
export const gtU = (a: Expr, b: Expr): Expr => binary("gt_u", a, b);
export const eqz = (a: Expr): Expr => unary("eqz", a);
export const not = (a: Expr): Expr => binary("xor", a, a.type === "i32" ? i32(-1) : i64(-1n));
export const neg = (a: Expr): Expr => binary("sub", a.type === "i32" ? i32(0) : i64(0n), a);

/** condition ? a : b; both sides are evaluated. */
export function select(condition: Expr, a: Expr, b: Expr): Expr {
  if (isConst32(condition)) return condition.value !== 0 ? a : b;
  return { kind: "select", type: a.type, condition, a, b };
}

export function load(access: LoadKind, address: Expr, offset = 0): Expr {
  const type = access === "i64" ? "i64" : access[0] === "v" ? "v128" : "i32";
  return { kind: "load", type, access, address, offset };
}
