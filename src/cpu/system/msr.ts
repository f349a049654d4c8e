import type { Core, Helper, HelperOp } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import { ExitControl, ExitReason } from "../exit.ts";
import * as L from "../layout.ts";
import { type CpuState, Cr4, Efer } from "../state.ts";
import { Feature, Feature2, StructuredFeature } from "./cpu-models.ts";
import { MEMORY_TYPE_REGISTERS } from "./memory-types.ts";
import { requireRing0 } from "./operand.ts";

type Words = readonly [low: number, high: number];

interface ModelSpecificRegister {
  /** Bits of CPUID leaf 1 EDX without which the register does not exist. */
  readonly features?: number;
  /** Absent: as the features say. */
  readonly exists?: (core: Core) => boolean;
  readonly read: (core: Core, op: HelperOp) => Words;
  /** Absent: read-only, a write is #GP. */
  readonly write?: (core: Core, low: number, high: number, op: HelperOp) => void;
}

/** Of a processor's signature. */
const FAMILY = 0xf00;
const PENTIUM_4 = 0xf00;
/** IA32_MISC_ENABLE at power-on: fast strings; no branch trace store (bit 11) and no precise sampling (12) to be had. */
export const MISC_ENABLE_DEFAULT = (1 << 0) | (1 << 11) | (1 << 12);
/**
 * What of it software can write: fast strings, thermal control (3), SpeedStep (16), MONITOR (18), xTPR messages (23), which all have no effect here; CPUID
 * limited to leaf 3 (22), execute-disable off (34).
 */
const MISC_ENABLE_WRITABLE = (1 << 0) | (1 << 3) | (1 << 16) | (1 << 18) | (1 << 22) | (1 << 23);
export const DISABLE_XD_HIGH = 1 << (34 - 32);

const ZERO: Words = [0, 0];
const TIME_STAMP_COUNTER = 0x10;
const APIC_BASE = 0x1b;
const TSC_ADJUST = 0x3b;
const TSC_DEADLINE = 0x6e0;
const EFER = 0xc0000080;
/** Of IA32_APIC_BASE: bootstrap processor, enabled, and the address. There is no x2APIC mode (bit 10). */
const APIC_BASE_WRITABLE = (1 << 8) | (1 << 11) | 0xfffff000;

const hasApic = (core: Core): boolean => core.state.get(L.APIC_BASE) !== 0;
const hasDeadline = (core: Core): boolean =>
  hasApic(core) && (core.cpuid.features2 & Feature2.TSC_DEADLINE) !== 0;

const hasAdjust = (core: Core): boolean =>
  (core.cpuid.structuredFeatures & StructuredFeature.TSC_ADJUST) !== 0;

const wide = ([low, high]: Words): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);

function writeTimestamp(core: Core, low: number, high: number, op: HelperOp): void {
  // The deadline of the local APIC's timer is compared with it.
  if (hasDeadline(core)) core.apicWrite(op, TIME_STAMP_COUNTER, low, high);
  core.setTimestamp(low, high);
}

/** The APIC is found at the new address, below 4 GiB, or nowhere. */
function writeApicBase(core: Core, low: number, high: number, op: HelperOp): void {
  if (high !== 0 || (low & ~APIC_BASE_WRITABLE) !== 0) core.raise(Vector.GP, 0);
  core.apicWrite(op, APIC_BASE, low, high);
  core.state.set(L.APIC_BASE, low | L.APIC_PRESENT);
}

function sysenterRegister(at: number): ModelSpecificRegister {
  return {
    features: Feature.SEP,
    read: (core) => [core.state.get(at), 0],
    write: (core, low) => core.state.set(at, low),
  };
}

/** EFER: bits that the model has not are reserved, and NXE while IA32_MISC_ENABLE says so. */
function writeEfer(core: Core, low: number, high: number): void {
  const disabled = core.state.get(L.MISC_ENABLE + 4) & DISABLE_XD_HIGH ? Efer.NXE : 0;
  if (high !== 0 || (low & ~(core.cpuid.efer & ~disabled)) !== 0) core.raise(Vector.GP, 0);
  const changed = core.state.efer ^ low;
  core.state.set(L.EFER, low);
  if ((changed & Efer.NXE) === 0) return;
  // Translations say whether they may be fetched from, and reserved bits have changed.
  core.flushTlbAll();
}

/**
 * The model-specific registers that exist (Intel SDM vol. 4). Every other index is #GP(0).
 */
const REGISTERS: ReadonlyMap<number, ModelSpecificRegister> = new Map<number, ModelSpecificRegister>([
  // IA32_TIME_STAMP_COUNTER
  [TIME_STAMP_COUNTER, { read: (core) => core.timestamp(), write: writeTimestamp }],
  // IA32_APIC_BASE, where there is a local APIC.
  [
    APIC_BASE,
    {
      exists: hasApic,
      read: (core) => [core.state.get(L.APIC_BASE) & ~L.APIC_PRESENT, 0],
      write: writeApicBase,
    },
  ],
  // IA32_TSC_ADJUST: what has been added to the time-stamp counter.
  [
    TSC_ADJUST,
    {
      exists: hasAdjust,
      read: (core) => core.timestampOffset(),
      write: (core, low, high, op) => {
        const next = wide(core.timestamp()) + wide([low, high]) - wide(core.timestampOffset());
        writeTimestamp(core, Number(next & 0xffffffffn), Number(BigInt.asUintN(64, next) >> 32n), op);
      },
    },
  ],
  // IA32_TSC_DEADLINE
  [
    TSC_DEADLINE,
    {
      exists: hasDeadline,
      read: (core, op) => core.apicRead(op, TSC_DEADLINE),
      write: (core, low, high, op) => core.apicWrite(op, TSC_DEADLINE, low, high),
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
  // IA32_MISC_ENABLE, which came with the Pentium 4.
  [
    0x1a0,
    {
      exists: (core) => (core.cpuid.signature & FAMILY) === PENTIUM_4 || core.cpuid.efer !== 0,
      read: (core) => [core.state.get(L.MISC_ENABLE), core.state.get(L.MISC_ENABLE + 4)],
      write: (core, low, high) => {
        if (((low ^ MISC_ENABLE_DEFAULT) & ~MISC_ENABLE_WRITABLE) !== 0) core.raise(Vector.GP, 0);
        if ((high & ~(core.cpuid.efer & Efer.NXE ? DISABLE_XD_HIGH : 0)) !== 0) core.raise(Vector.GP, 0);
        core.state.set(L.MISC_ENABLE, low);
        core.state.set(L.MISC_ENABLE + 4, high);
      },
    },
  ],
  // IA32_MCG_CAP: no banks of error registers. IA32_MCG_STATUS: nothing has gone wrong; only 0 can be written.
  [0x179, { features: Feature.MCA, read: () => ZERO }],
  [
    0x17a,
    {
      features: Feature.MCA,
      read: () => ZERO,
      write: (core, low, high) => {
        if ((low | high) !== 0) core.raise(Vector.GP, 0);
      },
    },
  ],
  ...MEMORY_TYPE_REGISTERS,
  // IA32_EFER
  [EFER, { exists: (core) => core.cpuid.efer !== 0, read: (core) => [core.state.efer, 0], write: writeEfer }],
]);

function find(core: Core, index: number): ModelSpecificRegister {
  const register = REGISTERS.get(index) ?? core.raise(Vector.GP, 0);
  const { features } = register;
  if (features !== undefined && (core.cpuid.features & features) === 0) core.raise(Vector.GP, 0);
  if (register.exists?.(core) === false) core.raise(Vector.GP, 0);
  return register;
}

/** Leaves, or may, by an exit of its own: not by ExitControl.msr. */
function isApics(core: Core): boolean {
  const index = core.state.reg(1);
  return index === APIC_BASE
    ? hasApic(core)
    : hasDeadline(core) &&
        (index === TSC_DEADLINE || index === TIME_STAMP_COUNTER || (index === TSC_ADJUST && hasAdjust(core)));
}

/** The WRMSR at EIP would turn EFER.NXE over. */
export function changesExecuteDisable(state: CpuState): boolean {
  return state.reg(1) === EFER && ((state.reg(0) ^ state.efer) & Efer.NXE) !== 0;
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
  const { state } = core;
  if (core.controls & ExitControl.msr && !isApics(core)) return msrExit(core, op, false);
  const [low, high] = find(core, state.reg(1)).read(core, op);
  state.setReg(0, low);
  state.setReg(2, high);
  return Outcome.next;
};

/** WRMSR (0F 30). */
export const wrmsr: Helper = (core, op) => {
  requireRing0(core);
  const { state } = core;
  if (core.controls & ExitControl.msr && !isApics(core)) return msrExit(core, op, true);
  if (core.controls & ExitControl.executeDisable && changesExecuteDisable(state))
    return msrExit(core, op, true);
  const write = find(core, state.reg(1)).write ?? core.raise(Vector.GP, 0);
  write(core, state.reg(0), state.reg(2), op);
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
