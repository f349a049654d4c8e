import type { Semantics } from "../context.ts";
import { line } from "../define.ts";
import { FLAGS_ALL, type OpcodeLine } from "../line.ts";
import {
  exactFromInteger,
  fastArithmetic,
  fastCompare,
  fastExtreme,
  fastFromInteger,
  fastNarrow,
  fastOrder,
  fastRoot,
  fastTruncate,
  fastWiden,
  type Kind,
} from "./float-fast.ts";
import { Feature, SSE, SSE2 } from "./operation.ts";

/** Floating-point arithmetic of SSE and SSE2: helpers in src/cpu/sse, called by their mnemonics. */

type Rest = typeof SSE | typeof SSE2;

const helper = (name: string) => ({ helper: name, readsFlags: FLAGS_ALL }) as const;
const float = (mnemonic: string, where: string, operands: string, rest: Rest, fast?: Semantics): OpcodeLine =>
  line(mnemonic, where, operands, { ...helper(mnemonic), ...rest, ...(fast && { fast }) });

const PS: Kind = { format: "f32x4", scalar: false };
const PD: Kind = { format: "f64x2", scalar: false };
const SS: Kind = { format: "f32x4", scalar: true };
const SD: Kind = { format: "f64x2", scalar: true };

/** PS, PD, SS and SD of one opcode; `access` of the destination. */
const four = (
  name: string,
  opcode: string,
  fast: (kind: Kind) => Semantics,
  access: "w" | "rw" = "rw",
  more = "",
): OpcodeLine[] => [
  float(`${name}ps`, `NP 0F ${opcode}`, `Vps:${access} Wps${more}`, SSE, fast(PS)),
  float(`${name}pd`, `66 0F ${opcode}`, `Vpd:${access} Wpd${more}`, SSE2, fast(PD)),
  float(`${name}ss`, `F3 0F ${opcode}`, `Vss:${access} Wss${more}`, SSE, fast(SS)),
  float(`${name}sd`, `F2 0F ${opcode}`, `Vsd:${access} Wsd${more}`, SSE2, fast(SD)),
];
const arithmetic = (name: "add" | "sub" | "mul" | "div", opcode: string): OpcodeLine[] =>
  four(name, opcode, (kind) => fastArithmetic(name, kind));

const estimate = (name: string, opcode: string): OpcodeLine[] => [
  float(`${name}ps`, `NP 0F ${opcode}`, "Vps:w Wps", SSE),
  float(`${name}ss`, `F3 0F ${opcode}`, "Vss:w Wss", SSE),
];

const ordering = (name: string, opcode: string): OpcodeLine[] =>
  (
    [
      [`${name}s`, "NP", "Vss Wss", SSE, SS],
      [`${name}d`, "66", "Vsd Wsd", SSE2, SD],
    ] as const
  ).map(([mnemonic, prefix, operands, rest, kind]) =>
    line(mnemonic, `${prefix} 0F ${opcode}`, operands, {
      ...helper(mnemonic),
      ...rest,
      fast: fastOrder(kind),
      writesFlags: FLAGS_ALL,
    }),
  );

/** Conversions with MMX registers; those from one touch the x87 only if it is a register. */
const fromMmx = (mnemonic: string, prefix: string, destination: string, feature: number): OpcodeLine[] => [
  line(mnemonic, `${prefix} 0F 2A reg`, `${destination}:w Nq`, {
    ...helper(mnemonic),
    units: "sse mmx",
    feature,
  }),
  line(mnemonic, `${prefix} 0F 2A mem`, `${destination}:w Qq`, {
    ...helper(mnemonic),
    units: "sse",
    feature,
  }),
];
const toMmx = (mnemonic: string, where: string, source: string, feature: number): OpcodeLine =>
  line(mnemonic, where, `Pq:w ${source}`, { ...helper(mnemonic), units: "sse mmx", feature });

export const packedFloatLines: readonly OpcodeLine[] = [
  ...fromMmx("cvtpi2ps", "NP", "Vq", Feature.sse),
  ...fromMmx("cvtpi2pd", "66", "Vpd", Feature.sse2),
  float("cvtsi2ss", "F3 0F 2A", "Vss:w Ed", SSE, fastFromInteger),
  line("cvtsi2sd", "F2 0F 2A", "Vsd:w Ed", { semantics: exactFromInteger, ...SSE2 }),
  ...(["t", ""] as const).flatMap((t, n) => {
    const opcode = `0F 2${n === 0 ? "C" : "D"}`;
    return [
      toMmx(`cvt${t}ps2pi`, `NP ${opcode}`, "Wq", Feature.sse),
      toMmx(`cvt${t}pd2pi`, `66 ${opcode}`, "Wpd", Feature.sse2),
      float(`cvt${t}ss2si`, `F3 ${opcode}`, "Gd:w Wss", SSE, n === 0 ? fastTruncate(SS) : undefined),
      float(`cvt${t}sd2si`, `F2 ${opcode}`, "Gd:w Wsd", SSE2, n === 0 ? fastTruncate(SD) : undefined),
    ];
  }),
  ...ordering("ucomis", "2E"),
  ...ordering("comis", "2F"),
  ...four("sqrt", "51", fastRoot, "w"),
  ...estimate("rsqrt", "52"),
  ...estimate("rcp", "53"),
  ...arithmetic("add", "58"),
  ...arithmetic("mul", "59"),
  float("cvtps2pd", "NP 0F 5A", "Vpd:w Wq", SSE2, fastWiden(PS)),
  float("cvtpd2ps", "66 0F 5A", "Vps:w Wpd", SSE2, fastNarrow(PD)),
  float("cvtss2sd", "F3 0F 5A", "Vsd:w Wss", SSE2, fastWiden(SS)),
  float("cvtsd2ss", "F2 0F 5A", "Vss:w Wsd", SSE2, fastNarrow(SD)),
  float("cvtdq2ps", "NP 0F 5B", "Vps:w Wdq", SSE2, fastFromInteger),
  float("cvtps2dq", "66 0F 5B", "Vdq:w Wps", SSE2),
  float("cvttps2dq", "F3 0F 5B", "Vdq:w Wps", SSE2),
  ...arithmetic("sub", "5C"),
  ...four("min", "5D", (kind) => fastExtreme("pmin", kind)),
  ...arithmetic("div", "5E"),
  ...four("max", "5F", (kind) => fastExtreme("pmax", kind)),
  ...four("cmp", "C2", fastCompare, "rw", " Ib"),
  float("cvttpd2dq", "66 0F E6", "Vdq:w Wpd", SSE2),
  line("cvtdq2pd", "F3 0F E6", "Vpd:w Wq", { semantics: exactFromInteger, ...SSE2 }),
  float("cvtpd2dq", "F2 0F E6", "Vdq:w Wpd", SSE2),
];
