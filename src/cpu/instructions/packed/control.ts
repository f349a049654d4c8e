import { MXCSR } from "../../layout.ts";
import type { Semantics } from "../context.ts";
import { line } from "../define.ts";
import { FLAGS_ALL, type OpcodeLine } from "../line.ts";
import { nop } from "../system.ts";
import { Feature, SSE } from "./operation.ts";

/** State of the vector units, caches and the order of accesses. */

const helper = (name: string) => ({ helper: name, readsFlags: FLAGS_ALL }) as const;
const storeMxcsr: Semantics = (c) => c.write(0, c.state(MXCSR));

export const vectorControlLines: readonly OpcodeLine[] = [
  line("fxsave", "NP 0F AE /0 mem", "M:a", { ...helper("fxsave"), feature: Feature.fxsr }),
  line("fxrstor", "NP 0F AE /1 mem", "M:a", { ...helper("fxrstor"), feature: Feature.fxsr }),
  line("ldmxcsr", "NP 0F AE /2 mem", "Md", { ...helper("ldmxcsr"), ...SSE }),
  line("stmxcsr", "NP 0F AE /3 mem", "Md:w", { semantics: storeMxcsr, ...SSE }),
  // Accesses come in order as it is.
  line("lfence", "NP 0F AE /5 reg", "E:a", { semantics: nop, feature: Feature.sse2 }),
  line("mfence", "NP 0F AE /6 reg", "E:a", { semantics: nop, feature: Feature.sse2 }),
  line("sfence", "NP 0F AE /7 reg", "E:a", { semantics: nop, feature: Feature.sse }),
  line("clflush", "NP 0F AE /7 mem", "Mb:a", { ...helper("clflush"), feature: Feature.clflush }),
];
