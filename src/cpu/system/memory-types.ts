import type { Core } from "../core.ts";
import { Vector } from "../core.ts";
import * as L from "../layout.ts";
import type { CpuState } from "../state.ts";
import { Feature } from "./cpu-models.ts";

/** Memory types as MTRRs and PAT entries encode them (Intel SDM vol. 3, table 12-2). */
export const MemoryType = {
  uncacheable: 0,
  writeCombining: 1,
  writeThrough: 4,
  writeProtected: 5,
  writeBack: 6,
  /** PAT only: uncacheable unless an MTRR says write-combining. */
  uncached: 7,
} as const;

/** Pairs of variable-range registers, MSRs 200 to 20F. */
const VARIABLE_RANGES = 8;
/** IA32_MTRRCAP: that many pairs, fixed-range registers (bit 8), write-combining (bit 10). */
const CAPABILITIES = VARIABLE_RANGES | (1 << 8) | (1 << 10);
/** IA32_MTRR_DEF_TYPE: type, bit 10 fixed ranges enabled, bit 11 MTRRs enabled. */
export const MtrrDefault = { typeMask: 0xff, fixedEnabled: 1 << 10, enabled: 1 << 11 } as const;
/** Valid bit of IA32_MTRR_PHYSMASKn. */
const MASK_VALID = 1 << 11;
/** Of a high word: the address has 36 bits, whether or not the processor offers PAE. */
const HIGH_ADDRESS = 0xf;
/** MSRs of the fixed ranges in ascending order of address: 64 KiB, 16 KiB (two), 4 KiB (eight) to an entry. */
const FIXED = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f] as const;

const bitSet = (...values: readonly number[]): number => values.reduce((set, value) => set | (1 << value), 0);
const { uncacheable, writeCombining, writeThrough, writeProtected, writeBack, uncached } = MemoryType;
const MTRR_TYPES = bitSet(uncacheable, writeCombining, writeThrough, writeProtected, writeBack);
const PAT_TYPES = MTRR_TYPES | bitSet(uncached);

const isType = (value: number, types: number): boolean => value < 8 && ((types >>> value) & 1) !== 0;
const areTypes = (word: number, types: number): boolean =>
  [0, 8, 16, 24].every((shift) => isType((word >>> shift) & 0xff, types));

/** Whether WRMSR takes the two words. */
type Check = (low: number, high: number) => boolean;

const isPat: Check = (low, high) => areTypes(low, PAT_TYPES) && areTypes(high, PAT_TYPES);
const isFixed: Check = (low, high) => areTypes(low, MTRR_TYPES) && areTypes(high, MTRR_TYPES);
const isDefault: Check = (low, high) =>
  high === 0 &&
  (low & ~(MtrrDefault.typeMask | MtrrDefault.fixedEnabled | MtrrDefault.enabled)) === 0 &&
  isType(low & MtrrDefault.typeMask, MTRR_TYPES);
const isBase: Check = (low, high) =>
  (high & ~HIGH_ADDRESS) === 0 && (low & 0xf00) === 0 && isType(low & 0xff, MTRR_TYPES);
const isMask: Check = (low, high) => (high & ~HIGH_ADDRESS) === 0 && (low & 0x7ff) === 0;

interface HeldRegister {
  readonly features: number;
  read(core: Core): readonly [number, number];
  write?(core: Core, low: number, high: number): void;
}

/** A register that is held and read back and has no effect: guest memory is coherent whatever its type. */
function held(at: number, features: number, check: Check): HeldRegister {
  return {
    features,
    read: (core) => [core.state.get(at), core.state.get(at + 4)],
    write: (core, low, high) => {
      if (!check(low, high)) core.raise(Vector.GP, 0);
      setWords(core.state, at, low, high);
    },
  };
}

function setWords(state: CpuState, at: number, low: number, high: number): void {
  state.set(at, low);
  state.set(at + 4, high);
}

/** The registers of memory types by MSR index: IA32_MTRRCAP, the MTRRs and IA32_PAT. */
export const MEMORY_TYPE_REGISTERS: ReadonlyMap<number, HeldRegister> = new Map<number, HeldRegister>([
  [0xfe, { features: Feature.MTRR, read: () => [CAPABILITIES, 0] }],
  ...Array.from({ length: VARIABLE_RANGES * 2 }, (_, n): [number, HeldRegister] => [
    0x200 + n,
    held(L.MTRR_VARIABLE + 8 * n, Feature.MTRR, n % 2 === 0 ? isBase : isMask),
  ]),
  ...FIXED.map((index, n): [number, HeldRegister] => [
    index,
    held(L.MTRR_FIXED + 8 * n, Feature.MTRR, isFixed),
  ]),
  [0x277, held(L.PAT, Feature.PAT, isPat)],
  [0x2ff, held(L.MTRR_DEFAULT, Feature.MTRR, isDefault)],
]);

/** IA32_PAT at power-on: WB, WT, UC-, UC, twice (Intel SDM vol. 3, 12.12.4). MTRRs are off. */
export function resetMemoryTypes(state: CpuState): void {
  setWords(state, L.PAT, 0x00070406, 0x00070406);
}

/** Start of what firmware keeps for devices below 4 GiB. */
const DEVICES_FROM = 0xc0000000;

/**
 * MTRRs as firmware leaves them: memory is write-back, the VGA window at A0000 and everything from C0000000 to 4 GiB uncacheable, ROM from C0000
 * to 1 MiB write-protected.
 */
export function firmwareMemoryTypes(state: CpuState): void {
  const every = (type: number): number => (type * 0x01010101) >>> 0;
  // One register for 0 to 7FFFF, one for 80000 to 9FFFF, one for A0000 to BFFFF, eight for C0000 to FFFFF.
  FIXED.forEach((_, n) => {
    const word = every(n < 2 ? writeBack : n === 2 ? uncacheable : writeProtected);
    setWords(state, L.MTRR_FIXED + 8 * n, word, word);
  });
  setWords(state, L.MTRR_VARIABLE, DEVICES_FROM | uncacheable, 0);
  setWords(state, L.MTRR_VARIABLE + 8, DEVICES_FROM | MASK_VALID, HIGH_ADDRESS);
  setWords(state, L.MTRR_DEFAULT, MtrrDefault.enabled | MtrrDefault.fixedEnabled | writeBack, 0);
}
