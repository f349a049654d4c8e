import { PHYSICAL_ADDRESS_BITS } from "../../mmu/format.ts";
import type { CpuIdentity } from "../core.ts";
import { Generation } from "../instructions/line.ts";
import { Cr0, Efer, Flag } from "../state.ts";

/** Bits of CPUID leaf 1 EDX that some model offers. */
export const Feature = {
  FPU: 1 << 0,
  VME: 1 << 1,
  DE: 1 << 2,
  PSE: 1 << 3,
  TSC: 1 << 4,
  MSR: 1 << 5,
  PAE: 1 << 6,
  MCE: 1 << 7,
  CX8: 1 << 8,
  /** Only where the vcpu has a local APIC, and it is enabled. */
  APIC: 1 << 9,
  SEP: 1 << 11,
  MTRR: 1 << 12,
  PGE: 1 << 13,
  MCA: 1 << 14,
  CMOV: 1 << 15,
  PAT: 1 << 16,
  PSE36: 1 << 17,
  CLFSH: 1 << 19,
  MMX: 1 << 23,
  FXSR: 1 << 24,
  SSE: 1 << 25,
  SSE2: 1 << 26,
} as const;

/** Bits of CPUID leaf 1 ECX. */
export const Feature2 = {
  /** Only where the vcpu has a local APIC. */
  TSC_DEADLINE: 1 << 24,
} as const;

/** Bits of CPUID leaf 8000_0001 EDX. */
export const ExtendedFeature = { NX: 1 << 20 } as const;

/** Bits of CPUID leaf 7 EBX. */
export const StructuredFeature = { TSC_ADJUST: 1 << 1, SMEP: 1 << 7, SMAP: 1 << 20 } as const;

/** Bits of CPUID leaf 7 ECX. */
export const StructuredFeature2 = { UMIP: 1 << 2 } as const;

export type Leaf = readonly [eax: number, ebx: number, ecx: number, edx: number];

/** "GenuineIntel" in EBX, EDX, ECX. */
const VENDOR_EBX = 0x756e6547;
const VENDOR_EDX = 0x49656e69;
const VENDOR_ECX = 0x6c65746e;
const CACHE_LEAF = 2;
const STRUCTURED_LEAF = 7;
const EXTENDED = 0x80000000;
/** Extended leaves up to the brand string, and up to the widths of addresses. */
const BRAND_LEAF = 0x80000004;
const ADDRESS_LEAF = 0x80000008;
/** EBX of leaf 1: bytes that CLFLUSH flushes, in units of 8, from bit 8 on. */
const CLFLUSH_LINE = (64 / 8) << 8;
/** Of linear addresses. */
const LINEAR_ADDRESS_BITS = 32;
const NOTHING: Leaf = [0, 0, 0, 0];

const CR0_286 = Cr0.PE | Cr0.MP | Cr0.EM | Cr0.TS;
const CR0_386 = CR0_286 | Cr0.ET | Cr0.PG;
const CR0_486 = CR0_286 | Cr0.PG | Cr0.NE | Cr0.WP | Cr0.AM | Cr0.NW | Cr0.CD;
const OPCODES_386 = 1 << Generation.beforePentium;
const OPCODES_486 = OPCODES_386 | (1 << Generation.i486);
const OPCODES_P6 = (1 << Generation.i486) | (1 << Generation.pentium) | (1 << Generation.p6);
/** What came after the 486: without CPUID there is no ID flag, without CR4.VME no virtual interrupts. */
const LATER_FLAGS = Flag.ID | Flag.VIF | Flag.VIP;

interface Model {
  /** Leaf 1 EAX: family, model, stepping. */
  readonly signature: number;
  readonly features: number;
  /** Bits by Generation; default: those of a P6. */
  readonly generations?: number;
  /** Default: that of the 486 and later. */
  readonly cr0Writable?: number;
  readonly cr0Ones?: number;
  readonly absentFlags?: number;
  readonly features2?: number;
  readonly extendedFeatures?: number;
  readonly efer?: number;
  readonly structuredFeatures?: number;
  readonly structuredFeatures2?: number;
  /** Leaf 2: cache and TLB descriptors (Intel SDM vol. 2, table 3-12). */
  readonly caches: Leaf;
  /** 0: there are no extended leaves. */
  readonly highestExtended: number;
  /** Leaves 8000_0002 to 8000_0004, at most 47 characters. */
  readonly brand?: string;
}

const PENTIUM_2 =
  Feature.FPU |
  Feature.VME |
  Feature.DE |
  Feature.PSE |
  Feature.TSC |
  Feature.MSR |
  Feature.PAE |
  Feature.CX8 |
  Feature.SEP |
  Feature.MTRR |
  Feature.PGE |
  Feature.CMOV |
  Feature.PAT |
  Feature.PSE36 |
  Feature.MMX |
  Feature.FXSR;
const PENTIUM_4 = PENTIUM_2 | Feature.CLFSH | Feature.SSE | Feature.SSE2;

/**
 * The processors to choose from. What real ones have besides and these have not: machine check (but for `max`) and, of a Pentium 4, debug store,
 * thermal control, self snoop and hyper-threading.
 */
const MODELS = {
  /** An 80386DX with an 80387: no CPUID, no CR4, no cache control, supervisor writes never refused, EFLAGS.AC fixed at 0. */
  i386: {
    signature: 0x308,
    features: Feature.FPU,
    generations: OPCODES_386,
    cr0Writable: CR0_386,
    cr0Ones: 0x7fffffff & ~CR0_386,
    absentFlags: LATER_FLAGS | Flag.AC,
    caches: NOTHING,
    highestExtended: 0,
  },
  /** An i486DX2 of those that have no CPUID yet. */
  i486: {
    signature: 0x433,
    features: Feature.FPU,
    generations: OPCODES_486,
    absentFlags: LATER_FLAGS,
    caches: NOTHING,
    highestExtended: 0,
  },
  /**
   * A Pentium II (Deschutes): P6 with MMX and FXSAVE, without SSE; no extended leaves, so no execute-disable and no brand string. Caches: 4 KiB and
   * 4 MiB TLBs (01, 02, 03, 04), 16 KiB instruction (08) and data (0C), 512 KiB second level (43).
   */
  p6: {
    signature: 0x652,
    features: PENTIUM_2,
    caches: [0x03020101, 0, 0, 0x0c040843],
    highestExtended: 0,
  },
  /**
   * A Pentium 4 (Northwood): SSE2; no execute-disable yet. Caches: TLBs (50, 5B), 8 KiB data (66), 12 K micro-operations (70), 512 KiB second
   * level with 64-byte lines (7B), no third (40).
   */
  pentium4: {
    signature: 0xf29,
    features: PENTIUM_4,
    caches: [0x665b5001, 0, 0, 0x007b7040],
    highestExtended: BRAND_LEAF,
    brand: "Umbra Pentium 4",
  },
  /**
   * All that there is: execute-disable, SMEP, SMAP, UMIP, machine check without banks, and for time the TSC deadline of the APIC and IA32_TSC_ADJUST
   * besides. EFER.SCE is held, as by an Intel processor with long mode that is not in it, where SYSCALL is #UD all the same. Which no one processor of this signature had (a Pentium III's); nothing that
   * software derives from it contradicts.
   */
  max: {
    signature: 0x683,
    features: PENTIUM_4 | Feature.MCE | Feature.MCA,
    features2: Feature2.TSC_DEADLINE,
    extendedFeatures: ExtendedFeature.NX,
    efer: Efer.NXE | Efer.SCE,
    structuredFeatures: StructuredFeature.TSC_ADJUST | StructuredFeature.SMEP | StructuredFeature.SMAP,
    structuredFeatures2: StructuredFeature2.UMIP,
    caches: [0x03020101, 0, 0, 0x0c040882],
    highestExtended: ADDRESS_LEAF,
    brand: "Umbra with all that it has",
  },
} as const satisfies Readonly<Record<string, Model>>;

export type CpuModel = keyof typeof MODELS;
export const CPU_MODELS = Object.keys(MODELS) as readonly CpuModel[];

class Identity implements CpuIdentity {
  readonly signature: number;
  readonly features: number;
  readonly opcodes: number;
  readonly cr0Writable: number;
  readonly cr0Ones: number;
  readonly absentFlags: number;
  readonly features2: number;
  readonly extendedFeatures: number;
  readonly efer: number;
  readonly structuredFeatures: number;
  readonly structuredFeatures2: number;
  readonly #model: Model;
  readonly #highest: number;

  constructor(model: Model) {
    this.#model = model;
    this.signature = model.signature;
    this.features = model.features;
    this.opcodes = model.features | (model.generations ?? OPCODES_P6);
    this.cr0Writable = model.cr0Writable ?? CR0_486;
    this.cr0Ones = model.cr0Ones ?? 0;
    this.absentFlags = model.absentFlags ?? 0;
    this.features2 = model.features2 ?? 0;
    this.extendedFeatures = model.extendedFeatures ?? 0;
    this.efer = model.efer ?? 0;
    this.structuredFeatures = model.structuredFeatures ?? 0;
    this.structuredFeatures2 = model.structuredFeatures2 ?? 0;
    this.#highest = this.structuredFeatures === 0 ? CACHE_LEAF : STRUCTURED_LEAF;
  }

  leaf(eax: number, ecx: number): Leaf {
    if (eax >= EXTENDED && eax <= this.#model.highestExtended) return this.#extendedLeaf(eax);
    switch (Math.min(eax, this.#highest)) {
      case 0:
        return [this.#highest, VENDOR_EBX, VENDOR_ECX, VENDOR_EDX];
      case 1:
        return [
          this.signature,
          this.features & Feature.CLFSH ? CLFLUSH_LINE : 0,
          this.features2,
          this.features,
        ];
      case CACHE_LEAF:
        return this.#model.caches;
      case STRUCTURED_LEAF:
        return ecx === 0 ? [0, this.structuredFeatures, this.structuredFeatures2, 0] : NOTHING;
      default:
        return NOTHING;
    }
  }

  #extendedLeaf(eax: number): Leaf {
    switch (eax) {
      case 0x80000000:
        return [this.#model.highestExtended, 0, 0, 0];
      case 0x80000001:
        return [0, 0, 0, this.extendedFeatures];
      case 0x80000002:
      case 0x80000003:
      case 0x80000004:
        return brandWords(this.#model.brand ?? "", (eax & 7) - 2);
      case ADDRESS_LEAF:
        return [PHYSICAL_ADDRESS_BITS | (LINEAR_ADDRESS_BITS << 8), 0, 0, 0];
      default:
        return NOTHING;
    }
  }
}

/** 16 characters of the brand string, padded with zeros. */
function brandWords(brand: string, part: number): Leaf {
  const word = (k: number): number =>
    [0, 1, 2, 3].reduce(
      (value, n) => value | ((brand.charCodeAt(part * 16 + k * 4 + n) || 0) << (8 * n)),
      0,
    ) >>> 0;
  return [word(0), word(1), word(2), word(3)];
}

/** What a processor of that name says of itself. Throws RangeError when there is none. */
export function cpuIdentity(model: CpuModel): CpuIdentity {
  if (!Object.hasOwn(MODELS, model))
    throw new RangeError(`there is no CPU model "${model}": choose one of ${CPU_MODELS.join(", ")}`);
  return new Identity(MODELS[model]);
}
