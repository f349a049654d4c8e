import type { Expr, ValueType } from "./expr.ts";

/**
 * Vectors of 128 bits in expression trees: the operations of WebAssembly's fixed-width SIMD that instructions are made of. Numbers are the
 * opcodes behind the prefix FD (WebAssembly core specification 2.0, binary format, vector instructions).
 */
const VECTOR_OPS = {
  "i8x16.swizzle": 14,
  "i8x16.splat": 15,
  "i16x8.splat": 16,
  "i32x4.splat": 17,
  "i64x2.splat": 18,
  "i8x16.eq": 35,
  "i8x16.gt_s": 39,
  "i16x8.eq": 45,
  "i16x8.gt_s": 49,
  "i32x4.eq": 55,
  "i32x4.gt_s": 59,
  "v128.not": 77,
  "v128.and": 78,
  "v128.andnot": 79,
  "v128.or": 80,
  "v128.xor": 81,
  "i8x16.narrow_i16x8_s": 101,
  "i8x16.narrow_i16x8_u": 102,
  "i8x16.add": 110,
  "i8x16.add_sat_s": 111,
  "i8x16.add_sat_u": 112,
  "i8x16.sub": 113,
  "i8x16.sub_sat_s": 114,
  "i8x16.sub_sat_u": 115,
  "i8x16.min_u": 119,
  "i8x16.max_u": 121,
  "i8x16.avgr_u": 123,
  "i16x8.extadd_pairwise_i8x16_u": 125,
  "i32x4.extadd_pairwise_i16x8_u": 127,
  "i16x8.narrow_i32x4_s": 133,
  "i16x8.shl": 139,
  "i16x8.shr_s": 140,
  "i16x8.shr_u": 141,
  "i16x8.add": 142,
  "i16x8.add_sat_s": 143,
  "i16x8.add_sat_u": 144,
  "i16x8.sub": 145,
  "i16x8.sub_sat_s": 146,
  "i16x8.sub_sat_u": 147,
  "i16x8.mul": 149,
  "i16x8.min_s": 150,
  "i16x8.max_s": 152,
  "i16x8.avgr_u": 155,
  "i32x4.shl": 171,
  "i32x4.shr_s": 172,
  "i32x4.shr_u": 173,
  "i32x4.add": 174,
  "i32x4.sub": 177,
  "i32x4.dot_i16x8_s": 186,
  "i32x4.extmul_low_i16x8_s": 188,
  "i32x4.extmul_high_i16x8_s": 189,
  "i32x4.extmul_low_i16x8_u": 190,
  "i32x4.extmul_high_i16x8_u": 191,
  "i64x2.shl": 203,
  "i64x2.shr_u": 205,
  "i64x2.add": 206,
  "i64x2.sub": 209,
  "i64x2.extmul_low_i32x4_u": 222,
  "f32x4.demote_f64x2_zero": 94,
  "f64x2.promote_low_f32x4": 95,
  "f32x4.eq": 65,
  "f32x4.ne": 66,
  "f32x4.lt": 67,
  "f64x2.eq": 71,
  "f64x2.ne": 72,
  "f64x2.lt": 73,
  "f32x4.abs": 224,
  "f32x4.sqrt": 227,
  "f32x4.add": 228,
  "f32x4.sub": 229,
  "f32x4.mul": 230,
  "f32x4.div": 231,
  "f32x4.pmin": 234,
  "f32x4.pmax": 235,
  "f64x2.abs": 236,
  "f64x2.sqrt": 239,
  "f64x2.add": 240,
  "f64x2.sub": 241,
  "f64x2.mul": 242,
  "f64x2.div": 243,
  "f64x2.pmin": 246,
  "f64x2.pmax": 247,
  "i32x4.trunc_sat_f32x4_s": 248,
  "f32x4.convert_i32x4_s": 250,
  "i32x4.trunc_sat_f64x2_s_zero": 252,
  "f64x2.convert_low_i32x4_s": 254,
} as const;

/** The same with a result that is no vector. */
const MASK_OPS = {
  "v128.any_true": 83,
  "i8x16.bitmask": 100,
  "i32x4.bitmask": 164,
  "i64x2.bitmask": 196,
} as const;

/** With the number of a lane; the first two take a value out of a vector, the others put one in. */
const LANE_OPS = {
  "i32x4.extract_lane": 27,
  "i64x2.extract_lane": 29,
  "i32x4.replace_lane": 28,
} as const;

export type VectorOp = keyof typeof VECTOR_OPS;
export type MaskOp = keyof typeof MASK_OPS;

/** A vector operation: `op` is the opcode, `immediate` the bytes behind it. */
export interface SimdExpr {
  readonly kind: "simd";
  readonly type: ValueType;
  readonly op: number;
  readonly args: readonly Expr[];
  readonly immediate: readonly number[];
}

const CONST = 12;
const SHUFFLE = 13;

export const vector = (op: VectorOp, ...args: readonly Expr[]): Expr => ({
  kind: "simd",
  type: "v128",
  op: VECTOR_OPS[op],
  args,
  immediate: [],
});

/** The topmost bits of the lanes as an i32, or whether any bit is set. */
export const bitmask = (op: MaskOp, a: Expr): Expr => ({
  kind: "simd",
  type: "i32",
  op: MASK_OPS[op],
  args: [a],
  immediate: [],
});

export const lane32 = (a: Expr, lane: number): Expr => ({
  kind: "simd",
  type: "i32",
  op: LANE_OPS["i32x4.extract_lane"],
  args: [a],
  immediate: [lane],
});

export const lane64 = (a: Expr, lane: number): Expr => ({
  kind: "simd",
  type: "i64",
  op: LANE_OPS["i64x2.extract_lane"],
  args: [a],
  immediate: [lane],
});

export const withLane32 = (a: Expr, lane: number, value: Expr): Expr => ({
  kind: "simd",
  type: "v128",
  op: LANE_OPS["i32x4.replace_lane"],
  args: [a, value],
  immediate: [lane],
});

/** A constant by its 16 bytes. */
export function v128(bytes: readonly number[]): Expr {
  if (bytes.length !== 16) throw new RangeError(`a vector has 16 bytes, not ${bytes.length}`);
  return { kind: "simd", type: "v128", op: CONST, args: [], immediate: bytes.map((byte) => byte & 0xff) };
}

export const ZERO_VECTOR: Expr = v128(new Array<number>(16).fill(0));

/** Bytes chosen by number: 0 to 15 of `a`, 16 to 31 of `b`. */
export function shuffle(a: Expr, b: Expr, lanes: readonly number[]): Expr {
  if (lanes.length !== 16 || lanes.some((lane) => lane < 0 || lane > 31))
    throw new RangeError(`a shuffle names 16 bytes of 32, not ${lanes.join(" ")}`);
  return { kind: "simd", type: "v128", op: SHUFFLE, args: [a, b], immediate: lanes };
}
