/** The architectural registers of a vcpu, by name, as a comparison needs them. */
import * as L from "../../../src/cpu/layout.ts";
import type { CpuState } from "../../../src/cpu/state.ts";

const GENERAL = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"];
const SEGMENT_FIELDS: readonly [string, number][] = [
  ["", L.SEG_SELECTOR],
  [".base", L.SEG_BASE],
  [".limit", L.SEG_LIMIT],
  [".attributes", L.SEG_ATTR],
];
const WORDS: readonly [string, number][] = [
  ["cr0", L.CR0],
  ["cr2", L.CR2],
  ["cr3", L.CR3],
  ["cr4", L.CR4],
  ["cpl", L.CPL],
  ...[0, 1, 2, 3].map((n): [string, number] => [`dr${n}`, L.DR0 + 4 * n]),
  ["dr6", L.DR6],
  ["dr7", L.DR7],
  ["gdtr.base", L.GDTR_BASE],
  ["gdtr.limit", L.GDTR_LIMIT],
  ["idtr.base", L.IDTR_BASE],
  ["idtr.limit", L.IDTR_LIMIT],
  ["sysenter.cs", L.SYSENTER],
  ["sysenter.esp", L.SYSENTER + 4],
  ["sysenter.eip", L.SYSENTER + 8],
  ["fpu.control", L.FPU_CONTROL],
  ["fpu.status", L.FPU_STATUS],
  ["fpu.empty", L.FPU_EMPTY],
  ["fpu.ip", L.FPU_LAST_IP],
  ["fpu.cs", L.FPU_LAST_CS],
  ["fpu.dp", L.FPU_LAST_DP],
  ["fpu.ds", L.FPU_LAST_DS],
  ["fpu.opcode", L.FPU_LAST_OPCODE],
];

/** Where each named 32-bit register is in the register file; EFLAGS is not among them, being kept in pieces. */
const PLACES: readonly [name: string, offset: number][] = [
  ...GENERAL.map((name, index): [string, number] => [name, L.GPR + 8 * index]),
  ["eip", L.EIP],
  ...WORDS,
  ...SEGMENTS.flatMap((name, index) =>
    SEGMENT_FIELDS.map(([suffix, field]): [string, number] => [
      name + suffix,
      L.SEG + index * L.SEG_SIZE + field,
    ]),
  ),
  ...Array.from({ length: 8 }, (_, index) => index).flatMap((index) =>
    // Ten bytes of each sixteen.
    ["lo", "hi", "exponent"].map((part, word): [string, number] => [
      `fpu.r${index}.${part}`,
      L.FPU_REGS + 16 * index + 4 * word,
    ]),
  ),
  ["mxcsr", L.MXCSR],
  ...Array.from({ length: 8 * 4 }, (_, word): [string, number] => [
    `xmm${word >> 2}.${word & 3}`,
    L.XMM + 4 * word,
  ]),
];
const HALF_WORDS = new Set(PLACES.flatMap(([name], at) => (name.endsWith(".exponent") ? [at] : [])));

export const REGISTER_NAMES: readonly string[] = ["eflags", ...PLACES.map(([name]) => name)];

/** The values, in the order of REGISTER_NAMES. */
export function readRegisters(state: CpuState): Uint32Array {
  const values = new Uint32Array(REGISTER_NAMES.length);
  values[0] = state.eflags;
  PLACES.forEach(([, offset], at) => {
    const value = state.get(offset);
    values[at + 1] = HALF_WORDS.has(at) ? value & 0xffff : value;
  });
  return values;
}
