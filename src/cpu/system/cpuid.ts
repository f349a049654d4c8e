import { PHYSICAL_ADDRESS_BITS } from "../../mmu/format.ts";
import type { CpuIdentity, Helper } from "../core.ts";
import { Outcome } from "../core.ts";
import { ExitControl, ExitReason } from "../exit.ts";
import * as L from "../layout.ts";

/** Bits of CPUID leaf 1 EDX that this CPU offers. */
export const Feature = {
  FPU: 1 << 0,
  VME: 1 << 1,
  DE: 1 << 2,
  PSE: 1 << 3,
  TSC: 1 << 4,
  MSR: 1 << 5,
  PAE: 1 << 6,
  CX8: 1 << 8,
  /** Only where the vcpu has a local APIC, and it is enabled. */
  APIC: 1 << 9,
  SEP: 1 << 11,
  MTRR: 1 << 12,
  PGE: 1 << 13,
  CMOV: 1 << 15,
  PAT: 1 << 16,
  PSE36: 1 << 17,
  CLFSH: 1 << 19,
  MMX: 1 << 23,
  FXSR: 1 << 24,
  SSE: 1 << 25,
  SSE2: 1 << 26,
} as const;

/** Bits of CPUID leaf 8000_0001 EDX that this CPU offers. */
export const ExtendedFeature = { NX: 1 << 20 } as const;

/** Bits of CPUID leaf 7 EBX that this CPU offers. */
export const StructuredFeature = { SMEP: 1 << 7, SMAP: 1 << 20 } as const;

/** Bits of CPUID leaf 7 ECX that this CPU offers. */
export const StructuredFeature2 = { UMIP: 1 << 2 } as const;

/** Family 6, model 8, stepping 3: a P6 of the plain kind. */
const SIGNATURE = 0x683;
/** "GenuineIntel" in EBX, EDX, ECX. */
const VENDOR_EBX = 0x756e6547;
const VENDOR_EDX = 0x49656e69;
const VENDOR_ECX = 0x6c65746e;
/** EBX of leaf 1: bytes that CLFLUSH flushes, in units of 8, from bit 8 on. */
const CLFLUSH_LINE = (64 / 8) << 8;
const HIGHEST_LEAF = 2;
const STRUCTURED_LEAF = 7;
const EXTENDED = 0x80000000;
const HIGHEST_EXTENDED_LEAF = 0x80000008;
/** Leaves 8000_0002 to 8000_0004. */
const BRAND = "Umbra P6 with PAE and NX";
/** Of linear addresses. */
const LINEAR_ADDRESS_BITS = 32;

type Leaf = readonly [eax: number, ebx: number, ecx: number, edx: number];

/**
 * Leaf 2, cache descriptors of the P6 family (Intel SDM vol. 2, table 3-12): one query; 4 KiB and 4 MiB TLBs (01, 02, 03, 04),
 * 16 KiB instruction (08) and data (0C) caches, 256 KiB second level (82).
 */
const CACHES: Leaf = [0x03020101, 0, 0, 0x0c040882];
const NOTHING: Leaf = [0, 0, 0, 0];

const P6_FEATURES =
  Feature.FPU |
  Feature.VME |
  Feature.DE |
  Feature.PSE |
  Feature.TSC |
  Feature.MSR |
  Feature.CX8 |
  Feature.SEP |
  Feature.MTRR |
  Feature.PGE |
  Feature.CMOV |
  Feature.PAT;

const VECTOR_FEATURES = Feature.CLFSH | Feature.MMX | Feature.FXSR | Feature.SSE | Feature.SSE2;

/** A P6-class processor without MMX, FXSR and SSE; with a local APIC where the vcpu has one. */
class P6Identity implements CpuIdentity {
  readonly features: number;
  readonly extendedFeatures: number;
  readonly structuredFeatures: number;
  readonly structuredFeatures2: number;

  constructor(features: number, extendedFeatures = 0, structuredFeatures = 0, structuredFeatures2 = 0) {
    this.features = features;
    this.extendedFeatures = extendedFeatures;
    this.structuredFeatures = structuredFeatures;
    this.structuredFeatures2 = structuredFeatures2;
  }

  leaf(eax: number, ecx: number): Leaf {
    const highest = this.structuredFeatures === 0 ? HIGHEST_LEAF : STRUCTURED_LEAF;
    if (eax === 0) return [highest, VENDOR_EBX, VENDOR_ECX, VENDOR_EDX];
    if (eax === 1) return [SIGNATURE, this.features & Feature.CLFSH ? CLFLUSH_LINE : 0, 0, this.features];
    if (this.extendedFeatures !== 0 && eax >= EXTENDED && eax <= HIGHEST_EXTENDED_LEAF)
      return this.#extendedLeaf(eax);
    if (highest === STRUCTURED_LEAF && eax !== 2) {
      // Leaves 3 to 6 have nothing to tell; what is above the highest answers like that.
      const last = eax < 3 || eax >= STRUCTURED_LEAF;
      return last && ecx === 0 ? [0, this.structuredFeatures, this.structuredFeatures2, 0] : NOTHING;
    }
    // The highest basic leaf, and what every leaf above it (extended ones, where there are none) answers.
    return CACHES;
  }

  #extendedLeaf(eax: number): Leaf {
    switch (eax) {
      case 0x80000000:
        return [HIGHEST_EXTENDED_LEAF, 0, 0, 0];
      case 0x80000001:
        return [0, 0, 0, this.extendedFeatures];
      case 0x80000002:
      case 0x80000003:
      case 0x80000004:
        return brandWords((eax & 7) - 2);
      case 0x80000008:
        return [PHYSICAL_ADDRESS_BITS | (LINEAR_ADDRESS_BITS << 8), 0, 0, 0];
      default:
        return NOTHING;
    }
  }
}

/** 16 characters of the brand string, padded with zeros. */
function brandWords(part: number): Leaf {
  const word = (k: number): number =>
    [0, 1, 2, 3].reduce(
      (value, n) => value | ((BRAND.charCodeAt(part * 16 + k * 4 + n) || 0) << (8 * n)),
      0,
    ) >>> 0;
  return [word(0), word(1), word(2), word(3)];
}

/**
 * The processors to choose from. `p6`: two-level paging only, no extended leaves, hence no brand string. `p6-pae`: PAE, execute-disable
 * and 36-bit physical addresses besides (which no one processor of this signature had; nothing that software derives from it contradicts).
 * `max`: all that there is, PSE-36, SMEP, SMAP and UMIP besides.
 */
export const CPU_MODELS = ["p6", "p6-pae", "max"] as const;
export type CpuModel = (typeof CPU_MODELS)[number];

/** What a processor of that name says of itself. Throws RangeError when there is none. */
export function cpuIdentity(model: CpuModel): CpuIdentity {
  switch (model) {
    case "p6":
      return new P6Identity(P6_FEATURES);
    case "p6-pae":
      return new P6Identity(P6_FEATURES | Feature.PAE, ExtendedFeature.NX);
    case "max":
      return new P6Identity(
        P6_FEATURES | Feature.PAE | Feature.PSE36 | VECTOR_FEATURES,
        ExtendedFeature.NX,
        StructuredFeature.SMEP | StructuredFeature.SMAP,
        StructuredFeature2.UMIP,
      );
    default:
      throw new RangeError(`there is no CPU model "${model}": choose one of ${CPU_MODELS.join(", ")}`);
  }
}

const APIC_ENABLED = 1 << 11;

/** CPUID. */
export const cpuid: Helper = (core, op) => {
  if (core.controls & ExitControl.cpuid) {
    core.beginExit(ExitReason.cpuid, op);
    return Outcome.exit;
  }
  const { state } = core;
  const leaf = state.reg(0);
  let [eax, ebx, ecx, edx] = core.cpuid.leaf(leaf, state.reg(1));
  if (leaf === 1 && state.get(L.APIC_BASE) & APIC_ENABLED) {
    edx |= Feature.APIC;
    ebx |= state.get(L.APIC_ID) << 24;
  }
  state.setReg(0, eax);
  state.setReg(1, ecx);
  state.setReg(2, edx);
  state.setReg(3, ebx);
  return Outcome.next;
};
