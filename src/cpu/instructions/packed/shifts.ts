import { add, binary, type Expr, geU, i32, i64, load, ltU, select, sub, wrap } from "../../ir/expr.ts";
import { lane64, type VectorOp, vector, ZERO_VECTOR } from "../../ir/simd.ts";
import { BYTE_SHIFTS } from "../../layout.ts";
import type { Semantics, SemanticsContext } from "../context.ts";
import { line } from "../define.ts";
import type { OpcodeLine } from "../line.ts";
import { both, MMX, SSE2 } from "./operation.ts";

/** How far to shift, and whether that is all the lane or more. The count is an immediate byte or all of the low 64 bits of the source. */
function countOf(c: SemanticsContext, bits: number): { readonly count: Expr; readonly whole: Expr } {
  if (c.operandKind(1) === "imm") {
    const count = c.read(1);
    return { count, whole: geU(count, i32(bits)) };
  }
  const wide = c.let(lane64(c.readVector(1), 0));
  return { count: wrap(wide), whole: binary("ge_u", wide, i64(BigInt(bits))) };
}

const logical =
  (op: VectorOp, bits: number): Semantics =>
  (c) => {
    const value = c.readVector(0);
    const { count, whole } = countOf(c, bits);
    c.writeVector(0, select(whole, ZERO_VECTOR, vector(op, value, count)));
  };

/** The sign fills what is left free. */
const arithmetic =
  (op: VectorOp, bits: number): Semantics =>
  (c) => {
    const value = c.readVector(0);
    const { count, whole } = countOf(c, bits);
    c.writeVector(0, vector(op, value, select(whole, i32(bits - 1), count)));
  };

/** PSLLDQ and PSRLDQ: by bytes. */
const byBytes =
  (left: boolean): Semantics =>
  (c) => {
    const value = c.readVector(0);
    const count = c.let(c.read(1));
    const places = c.let(select(ltU(count, i32(16)), count, i32(16)));
    const table = left ? sub(i32(16), places) : add(places, i32(16));
    c.writeVector(0, vector("i8x16.swizzle", value, load("v128", table, BYTE_SHIFTS)));
  };

/** A shift by an immediate (group 71 to 73) and by a register or memory. */
const shift = (
  mnemonic: string,
  group: string,
  extension: number,
  opcode: string,
  semantics: Semantics,
): OpcodeLine[] => [
  line(mnemonic, `NP 0F ${group} /${extension}`, "Nq:rw Ib", { semantics, ...MMX }),
  line(mnemonic, `66 0F ${group} /${extension}`, "Udq:rw Ib", { semantics, ...SSE2 }),
  ...both(mnemonic, opcode, semantics),
];

export const packedShiftLines: readonly OpcodeLine[] = [
  ...shift("psrlw", "71", 2, "D1", logical("i16x8.shr_u", 16)),
  ...shift("psraw", "71", 4, "E1", arithmetic("i16x8.shr_s", 16)),
  ...shift("psllw", "71", 6, "F1", logical("i16x8.shl", 16)),
  ...shift("psrld", "72", 2, "D2", logical("i32x4.shr_u", 32)),
  ...shift("psrad", "72", 4, "E2", arithmetic("i32x4.shr_s", 32)),
  ...shift("pslld", "72", 6, "F2", logical("i32x4.shl", 32)),
  ...shift("psrlq", "73", 2, "D3", logical("i64x2.shr_u", 64)),
  ...shift("psllq", "73", 6, "F3", logical("i64x2.shl", 64)),
  line("psrldq", "66 0F 73 /3", "Udq:rw Ib", { semantics: byBytes(false), ...SSE2 }),
  line("pslldq", "66 0F 73 /7", "Udq:rw Ib", { semantics: byBytes(true), ...SSE2 }),
];
