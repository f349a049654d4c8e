import { line } from "../define.ts";
import { FLAGS_ALL, type OpcodeLine } from "../line.ts";
import { Feature, SSE, SSE2 } from "./operation.ts";

/** Floating-point arithmetic of SSE and SSE2: helpers in src/cpu/sse, called by their mnemonics. */

type Rest = typeof SSE | typeof SSE2;

const helper = (name: string) => ({ helper: name, readsFlags: FLAGS_ALL }) as const;
const float = (mnemonic: string, where: string, operands: string, rest: Rest): OpcodeLine =>
  line(mnemonic, where, operands, { ...helper(mnemonic), ...rest });

/** PS, PD, SS and SD of one opcode; `access` of the destination. */
const four = (name: string, opcode: string, access: "w" | "rw", more = ""): OpcodeLine[] => [
  float(`${name}ps`, `NP 0F ${opcode}`, `Vps:${access} Wps${more}`, SSE),
  float(`${name}pd`, `66 0F ${opcode}`, `Vpd:${access} Wpd${more}`, SSE2),
  float(`${name}ss`, `F3 0F ${opcode}`, `Vss:${access} Wss${more}`, SSE),
  float(`${name}sd`, `F2 0F ${opcode}`, `Vsd:${access} Wsd${more}`, SSE2),
];

const estimate = (name: string, opcode: string): OpcodeLine[] => [
  float(`${name}ps`, `NP 0F ${opcode}`, "Vps:w Wps", SSE),
  float(`${name}ss`, `F3 0F ${opcode}`, "Vss:w Wss", SSE),
];

const ordering = (name: string, opcode: string): OpcodeLine[] =>
  (
    [
      [`${name}s`, "NP", "Vss Wss", SSE],
      [`${name}d`, "66", "Vsd Wsd", SSE2],
    ] as const
  ).map(([mnemonic, prefix, operands, rest]) =>
    line(mnemonic, `${prefix} 0F ${opcode}`, operands, {
      ...helper(mnemonic),
      ...rest,
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
  float("cvtsi2ss", "F3 0F 2A", "Vss:w Ed", SSE),
  float("cvtsi2sd", "F2 0F 2A", "Vsd:w Ed", SSE2),
  ...(["t", ""] as const).flatMap((t, n) => {
    const opcode = `0F 2${n === 0 ? "C" : "D"}`;
    return [
      toMmx(`cvt${t}ps2pi`, `NP ${opcode}`, "Wq", Feature.sse),
      toMmx(`cvt${t}pd2pi`, `66 ${opcode}`, "Wpd", Feature.sse2),
      float(`cvt${t}ss2si`, `F3 ${opcode}`, "Gd:w Wss", SSE),
      float(`cvt${t}sd2si`, `F2 ${opcode}`, "Gd:w Wsd", SSE2),
    ];
  }),
  ...ordering("ucomis", "2E"),
  ...ordering("comis", "2F"),
  ...four("sqrt", "51", "w"),
  ...estimate("rsqrt", "52"),
  ...estimate("rcp", "53"),
  ...four("add", "58", "rw"),
  ...four("mul", "59", "rw"),
  float("cvtps2pd", "NP 0F 5A", "Vpd:w Wq", SSE2),
  float("cvtpd2ps", "66 0F 5A", "Vps:w Wpd", SSE2),
  float("cvtss2sd", "F3 0F 5A", "Vsd:w Wss", SSE2),
  float("cvtsd2ss", "F2 0F 5A", "Vss:w Wsd", SSE2),
  float("cvtdq2ps", "NP 0F 5B", "Vps:w Wdq", SSE2),
  float("cvtps2dq", "66 0F 5B", "Vdq:w Wps", SSE2),
  float("cvttps2dq", "F3 0F 5B", "Vdq:w Wps", SSE2),
  ...four("sub", "5C", "rw"),
  ...four("min", "5D", "rw"),
  ...four("div", "5E", "rw"),
  ...four("max", "5F", "rw"),
  ...four("cmp", "C2", "rw", " Ib"),
  float("cvttpd2dq", "66 0F E6", "Vdq:w Wpd", SSE2),
  float("cvtdq2pd", "F3 0F E6", "Vpd:w Wq", SSE2),
  float("cvtpd2dq", "F2 0F E6", "Vdq:w Wpd", SSE2),
];
