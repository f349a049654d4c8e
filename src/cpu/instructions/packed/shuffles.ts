import { and, type Expr, i32, load, ne, or, select, shl } from "../../ir/expr.ts";
import { shuffle, type VectorOp, vector } from "../../ir/simd.ts";
import { SHUFFLE_DWORDS, SHUFFLE_HIGH_WORDS, SHUFFLE_LOW_WORDS } from "../../layout.ts";
import type { Semantics, SemanticsContext } from "../context.ts";
import { line } from "../define.ts";
import type { OpcodeLine } from "../line.ts";
import { both, Feature, SSE, SSE2 } from "./operation.ts";

/** Bytes of two vectors in another order: unpacking, packing, shuffling. */

/** The lower halves of both, side by side: 0 to 7, 16 to 23. */
const LOWER_HALVES = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];

/** PUNPCKL, PUNPCKH, UNPCKL, UNPCKH: elements of the destination's and the source's lower or upper halves in turn. */
const unpack =
  (size: 1 | 2 | 4 | 8, upper: boolean): Semantics =>
  (c) => {
    const bytes = c.vectorBytes(0);
    const from = upper ? bytes / 2 : 0;
    const lanes = Array.from({ length: 16 }, (_, place) => {
      if (place >= bytes) return 0;
      const element = Math.floor(place / (2 * size));
      const second = Math.floor(place / size) % 2;
      return 16 * second + from + element * size + (place % size);
    });
    const a = c.readVector(0);
    c.writeVector(0, shuffle(a, c.readVector(1), lanes));
  };

/** PACK: elements of both, half as wide, saturated. */
const pack =
  (op: VectorOp): Semantics =>
  (c) => {
    const a = c.readVector(0);
    const b = c.readVector(1);
    if (c.vectorBytes(0) === 16) c.writeVector(0, vector(op, a, b));
    else {
      const joined = c.let(shuffle(a, b, LOWER_HALVES));
      c.writeVector(0, vector(op, joined, joined));
    }
  };

/** Which bytes an immediate chooses, from a table of layout.ts. */
const chosen = (immediate: Expr, table: number): Expr => load("v128", shl(immediate, i32(4)), table);

/** PSHUFD, PSHUFW, PSHUFLW, PSHUFHW. */
const byImmediate =
  (table: number): Semantics =>
  (c) => {
    const source = c.readVector(1);
    c.writeVector(0, vector("i8x16.swizzle", source, chosen(c.read(2), table)));
  };

/** Two elements of the destination, then two of the source. */
function twoOfEach(c: SemanticsContext, immediate: Expr): void {
  const a = c.readVector(0);
  const b = c.readVector(1);
  const order = c.let(chosen(immediate, SHUFFLE_DWORDS));
  const upper = [0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31];
  c.writeVector(0, shuffle(vector("i8x16.swizzle", a, order), vector("i8x16.swizzle", b, order), upper));
}

const shufps: Semantics = (c) => twoOfEach(c, c.read(2));

/** As SHUFPS with pairs of elements: 0 1 or 2 3. */
const shufpd: Semantics = (c) => {
  const immediate = c.let(c.read(2));
  const low = select(ne(and(immediate, i32(1)), i32(0)), i32(0x0e), i32(0x04));
  const high = select(ne(and(immediate, i32(2)), i32(0)), i32(0xe0), i32(0x40));
  twoOfEach(c, c.let(or(low, high)));
};

/** PEXTRW and PINSRW: the immediate counts words, as many as there are. */
const wordOf = (c: SemanticsContext, n: number): Expr =>
  shl(and(c.read(2), i32(c.vectorBytes(n) / 2 - 1)), i32(1));

const extractWord: Semantics = (c) => c.write(0, c.readVectorWord(1, wordOf(c, 1)));
const insertWord: Semantics = (c) => {
  const value = c.read(1);
  c.writeVectorWord(0, wordOf(c, 0), value);
};

/** PUNPCKL of MMX registers: 32 bits of memory are read, and of XMM registers 128. */
const punpckLow = (mnemonic: string, opcode: string, semantics: Semantics): OpcodeLine[] => [
  line(mnemonic, `NP 0F ${opcode}`, "Pq:rw Qd", { semantics, units: "mmx", feature: Feature.mmx }),
  line(mnemonic, `66 0F ${opcode}`, "Vdq:rw Wdq", { semantics, ...SSE2 }),
];

export const shuffleLines: readonly OpcodeLine[] = [
  ...punpckLow("punpcklbw", "60", unpack(1, false)),
  ...punpckLow("punpcklwd", "61", unpack(2, false)),
  ...punpckLow("punpckldq", "62", unpack(4, false)),
  ...both("packsswb", "63", pack("i8x16.narrow_i16x8_s")),
  ...both("packuswb", "67", pack("i8x16.narrow_i16x8_u")),
  ...both("punpckhbw", "68", unpack(1, true)),
  ...both("punpckhwd", "69", unpack(2, true)),
  ...both("punpckhdq", "6A", unpack(4, true)),
  ...both("packssdw", "6B", pack("i16x8.narrow_i32x4_s")),
  line("punpcklqdq", "66 0F 6C", "Vdq:rw Wdq", { semantics: unpack(8, false), ...SSE2 }),
  line("punpckhqdq", "66 0F 6D", "Vdq:rw Wdq", { semantics: unpack(8, true), ...SSE2 }),
  line("unpcklps", "NP 0F 14", "Vps:rw Wps", { semantics: unpack(4, false), ...SSE }),
  line("unpcklpd", "66 0F 14", "Vpd:rw Wpd", { semantics: unpack(8, false), ...SSE2 }),
  line("unpckhps", "NP 0F 15", "Vps:rw Wps", { semantics: unpack(4, true), ...SSE }),
  line("unpckhpd", "66 0F 15", "Vpd:rw Wpd", { semantics: unpack(8, true), ...SSE2 }),
  line("pshufw", "NP 0F 70", "Pq:w Qq Ib", {
    semantics: byImmediate(SHUFFLE_LOW_WORDS),
    units: "mmx",
    feature: Feature.sse,
  }),
  line("pshufd", "66 0F 70", "Vdq:w Wdq Ib", { semantics: byImmediate(SHUFFLE_DWORDS), ...SSE2 }),
  line("pshufhw", "F3 0F 70", "Vdq:w Wdq Ib", { semantics: byImmediate(SHUFFLE_HIGH_WORDS), ...SSE2 }),
  line("pshuflw", "F2 0F 70", "Vdq:w Wdq Ib", { semantics: byImmediate(SHUFFLE_LOW_WORDS), ...SSE2 }),
  line("shufps", "NP 0F C6", "Vps:rw Wps Ib", { semantics: shufps, ...SSE }),
  line("shufpd", "66 0F C6", "Vpd:rw Wpd Ib", { semantics: shufpd, ...SSE2 }),
  line("pinsrw", "NP 0F C4", "Pq:rw Ew Ib", { semantics: insertWord, units: "mmx", feature: Feature.sse }),
  line("pinsrw", "66 0F C4", "Vdq:rw Ew Ib", { semantics: insertWord, ...SSE2 }),
  line("pextrw", "NP 0F C5", "Gd:w Nq Ib", { semantics: extractWord, units: "mmx", feature: Feature.sse }),
  line("pextrw", "66 0F C5", "Gd:w Udq Ib", { semantics: extractWord, ...SSE2 }),
];
