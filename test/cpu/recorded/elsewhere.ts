import type { OpcodeLine } from "../../../src/cpu/instructions/line.ts";

/**
 * Where the forms are tested that are not among the recorded cases, because 64-bit mode has not got them (or they are the system's affair): by
 * helper, or for lines with semantics by mnemonic. Paths from test/cpu.
 */
const BY_HELPER: Readonly<Record<string, string>> = {
  access_control: "system/control.test.ts",
  arpl: "system/segments.test.ts",
  bound: "system/control.test.ts",
  call_far: "system/far-transfer.test.ts",
  cpuid: "system/control.test.ts",
  enter: "system/control.test.ts",
  fpu: "fpu/processor.test.ts",
  fwait: "fpu/unit.test.ts",
  ins: "system/strings.test.ts",
  int1: "system/control.test.ts",
  int3: "system/delivery.test.ts",
  int_n: "system/guests.test.ts",
  into: "system/delivery.test.ts",
  iret: "system/far-transfer.test.ts",
  jmp_far: "system/far-transfer.test.ts",
  lar: "system/segments.test.ts",
  load_far_pointer: "system/segments.test.ts",
  lsl: "system/segments.test.ts",
  mov_from_seg: "system/segments.test.ts",
  mov_to_seg: "system/segments.test.ts",
  outs: "system/strings.test.ts",
  pop_memory: "system/control.test.ts",
  pop_seg: "system/segments.test.ts",
  popa: "recorded/only-32-bit.test.ts",
  popf: "system/control.test.ts",
  push_seg: "system/segments.test.ts",
  pusha: "recorded/only-32-bit.test.ts",
  pushf: "system/control.test.ts",
  rdpmc: "system/control.test.ts",
  rdtsc: "system/control.test.ts",
  ret_far: "system/far-transfer.test.ts",
  sgdt: "system/control.test.ts",
  sidt: "system/segments.test.ts",
  sldt: "system/segments.test.ts",
  smsw: "system/control.test.ts",
  str: "system/segments.test.ts",
  sysenter: "system/control.test.ts",
  sysexit: "system/control.test.ts",
  verr: "system/segments.test.ts",
  verw: "system/segments.test.ts",
};

/** Same meaning as another form, which is recorded: the table gives both the same function. */
const SAME_AS_RECORDED = (line: OpcodeLine): string | undefined => {
  const { opcode, map, mnemonic } = line;
  if (map === "0f") return opcode === 0x0d ? "the same as 0F 18 nop" : undefined;
  if (opcode === 0x82) return `the same as 80 /${line.extension} ${mnemonic}`;
  if (opcode >= 0x40 && opcode < 0x48) return "the same as FF /0 inc";
  if (opcode >= 0x48 && opcode < 0x50) return "the same as FF /1 dec";
  if (opcode >= 0xa0 && opcode <= 0xa3) return "the same as 88 to 8B mov";
  return undefined;
};

const BY_MNEMONIC: Readonly<Record<string, string>> = {
  aaa: "recorded/only-32-bit.test.ts",
  aad: "recorded/only-32-bit.test.ts",
  aam: "recorded/only-32-bit.test.ts",
  aas: "recorded/only-32-bit.test.ts",
  call: "recorded/only-32-bit.test.ts",
  daa: "recorded/only-32-bit.test.ts",
  das: "recorded/only-32-bit.test.ts",
  jmp: "recorded/only-32-bit.test.ts",
  leave: "recorded/only-32-bit.test.ts",
  pop: "recorded/only-32-bit.test.ts",
  push: "recorded/only-32-bit.test.ts",
  ret: "recorded/only-32-bit.test.ts",
  salc: "recorded/only-32-bit.test.ts",
};

/** In words, or as the path of a test; undefined when the form is tested nowhere. */
export function testedElsewhere(line: OpcodeLine): string | undefined {
  if (line.helper !== undefined) return BY_HELPER[line.helper];
  return SAME_AS_RECORDED(line) ?? BY_MNEMONIC[line.mnemonic];
}
