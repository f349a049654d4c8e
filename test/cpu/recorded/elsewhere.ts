import type { Form } from "./forms.ts";

/**
 * Forms whose outcome depends on the system around the program (descriptors, control registers, clocks), and so cannot be recorded from any user
 * program: by helper, the test that has them instead. Paths from test/cpu. Privileged instructions are not here: that they raise #GP
 * at CPL 3 is recorded.
 */
const BY_HELPER: Readonly<Record<string, string>> = {
  access_control: "system/control.test.ts",
  arpl: "system/segments.test.ts",
  fxrstor: "sse/fxsave.test.ts",
  fxsave: "sse/fxsave.test.ts",
  call_far: "system/far-transfer.test.ts",
  cpuid: "system/control.test.ts",
  int1: "system/control.test.ts",
  int_n: "system/guests.test.ts",
  iret: "system/far-transfer.test.ts",
  jmp_far: "system/far-transfer.test.ts",
  lar: "system/segments.test.ts",
  load_far_pointer: "system/segments.test.ts",
  lsl: "system/segments.test.ts",
  mov_from_seg: "system/segments.test.ts",
  mov_to_seg: "system/segments.test.ts",
  pop_seg: "system/segments.test.ts",
  push_seg: "system/segments.test.ts",
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

/** The test that tries a form which cannot be recorded, or undefined. */
export function testedElsewhere(form: Form): string | undefined {
  const { line, x87, rm } = form;
  // FISTTP of newer processors is none here.
  if (x87 && rm === "mem" && x87.reg === 1 && [0xdb, 0xdd, 0xdf].includes(line.opcode))
    return "fpu/unit.test.ts";
  return line.helper === undefined ? undefined : BY_HELPER[line.helper];
}
