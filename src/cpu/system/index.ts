import type { Helper } from "../core.ts";
import { setAccessControl } from "./access-control.ts";
import {
  aamBefore486,
  asciiAdjustBefore486,
  bitTestBefore486,
  doubleShiftBefore486,
  idivBefore486,
  popaBefore486,
  pushaBefore486,
  shiftBefore486,
} from "./before-486.ts";
import { clts, invlpg, lmsw, movFromControl, movToControl, smsw } from "./control-registers.ts";
import { cpuid } from "./cpuid.ts";
import { movFromDebug, movToDebug } from "./debug-registers.ts";
import { lgdt, lidt, lldt, ltr, sgdt, sidt, sldt, str } from "./descriptor-tables.ts";
import { callFar, jmpFar } from "./far-call.ts";
import { iret, retFar } from "./far-return.ts";
import { sysenter, sysexit } from "./fast-system-call.ts";
import { cli, popf, pushf, sti } from "./flags.ts";
import { int1, int3, intN, into } from "./interrupts.ts";
import { rdmsr, rdpmc, rdtsc, wrmsr } from "./msr.ts";
import { divideBefore486, multiplyBefore486, multiplyIntoBefore486 } from "./multiply-before-486.ts";
import { input, ins, output, outs } from "./port-io.ts";
import { hlt, invd, ud } from "./processor-control.ts";
import { arpl, lar, lsl, verr, verw } from "./protection-checks.ts";
import { loadFarPointer, movFromSegment, movToSegment, popSegment, pushSegment } from "./segment-load.ts";
import { bound, enter, popa, popMemory, pusha } from "./stack-frames.ts";
import { cmps, scas } from "./string-compare.ts";
import { lods, movs, stos } from "./string-move.ts";
import { movFromTest, movToTest } from "./test-registers.ts";

export { CPU_MODELS, type CpuModel, cpuIdentity, ExtendedFeature, Feature } from "./cpu-models.ts";
export {
  deliverEvent,
  deliverWithFaults,
  type Event,
  type EventKind,
  interceptException,
  isIntercepted,
  nextEvent,
  raiseAndDeliver,
} from "./delivery.ts";
export { combineExceptions, isGuestFault } from "./exceptions.ts";
export { takesVirtualInterrupt, VIRTUAL_PENDING } from "./flags.ts";
export {
  linearAddress,
  readMemory,
  readMemory8,
  readMemory16,
  readMemory32,
  Segment,
  SegmentAccess,
  writeMemory,
  writeMemory8,
  writeMemory16,
  writeMemory32,
} from "./segmentation.ts";

/** The TypeScript helpers by the names that the opcode table gives them, but those of the x87 unit (src/cpu/fpu). */
export const HELPERS: Readonly<Record<string, Helper>> = {
  aam_before_486: aamBefore486,
  ascii_adjust_before_486: asciiAdjustBefore486,
  bit_test_before_486: bitTestBefore486,
  double_shift_before_486: doubleShiftBefore486,
  divide_before_486: divideBefore486,
  idiv_before_486: idivBefore486,
  popa_before_486: popaBefore486,
  pusha_before_486: pushaBefore486,
  multiply_before_486: multiplyBefore486,
  multiply_into_before_486: multiplyIntoBefore486,
  shift_before_486: shiftBefore486,
  arpl,
  access_control: setAccessControl,
  bound,
  call_far: callFar,
  cli,
  clts,
  cmps,
  cpuid,
  enter,
  hlt,
  in: input,
  ins,
  int1,
  int3,
  int_n: intN,
  into,
  invd,
  invlpg,
  iret,
  jmp_far: jmpFar,
  lar,
  lgdt,
  lidt,
  lldt,
  lmsw,
  load_far_pointer: loadFarPointer,
  lods,
  lsl,
  ltr,
  mov_from_cr: movFromControl,
  mov_from_dr: movFromDebug,
  mov_from_seg: movFromSegment,
  mov_from_tr: movFromTest,
  mov_to_cr: movToControl,
  mov_to_dr: movToDebug,
  mov_to_seg: movToSegment,
  mov_to_tr: movToTest,
  movs,
  out: output,
  outs,
  pop_memory: popMemory,
  pop_seg: popSegment,
  popa,
  popf,
  push_seg: pushSegment,
  pusha,
  pushf,
  rdmsr,
  rdpmc,
  rdtsc,
  ret_far: retFar,
  scas,
  sgdt,
  sidt,
  sldt,
  smsw,
  sti,
  stos,
  str,
  sysenter,
  sysexit,
  ud,
  verr,
  verw,
  wrmsr,
};
