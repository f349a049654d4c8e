import type { Form } from "./forms.ts";

/** A test that proves a form of which nothing can be recorded. */
export interface Elsewhere {
  /** From test/cpu. */
  readonly file: string;
  /** Of its name, as it stands in the file. */
  readonly test: string;
}

const MSR = "system/msr.test.ts";
const GENERATIONS = "cpu-generations.test.ts";
const DEBUG = "system/debug-registers.test.ts";

/** Forms that tell of the processor itself, of its clocks, or what QEMU does not do: by helper. */
const BY_HELPER: Readonly<Record<string, Elsewhere>> = {
  cpuid: { file: MSR, test: "CPUID names the vendor, the highest leaf and the features" },
  mov_from_tr: { file: GENERATIONS, test: "test registers are held, and a look-up in the TLB finds nothing" },
  mov_to_tr: { file: GENERATIONS, test: "test registers are held, and a look-up in the TLB finds nothing" },
  int1: { file: DEBUG, test: "INT1 is a #DB whatever its gate's DPL" },
  rdpmc: { file: MSR, test: "RDPMC has no counter" },
  rdtsc: { file: MSR, test: "the time-stamp counter is read by RDTSC and RDMSR and written by WRMSR" },
};

/**
 * Helpers of instructions whose outcome depends on descriptors, rings and modes, so that no user program can record them: there are cases of
 * system code (system/). Privileged instructions have both: that they raise #GP at CPL 3 is recorded of user programs, too.
 */
const SYSTEM_ONLY =
  /^(access_control|arpl|fxrstor|fxsave|call_far|int_n|iret|jmp_far|lar|load_far_pointer|lsl|mov_from_seg|mov_to_seg|pop_seg|push_seg|ret_far|sgdt|sidt|sldt|smsw|str|sysenter|sysexit|verr|verw)$/;
const PRIVILEGED =
  /^(lldt|ltr|lgdt|lidt|lmsw|clts|invlpg|invd|cli|sti|pushf|popf|mov_from_cr|mov_from_dr|mov_to_dr)$/;

export const onlyAsSystemCode = ({ line }: Form): boolean => SYSTEM_ONLY.test(line.helper ?? "");
export const asSystemCode = (form: Form): boolean =>
  onlyAsSystemCode(form) || PRIVILEGED.test(form.line.helper ?? "");

/** The test that tries a form which cannot be recorded, or undefined. */
export function testedElsewhere(form: Form): Elsewhere | undefined {
  const { line, x87, rm } = form;
  // FISTTP of newer processors is none here.
  if (x87 && rm === "mem" && x87.reg === 1 && [0xdb, 0xdd, 0xdf].includes(line.opcode))
    return { file: "fpu/unit.test.ts", test: `["${line.opcode.toString(16).toUpperCase()} /1 (FISTTP)"` };
  return line.helper === undefined ? undefined : BY_HELPER[line.helper];
}
