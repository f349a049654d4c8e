import type { Core, Helper, HelperOp } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import { ExitControl, ExitReason } from "../exit.ts";
import * as L from "../layout.ts";
import { Cr4, Efer } from "../state.ts";
import { ExtendedFeature, Feature } from "./cpu-models.ts";
import { MEMORY_TYPE_REGISTERS } from "./memory-types.ts";
import { requireRing0 } from "./operand.ts";

type Words = readonly [low: number, high: number];

interface ModelSpecificRegister {
  /** Bits of CPUID leaf 1 EDX without which the register does not exist. */
  readonly features?: number;
  /** Bits of CPUID leaf 8000_0001 EDX: the register exists if one of them is offered. */
  readonly extendedFeatures?: number;
  /** Absent: as the features say. */
  readonly exists?: (core: Core) => boolean;
  readonly read: (core: Core) => Words;
  /** Absent: read-only, a write is #GP. */
  readonly write?: (core: Core, low: number, high: number) => void;
}

/** Of a processor's signature. */
const FAMILY = 0xf00;
const PENTIUM_4 = 0xf00;
/** IA32_MISC_ENABLE: fast strings; no branch trace store (bit 11) and no precise sampling (12) to be had. */
const FAST_STRINGS = 1;
export const MISC_ENABLE_DEFAULT = FAST_STRINGS | (1 << 11) | (1 << 12);

const ZERO: Words = [0, 0];
const APIC_ENABLED = 1 << 11;

function sysenterRegister(at: number): ModelSpecificRegister {
  return {
    features: Feature.SEP,
    read: (core) => [core.state.get(at), 0],
    write: (core, low) => core.state.set(at, low),
  };
}

/** EFER: NXE is all that a processor without long mode and SYSCALL has; other bits are reserved. */
function writeEfer(core: Core, low: number, high: number): void {
  if (high !== 0 || (low & ~Efer.NXE) !== 0) core.raise(Vector.GP, 0);
  if (core.state.efer === low) return;
  core.state.set(L.EFER, low);
  // Translations say whether they may be fetched from, and reserved bits have changed.
  core.pagingChanged();
  core.flushTlbAll();
}

/**
 * The model-specific registers that exist (Intel SDM vol. 4). Every other index is #GP(0), which is also how software finds that
 * there is no machine check (179).
 */
const REGISTERS: ReadonlyMap<number, ModelSpecificRegister> = new Map<number, ModelSpecificRegister>([
  // IA32_TIME_STAMP_COUNTER
  [0x10, { read: (core) => core.timestamp(), write: (core, low, high) => core.setTimestamp(low, high) }],
  // IA32_APIC_BASE, where there is a local APIC. Its address is wired; a write may switch it off and on again.
  [
    0x1b,
    {
      exists: (core) => core.state.get(L.APIC_BASE) !== 0,
      read: (core) => [core.state.get(L.APIC_BASE), 0],
      write: (core, low, high) => {
        const now = core.state.get(L.APIC_BASE);
        if (high !== 0 || ((low ^ now) & ~APIC_ENABLED) !== 0) core.raise(Vector.GP, 0);
        core.state.set(L.APIC_BASE, low);
      },
    },
  ],
  // IA32_PLATFORM_ID: the kind of socket; software reads it before it looks at the microcode revision.
  [0x17, { read: () => ZERO }],
  // IA32_BIOS_UPDT_TRIG: there is no microcode to replace; a write is accepted and without effect.
  [0x79, { read: () => ZERO, write: () => {} }],
  // IA32_BIOS_SIGN_ID: software writes 0, executes CPUID and reads the microcode revision: none.
  [0x8b, { read: () => ZERO, write: () => {} }],
  // IA32_SYSENTER_CS, _ESP, _EIP
  [0x174, sysenterRegister(L.SYSENTER)],
  [0x175, sysenterRegister(L.SYSENTER + 4)],
  [0x176, sysenterRegister(L.SYSENTER + 8)],
  // IA32_MISC_ENABLE, which came with the Pentium 4. Its bit for fast strings is held.
  [
    0x1a0,
    {
      exists: (core) => (core.cpuid.signature & FAMILY) === PENTIUM_4,
      read: (core) => [core.state.get(L.MISC_ENABLE), 0],
      write: (core, low, high) => {
        if (high !== 0 || ((low ^ MISC_ENABLE_DEFAULT) & ~FAST_STRINGS) !== 0) core.raise(Vector.GP, 0);
        core.state.set(L.MISC_ENABLE, low);
      },
    },
  ],
  ...MEMORY_TYPE_REGISTERS,
  // IA32_EFER
  [
    0xc0000080,
    { extendedFeatures: ExtendedFeature.NX, read: (core) => [core.state.efer, 0], write: writeEfer },
  ],
]);

function find(core: Core, index: number): ModelSpecificRegister {
  const register = REGISTERS.get(index) ?? core.raise(Vector.GP, 0);
  const { features } = register;
  if (features !== undefined && (core.cpuid.features & features) === 0) core.raise(Vector.GP, 0);
  if (register.exists?.(core) === false) core.raise(Vector.GP, 0);
  const { extendedFeatures } = register;
  if (extendedFeatures !== undefined && (core.cpuid.extendedFeatures & extendedFeatures) === 0)
    core.raise(Vector.GP, 0);
  return register;
}

function msrExit(core: Core, op: HelperOp, write: boolean): Outcome {
  const record = core.beginExit(ExitReason.msr, op);
  record.register = 0;
  record.write = write;
  record.value = write ? core.state.reg(0) : 0;
  record.valueHigh = write ? core.state.reg(2) : 0;
  return Outcome.exit;
}

/** RDMSR (0F 32). */
export const rdmsr: Helper = (core, op) => {
  requireRing0(core);
  if (core.controls & ExitControl.msr) return msrExit(core, op, false);
  const { state } = core;
  const [low, high] = find(core, state.reg(1)).read(core);
  state.setReg(0, low);
  state.setReg(2, high);
  return Outcome.next;
};

/** WRMSR (0F 30). */
export const wrmsr: Helper = (core, op) => {
  requireRing0(core);
  if (core.controls & ExitControl.msr) return msrExit(core, op, true);
  const { state } = core;
  const write = find(core, state.reg(1)).write ?? core.raise(Vector.GP, 0);
  write(core, state.reg(0), state.reg(2));
  return Outcome.next;
};

/** RDTSC (0F 31): CR4.TSD keeps it to ring 0. */
export const rdtsc: Helper = (core, op) => {
  const { state } = core;
  if (state.cr4 & Cr4.TSD && state.cpl !== 0) core.raise(Vector.GP, 0);
  if (core.controls & ExitControl.rdtsc) {
    core.beginExit(ExitReason.rdtsc, op);
    return Outcome.exit;
  }
  const [low, high] = core.timestamp();
  state.setReg(0, low);
  state.setReg(2, high);
  return Outcome.next;
};

/** RDPMC (0F 33): there are no counters, so every number in ECX is out of range. */
export const rdpmc: Helper = (core, op) => {
  const { state } = core;
  const allowed = state.cpl === 0 || (state.cr4 & Cr4.PCE) !== 0;
  if (!allowed || (core.controls & ExitControl.rdpmc) === 0) core.raise(Vector.GP, 0);
  core.beginExit(ExitReason.rdpmc, op);
  return Outcome.exit;
};
