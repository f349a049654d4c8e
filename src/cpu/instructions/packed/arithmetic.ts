import { type Expr, i32 } from "../../ir/expr.ts";
import { shuffle, type VectorOp, v128, vector } from "../../ir/simd.ts";
import type { Semantics } from "../context.ts";
import { line } from "../define.ts";
import type { OpcodeLine } from "../line.ts";
import { binary, both, Feature, SSE, SSE2 } from "./operation.ts";

/** Packed integers: sums, products, comparisons, logic. What is done with MMX registers is done with vectors that are zero above. */

/** The upper halves of the products of words. */
const multiplyHigh =
  (low: VectorOp, high: VectorOp): Semantics =>
  (c) => {
    const a = c.readVector(0);
    const b = c.readVector(1);
    const upper = [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31];
    c.writeVector(0, shuffle(vector(low, a, b), vector(high, a, b), upper));
  };

/** Doublewords 0 and 2 side by side. */
const evenDwords = (a: Expr): Expr => shuffle(a, a, [0, 1, 2, 3, 8, 9, 10, 11, 0, 0, 0, 0, 0, 0, 0, 0]);

/** PMULUDQ. */
const multiplyEven: Semantics = (c) => {
  const a = evenDwords(c.readVector(0));
  c.writeVector(0, vector("i64x2.extmul_low_i32x4_u", a, evenDwords(c.readVector(1))));
};

const LOW_DWORDS = v128([255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0]);

/** PSADBW: sums of the absolute differences of eight bytes each. */
const sumOfDifferences: Semantics = (c) => {
  const a = c.readVector(0);
  const b = c.readVector(1);
  const difference = vector("i8x16.sub", vector("i8x16.max_u", a, b), vector("i8x16.min_u", a, b));
  const words = vector("i16x8.extadd_pairwise_i8x16_u", difference);
  const dwords = c.let(vector("i32x4.extadd_pairwise_i16x8_u", words));
  const upper = vector("i64x2.shr_u", dwords, i32(32));
  c.writeVector(0, vector("i64x2.add", vector("v128.and", dwords, LOW_DWORDS), upper));
};

/** destination = source AND NOT destination. */
const andNot: Semantics = (c) => {
  const a = c.readVector(0);
  c.writeVector(0, vector("v128.andnot", c.readVector(1), a));
};

/** EMMS: all x87 registers empty. */
const emms: Semantics = (c) => c.emptyMmx();

/** AND, ANDN, OR and XOR of floating-point registers: bits are bits. */
const floatLogic = (mnemonic: string, opcode: string, semantics: Semantics): OpcodeLine[] => [
  line(`${mnemonic}ps`, `NP 0F ${opcode}`, "Vps:rw Wps", { semantics, ...SSE }),
  line(`${mnemonic}pd`, `66 0F ${opcode}`, "Vpd:rw Wpd", { semantics, ...SSE2 }),
];

export const packedArithmeticLines: readonly OpcodeLine[] = [
  ...both("pcmpgtb", "64", binary("i8x16.gt_s")),
  ...both("pcmpgtw", "65", binary("i16x8.gt_s")),
  ...both("pcmpgtd", "66", binary("i32x4.gt_s")),
  ...both("pcmpeqb", "74", binary("i8x16.eq")),
  ...both("pcmpeqw", "75", binary("i16x8.eq")),
  ...both("pcmpeqd", "76", binary("i32x4.eq")),
  line("emms", "NP 0F 77", "", { semantics: emms, units: "mmx", feature: Feature.mmx }),
  ...both("paddq", "D4", binary("i64x2.add"), Feature.sse2),
  ...both("pmullw", "D5", binary("i16x8.mul")),
  ...both("psubusb", "D8", binary("i8x16.sub_sat_u")),
  ...both("psubusw", "D9", binary("i16x8.sub_sat_u")),
  ...both("pminub", "DA", binary("i8x16.min_u"), Feature.sse),
  ...both("pand", "DB", binary("v128.and")),
  ...both("paddusb", "DC", binary("i8x16.add_sat_u")),
  ...both("paddusw", "DD", binary("i16x8.add_sat_u")),
  ...both("pmaxub", "DE", binary("i8x16.max_u"), Feature.sse),
  ...both("pandn", "DF", andNot),
  ...both("pavgb", "E0", binary("i8x16.avgr_u"), Feature.sse),
  ...both("pavgw", "E3", binary("i16x8.avgr_u"), Feature.sse),
  ...both(
    "pmulhuw",
    "E4",
    multiplyHigh("i32x4.extmul_low_i16x8_u", "i32x4.extmul_high_i16x8_u"),
    Feature.sse,
  ),
  ...both("pmulhw", "E5", multiplyHigh("i32x4.extmul_low_i16x8_s", "i32x4.extmul_high_i16x8_s")),
  ...both("psubsb", "E8", binary("i8x16.sub_sat_s")),
  ...both("psubsw", "E9", binary("i16x8.sub_sat_s")),
  ...both("pminsw", "EA", binary("i16x8.min_s"), Feature.sse),
  ...both("por", "EB", binary("v128.or")),
  ...both("paddsb", "EC", binary("i8x16.add_sat_s")),
  ...both("paddsw", "ED", binary("i16x8.add_sat_s")),
  ...both("pmaxsw", "EE", binary("i16x8.max_s"), Feature.sse),
  ...both("pxor", "EF", binary("v128.xor")),
  ...both("pmuludq", "F4", multiplyEven, Feature.sse2),
  ...both("pmaddwd", "F5", binary("i32x4.dot_i16x8_s")),
  ...both("psadbw", "F6", sumOfDifferences, Feature.sse),
  ...both("psubb", "F8", binary("i8x16.sub")),
  ...both("psubw", "F9", binary("i16x8.sub")),
  ...both("psubd", "FA", binary("i32x4.sub")),
  ...both("psubq", "FB", binary("i64x2.sub"), Feature.sse2),
  ...both("paddb", "FC", binary("i8x16.add")),
  ...both("paddw", "FD", binary("i16x8.add")),
  ...both("paddd", "FE", binary("i32x4.add")),
  ...floatLogic("and", "54", binary("v128.and")),
  ...floatLogic("andn", "55", andNot),
  ...floatLogic("or", "56", binary("v128.or")),
  ...floatLogic("xor", "57", binary("v128.xor")),
];
