import { bitmask, lane32, type MaskOp, shuffle, withLane32, ZERO_VECTOR } from "../../ir/simd.ts";
import type { Semantics } from "../context.ts";
import { line } from "../define.ts";
import { FLAGS_ALL, type OpcodeLine } from "../line.ts";
import { mov } from "../moves.ts";
import { Feature, MMX, SSE, SSE2 } from "./operation.ts";

/** Moves of vectors and of parts of them. */

/** What is shorter than the destination is followed by zeros. */
export const move: Semantics = (c) => c.writeVector(0, c.readVector(1));
const MOVE = { semantics: move } as const;
const UNALIGNED = { semantics: move, unaligned: true } as const;

/** Of a doubleword into a vector, and back. */
const widen: Semantics = (c) => c.writeVector(0, withLane32(ZERO_VECTOR, 0, c.read(1)));
const narrow: Semantics = (c) => c.write(0, lane32(c.readVector(1), 0));

/** The lower half of the source becomes the upper half of the destination (MOVHPS, MOVHPD, MOVLHPS). */
const intoUpper: Semantics = (c) => {
  const a = c.readVector(0);
  const lanes = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
  c.writeVector(0, shuffle(a, c.readVector(1), lanes));
};
/** The upper half of the source becomes the lower half of the destination, which is all that is written. */
const fromUpper: Semantics = (c) => {
  const b = c.readVector(1);
  c.writeVector(0, shuffle(b, b, [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]));
};

/** MOVMSK, PMOVMSKB: the topmost bits of all elements. */
const signs =
  (op: MaskOp): Semantics =>
  (c) =>
    c.write(0, bitmask(op, c.readVector(1)));

const moveMask = { helper: "mask_move", readsFlags: FLAGS_ALL } as const;

/** A load and a store of 16 bytes. */
const whole = (
  mnemonic: string,
  load: string,
  store: string,
  size: "ps" | "pd" | "dq",
  rest: typeof SSE | typeof SSE2,
  how: typeof MOVE | typeof UNALIGNED,
): OpcodeLine[] => [
  line(mnemonic, load, `V${size}:w W${size}`, { ...how, ...rest }),
  line(mnemonic, store, `W${size}:w V${size}`, { ...how, ...rest }),
];

/** One element: from memory with zeros above it, between registers alone. */
const scalar = (
  mnemonic: string,
  prefix: string,
  size: "ss" | "sd",
  rest: typeof SSE | typeof SSE2,
): OpcodeLine[] => [
  line(mnemonic, `${prefix} 0F 10 mem`, `Vdq:w W${size}`, { ...MOVE, ...rest }),
  line(mnemonic, `${prefix} 0F 10 reg`, `V${size}:w U${size}`, { ...MOVE, ...rest }),
  line(mnemonic, `${prefix} 0F 11`, `W${size}:w V${size}`, { ...MOVE, ...rest }),
];

/** Halves of XMM registers from and to memory. */
const halves = (suffix: "ps" | "pd", prefix: string, rest: typeof SSE | typeof SSE2): OpcodeLine[] => [
  line(`movl${suffix}`, `${prefix} 0F 12 mem`, "Vq:w Mq", { ...MOVE, ...rest }),
  line(`movl${suffix}`, `${prefix} 0F 13 mem`, "Mq:w Vq", { ...MOVE, ...rest }),
  line(`movh${suffix}`, `${prefix} 0F 16 mem`, "Vdq:rw Mq", { semantics: intoUpper, ...rest }),
  line(`movh${suffix}`, `${prefix} 0F 17 mem`, "Mq:w Vdq", { semantics: fromUpper, ...rest }),
];

export const packedMoveLines: readonly OpcodeLine[] = [
  ...whole("movups", "NP 0F 10", "NP 0F 11", "ps", SSE, UNALIGNED),
  ...whole("movupd", "66 0F 10", "66 0F 11", "pd", SSE2, UNALIGNED),
  ...scalar("movss", "F3", "ss", SSE),
  ...scalar("movsd", "F2", "sd", SSE2),
  ...halves("ps", "NP", SSE),
  ...halves("pd", "66", SSE2),
  line("movhlps", "NP 0F 12 reg", "Vq:w Udq", { semantics: fromUpper, ...SSE }),
  line("movlhps", "NP 0F 16 reg", "Vdq:rw Uq", { semantics: intoUpper, ...SSE }),
  ...whole("movaps", "NP 0F 28", "NP 0F 29", "ps", SSE, MOVE),
  ...whole("movapd", "66 0F 28", "66 0F 29", "pd", SSE2, MOVE),
  line("movntps", "NP 0F 2B mem", "Mps:w Vps", { ...MOVE, ...SSE }),
  line("movntpd", "66 0F 2B mem", "Mpd:w Vpd", { ...MOVE, ...SSE2 }),
  line("movmskps", "NP 0F 50", "Gd:w Ups", { semantics: signs("i32x4.bitmask"), ...SSE }),
  line("movmskpd", "66 0F 50", "Gd:w Upd", { semantics: signs("i64x2.bitmask"), ...SSE2 }),
  line("movd", "NP 0F 6E", "Pq:w Ed", { semantics: widen, ...MMX }),
  line("movd", "66 0F 6E", "Vdq:w Ed", { semantics: widen, ...SSE2 }),
  line("movd", "NP 0F 7E", "Ed:w Pq", { semantics: narrow, ...MMX }),
  line("movd", "66 0F 7E", "Ed:w Vdq", { semantics: narrow, ...SSE2 }),
  line("movq", "NP 0F 6F", "Pq:w Qq", { ...MOVE, ...MMX }),
  line("movq", "NP 0F 7F", "Qq:w Pq", { ...MOVE, ...MMX }),
  ...whole("movdqa", "66 0F 6F", "66 0F 7F", "dq", SSE2, MOVE),
  ...whole("movdqu", "F3 0F 6F", "F3 0F 7F", "dq", SSE2, UNALIGNED),
  line("movq", "F3 0F 7E", "Vdq:w Wq", { ...MOVE, ...SSE2 }),
  line("movq", "66 0F D6 mem", "Wq:w Vq", { ...MOVE, ...SSE2 }),
  line("movq", "66 0F D6 reg", "Udq:w Vq", { ...MOVE, ...SSE2 }),
  line("movq2dq", "F3 0F D6", "Vdq:w Nq", { ...MOVE, units: "sse mmx", feature: Feature.sse2 }),
  line("movdq2q", "F2 0F D6", "Pq:w Uq", { ...MOVE, units: "sse mmx", feature: Feature.sse2 }),
  line("pmovmskb", "NP 0F D7", "Gd:w Nq", {
    semantics: signs("i8x16.bitmask"),
    units: "mmx",
    feature: Feature.sse,
  }),
  line("pmovmskb", "66 0F D7", "Gd:w Udq", { semantics: signs("i8x16.bitmask"), ...SSE2 }),
  line("movnti", "NP 0F C3 mem", "Md:w Gd", { semantics: mov, feature: Feature.sse2 }),
  line("movntq", "NP 0F E7 mem", "Mq:w Pq", { ...MOVE, units: "mmx", feature: Feature.sse }),
  line("movntdq", "66 0F E7 mem", "Mdq:w Vdq", { ...MOVE, ...SSE2 }),
  line("maskmovq", "NP 0F F7", "Pq Nq", { ...moveMask, units: "mmx", feature: Feature.sse }),
  line("maskmovdqu", "66 0F F7", "Vdq Udq", { ...moveMask, ...SSE2 }),
];
