import { Flag } from "../state.ts";
import type { Semantics } from "./context.ts";
import { hex, line } from "./define.ts";
import { FLAGS_ALL, Generation, type OpcodeLine } from "./line.ts";

/**
 * System, string, port and coprocessor instructions. They are carried out by TypeScript helpers in src/cpu/system, which may raise
 * exceptions and see all of the state.
 */

/** A helper that may read any flag (or leave the guest, where EFLAGS is visible). */
const helper = (name: string) => ({ helper: name, readsFlags: FLAGS_ALL }) as const;
/** The same, and the block ends after it: what follows may be decoded, translated or interrupted otherwise. */
const ending = (name: string) => ({ ...helper(name), endsBlock: true }) as const;
/** LAR, LSL, VERR, VERW, ARPL: ZF tells whether it went well. */
const verdict = (name: string) => ({ ...helper(name), writesFlags: Flag.ZF }) as const;

/** NOP with an operand loads nothing. */
export const nop: Semantics = () => {};

const Feature = { tsc: 4, msr: 5, sep: 11 } as const;
const REGISTERS = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const CONTROL_REGISTERS = [0, 2, 3, 4] as const;
const HINT_NOPS = [0x0d, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f] as const;

/** REP with CMPS and SCAS may do nothing and then keeps the flags: hence flags both read and written. */
const strings: readonly OpcodeLine[] = [
  ...(["movs", "cmps"] as const).flatMap((name, n) => [
    line(name, hex(0xa4 + 2 * n), "", string(name)),
    line(name, hex(0xa5 + 2 * n), "", string(name)),
  ]),
  ...(["stos", "lods", "scas"] as const).flatMap((name, n) => [
    line(name, hex(0xaa + 2 * n), "", string(name)),
    line(name, hex(0xab + 2 * n), "", string(name)),
  ]),
  line("ins", "6C", "", { ...ending("ins"), string: true }),
  line("ins", "6D", "", { ...ending("ins"), string: true }),
  line("outs", "6E", "", { ...ending("outs"), string: true }),
  line("outs", "6F", "", { ...ending("outs"), string: true }),
];

function string(name: "movs" | "cmps" | "stos" | "lods" | "scas") {
  const compares = name === "cmps" || name === "scas";
  return { ...helper(name), string: true, ...(compares ? { writesFlags: FLAGS_ALL } : {}) } as const;
}

const ports: readonly OpcodeLine[] = [
  line("in", "E4", "AL:w Ib", ending("in")),
  line("in", "E5", "AX:w Ib", ending("in")),
  line("in", "EC", "AL:w DX", ending("in")),
  line("in", "ED", "AX:w DX", ending("in")),
  line("out", "E6", "Ib AL", ending("out")),
  line("out", "E7", "Ib AX", ending("out")),
  line("out", "EE", "DX AL", ending("out")),
  line("out", "EF", "DX AX", ending("out")),
];

const descriptors: readonly OpcodeLine[] = [
  line("sldt", "0F 00 /0", "Ew:w", helper("sldt")),
  line("str", "0F 00 /1", "Ew:w", helper("str")),
  line("lldt", "0F 00 /2", "Ew", helper("lldt")),
  line("ltr", "0F 00 /3", "Ew", helper("ltr")),
  line("verr", "0F 00 /4", "Ew", verdict("verr")),
  line("verw", "0F 00 /5", "Ew", verdict("verw")),
  line("sgdt", "0F 01 /0 mem", "Ms:a", helper("sgdt")),
  line("sidt", "0F 01 /1 mem", "Ms:a", helper("sidt")),
  line("stac", "0F 01 /1 reg", "E:a", helper("access_control")),
  line("lgdt", "0F 01 /2 mem", "Ms:a", helper("lgdt")),
  line("lidt", "0F 01 /3 mem", "Ms:a", helper("lidt")),
  line("lar", "0F 02", "Gv:rw Ew", verdict("lar")),
  line("lsl", "0F 03", "Gv:rw Ew", verdict("lsl")),
  line("arpl", "63", "Ew:rw Gw", verdict("arpl")),
];

const control: readonly OpcodeLine[] = [
  line("smsw", "0F 01 /4", "Ew:w", helper("smsw")),
  line("lmsw", "0F 01 /6", "Ew", ending("lmsw")),
  line("invlpg", "0F 01 /7 mem", "M:a", { ...ending("invlpg"), feature: Generation.i486 }),
  line("clts", "0F 06", "", ending("clts")),
  line("invd", "0F 08", "", { ...helper("invd"), feature: Generation.i486 }),
  line("wbinvd", "0F 09", "", { ...helper("invd"), feature: Generation.i486 }),
  ...CONTROL_REGISTERS.map((r) => line("mov", `0F 20 /${r}`, "Rd:w Cd", helper("mov_from_cr"))),
  ...REGISTERS.map((r) => line("mov", `0F 21 /${r}`, "Rd:w Dd", helper("mov_from_dr"))),
  ...CONTROL_REGISTERS.map((r) => line("mov", `0F 22 /${r}`, "Cd:w Rd", ending("mov_to_cr"))),
  ...REGISTERS.map((r) => line("mov", `0F 23 /${r}`, "Dd:w Rd", ending("mov_to_dr"))),
  line("mov", "0F 24", "Rd:w Td", { ...helper("mov_from_tr"), feature: Generation.beforePentium }),
  line("mov", "0F 26", "Td:w Rd", { ...helper("mov_to_tr"), feature: Generation.beforePentium }),
  line("wrmsr", "0F 30", "", { ...ending("wrmsr"), feature: Feature.msr }),
  line("rdtsc", "0F 31", "", { ...helper("rdtsc"), feature: Feature.tsc }),
  line("rdmsr", "0F 32", "", { ...helper("rdmsr"), feature: Feature.msr }),
  line("rdpmc", "0F 33", "", { ...helper("rdpmc"), feature: Generation.p6 }),
  line("sysenter", "0F 34", "", { ...ending("sysenter"), feature: Feature.sep }),
  line("sysexit", "0F 35", "", { ...ending("sysexit"), feature: Feature.sep }),
  line("cpuid", "0F A2", "", { ...helper("cpuid"), feature: Generation.pentium }),
  line("hlt", "F4", "", ending("hlt")),
  line("cli", "FA", "", helper("cli")),
  line("sti", "FB", "", ending("sti")),
];

const others: readonly OpcodeLine[] = [
  line("nop", "90", "", { semantics: nop }),
  // Reserved for hints since the P6: they do nothing, whatever the operand.
  ...HINT_NOPS.map((opcode) =>
    line("nop", `0F ${hex(opcode)}`, "E:a", { semantics: nop, feature: Generation.p6 }),
  ),
  line("bound", "62 mem", "Gv Ma:a", helper("bound")),
  line("wait", "9B", "", helper("fwait")),
  ...REGISTERS.map((n) => line("fpu", hex(0xd8 + n), "E:a", helper("fpu"))),
  line("ud2", "0F 0B", "", ending("ud")),
  line("ud1", "0F B9", "Gv E:a", ending("ud")),
  line("ud0", "0F FF", "Gv E:a", ending("ud")),
];

export const systemLines: readonly OpcodeLine[] = [
  ...strings,
  ...ports,
  ...descriptors,
  ...control,
  ...others,
];
