import type { CpuIdentity, Helper } from "../core.ts";
import { Outcome } from "../core.ts";
import { ExitControl, ExitReason } from "../exit.ts";

/** Bits of CPUID leaf 1 EDX that this CPU offers. */
export const Feature = {
  FPU: 1 << 0,
  PSE: 1 << 3,
  TSC: 1 << 4,
  MSR: 1 << 5,
  CX8: 1 << 8,
  PGE: 1 << 13,
  CMOV: 1 << 15,
} as const;

/** Family 6, model 8, stepping 3: a P6 of the plain kind. */
const SIGNATURE = 0x683;
/** "GenuineIntel" in EBX, EDX, ECX. */
const VENDOR_EBX = 0x756e6547;
const VENDOR_EDX = 0x49656e69;
const VENDOR_ECX = 0x6c65746e;
const HIGHEST_LEAF = 2;

type Leaf = readonly [eax: number, ebx: number, ecx: number, edx: number];

/**
 * Leaf 2, cache descriptors of the P6 family (Intel SDM vol. 2, table 3-12): one query; 4 KiB and 4 MiB TLBs (01, 02, 03, 04),
 * 16 KiB instruction (08) and data (0C) caches, 256 KiB second level (82).
 */
const CACHES: Leaf = [0x03020101, 0, 0, 0x0c040882];

/** A P6-class processor without APIC, PAE, SEP, MTRR, MMX, FXSR and SSE. It has no extended leaves, hence no brand string. */
export class P6Identity implements CpuIdentity {
  readonly features =
    Feature.FPU | Feature.PSE | Feature.TSC | Feature.MSR | Feature.CX8 | Feature.PGE | Feature.CMOV;

  leaf(eax: number, _ecx: number): Leaf {
    if (eax === 0) return [HIGHEST_LEAF, VENDOR_EBX, VENDOR_ECX, VENDOR_EDX];
    if (eax === 1) return [SIGNATURE, 0, 0, this.features];
    // The highest basic leaf, and what every leaf above it (extended ones included) answers.
    return CACHES;
  }
}

/** CPUID. */
export const cpuid: Helper = (core, op) => {
  if (core.controls & ExitControl.cpuid) {
    core.beginExit(ExitReason.cpuid, op);
    return Outcome.exit;
  }
  const { state } = core;
  const [eax, ebx, ecx, edx] = core.cpuid.leaf(state.reg(0), state.reg(1));
  state.setReg(0, eax);
  state.setReg(1, ecx);
  state.setReg(2, edx);
  state.setReg(3, ebx);
  return Outcome.next;
};
