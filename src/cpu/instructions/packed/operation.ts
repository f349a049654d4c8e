import { type VectorOp, vector } from "../../ir/simd.ts";
import type { Semantics } from "../context.ts";
import { line } from "../define.ts";
import type { OpcodeLine } from "../line.ts";

/** CPUID features, leaf 1 EDX. */
export const Feature = { clflush: 19, mmx: 23, fxsr: 24, sse: 25, sse2: 26 } as const;

/** What a line with operands in XMM registers needs, by its feature. */
export const SSE = { units: "sse", feature: Feature.sse } as const;
export const SSE2 = { units: "sse", feature: Feature.sse2 } as const;
export const MMX = { units: "mmx", feature: Feature.mmx } as const;

/** destination = destination op source. */
export const binary =
  (op: VectorOp): Semantics =>
  (c) => {
    const a = c.readVector(0);
    c.writeVector(0, vector(op, a, c.readVector(1)));
  };

/** Both lines of an integer operation: on MMX registers, and with prefix 66 on XMM registers (which is SSE2). */
export const both = (
  mnemonic: string,
  opcode: string,
  semantics: Semantics,
  mmxFeature: number = Feature.mmx,
): OpcodeLine[] => [
  line(mnemonic, `NP 0F ${opcode}`, "Pq:rw Qq", { semantics, units: "mmx", feature: mmxFeature }),
  line(mnemonic, `66 0F ${opcode}`, "Vdq:rw Wdq", { semantics, ...SSE2 }),
];
