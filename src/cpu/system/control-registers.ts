import type { Gva } from "../../mmu/address.ts";
import type { Core, Helper, HelperOp } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import { ExitControl, ExitReason } from "../exit.ts";
import { Generation } from "../instructions/line.ts";
import * as L from "../layout.ts";
import { Cr0, Cr4 } from "../state.ts";
import { StructuredFeature, StructuredFeature2 } from "./cpu-models.ts";
import {
  checkUserMode,
  jumpToNext,
  operandBytes,
  readOperand16,
  requireRing0,
  writeRegister,
} from "./operand.ts";
import { writeMemory16 } from "./segmentation.ts";

const CR0_TRANSLATION = Cr0.PE | Cr0.WP | Cr0.PG;
/** Bits whose change reloads the PDPTEs when PAE paging is in force afterwards (Intel SDM vol. 3, 4.4.1). */
const CR0_RELOADS = Cr0.CD | Cr0.NW | Cr0.PG;
const CR4_RELOADS = Cr4.PAE | Cr4.PGE | Cr4.PSE | Cr4.SMEP;
const CR0_LMSW = Cr0.PE | Cr0.MP | Cr0.EM | Cr0.TS;

/** CR4 bits by the CPUID feature (bit of leaf 1 EDX) without which they are reserved. */
const CR4_FEATURES: readonly (readonly [cr4: number, feature: number])[] = [
  [Cr4.VME | Cr4.PVI, 1],
  [Cr4.DE, 2],
  [Cr4.PSE, 3],
  [Cr4.TSD, 4],
  [Cr4.PAE, 6],
  [Cr4.MCE, 7],
  [Cr4.PGE, 13],
  [Cr4.OSFXSR, 24],
  [Cr4.OSXMMEXCPT, 25],
];

/** CR4 bits that a processor with these CPUID features (leaf 1 EDX, leaf 7 EBX and ECX) lets software set. */
export function cr4Writable(features: number, structuredFeatures = 0, structuredFeatures2 = 0): number {
  // Every P6 has RDPMC, and no feature bit for it.
  let mask: number = Cr4.PCE;
  if (structuredFeatures2 & StructuredFeature2.UMIP) mask |= Cr4.UMIP;
  if (structuredFeatures & StructuredFeature.SMEP) mask |= Cr4.SMEP;
  if (structuredFeatures & StructuredFeature.SMAP) mask |= Cr4.SMAP;
  for (const [bits, feature] of CR4_FEATURES) if ((features >>> feature) & 1) mask |= bits;
  return mask;
}

/** Fills the exit record of a control-register write. */
function controlExit(core: Core, op: HelperOp, register: number, value: number): Outcome {
  const record = core.beginExit(ExitReason.controlRegister, op);
  record.register = register;
  record.value = value >>> 0;
  record.write = true;
  return Outcome.exit;
}

/** Whether a write leaves by the mask of bits that the monitor owns. */
const leaves = (now: number, next: number, mask: number): boolean =>
  mask === -1 || ((now ^ next) & mask) !== 0;

const isPae = (cr0: number, cr4: number): boolean => (cr0 & Cr0.PG) !== 0 && (cr4 & Cr4.PAE) !== 0;

/** Latches the PDPTEs at `cr3`, or raises #GP before anything has changed. */
function latchPdptes(core: Core, cr3: number): void {
  if (!core.latchPdptes(cr3)) core.raise(Vector.GP, 0);
}

/** Writes all of CR0, whichever instruction asks; the exit reports the whole new value. */
function writeCr0(core: Core, op: HelperOp, value: number): Outcome {
  const { state } = core;
  const { cr0Writable, cr0Ones } = core.cpuid;
  // All but the 80386 have ET fixed at one.
  const next = ((value & cr0Writable) | (state.cr0 & ~cr0Writable) | (Cr0.ET & ~cr0Writable)) >>> 0;
  const paged = (next & Cr0.PG) !== 0;
  if (paged && (next & Cr0.PE) === 0) core.raise(Vector.GP, 0);
  if (next & cr0Writable & Cr0.NW && (next & Cr0.CD) === 0) core.raise(Vector.GP, 0);
  if (core.controls & ExitControl.cr0 && leaves(state.cr0, next, core.intercepts.cr0Mask))
    return controlExit(core, op, 0, next);
  const changed = state.cr0 ^ next;
  if (changed & CR0_RELOADS && isPae(next, state.cr4)) latchPdptes(core, state.get(L.CR3));
  state.set(L.CR0, next);
  state.set(L.CR0_ABSENT, cr0Ones);
  if (changed & CR0_TRANSLATION) {
    // Translations hold what WP and PG allowed, global ones too.
    core.flushTlbAll();
    state.updateMode();
  }
  return jumpToNext(core, op);
}

function writeCr3(core: Core, op: HelperOp, value: number): Outcome {
  if (core.controls & ExitControl.cr3) return controlExit(core, op, 3, value);
  if (isPae(core.state.cr0, core.state.cr4)) latchPdptes(core, value);
  core.state.set(L.CR3, value);
  core.directoryLoaded();
  return jumpToNext(core, op);
}

function writeCr4(core: Core, op: HelperOp, value: number): Outcome {
  const { features, structuredFeatures, structuredFeatures2 } = core.cpuid;
  if (value & ~cr4Writable(features, structuredFeatures, structuredFeatures2)) core.raise(Vector.GP, 0);
  if (core.controls & ExitControl.cr4 && leaves(core.state.cr4, value, core.intercepts.cr4Mask))
    return controlExit(core, op, 4, value);
  const changed = core.state.cr4 ^ value;
  if (changed & CR4_RELOADS && isPae(core.state.cr0, value)) latchPdptes(core, core.state.get(L.CR3));
  core.state.set(L.CR4, value);
  if (changed & Cr4.DE) core.breakpointsChanged();
  if (changed & (CR4_RELOADS | Cr4.SMAP)) core.flushTlbAll();
  return jumpToNext(core, op);
}

/** CR4 came with the Pentium: #UD before it. */
function checkCr4(core: Core): void {
  if ((core.cpuid.opcodes & (1 << Generation.pentium)) === 0) core.raise(Vector.UD);
}

/** MOV to a control register (0F 22). */
export const movToControl: Helper = (core, op) => {
  const value = core.state.reg(op.rm);
  if (op.reg !== 0 && op.reg !== 2 && op.reg !== 3 && op.reg !== 4) core.raise(Vector.UD);
  if (op.reg === 4) checkCr4(core);
  requireRing0(core);
  if (op.reg === 0) return writeCr0(core, op, value);
  if (op.reg === 3) return writeCr3(core, op, value);
  if (op.reg === 4) return writeCr4(core, op, value);
  core.state.set(L.CR2, value);
  return Outcome.next;
};

function controlRegisterAt(core: Core, index: number): number {
  switch (index) {
    case 0:
      return L.CR0;
    case 2:
      return L.CR2;
    case 3:
      return L.CR3;
    case 4:
      checkCr4(core);
      return L.CR4;
    default:
      return core.raise(Vector.UD);
  }
}

/** MOV from a control register (0F 20). */
export const movFromControl: Helper = (core, op) => {
  const at = controlRegisterAt(core, op.reg);
  requireRing0(core);
  if (at === L.CR3 && core.controls & ExitControl.cr3Store) {
    const record = core.beginExit(ExitReason.controlRegister, op);
    record.register = 3;
    record.value = 0;
    record.write = false;
    return Outcome.exit;
  }
  core.state.setReg(op.rm, at === L.CR0 ? readCr0(core) : core.state.get(at));
  return Outcome.next;
};

/** As software sees it. */
const readCr0 = ({ state }: Core): number => (state.cr0 | state.get(L.CR0_ABSENT)) >>> 0;

/** CLTS (0F 06). */
export const clts: Helper = (core, op) => {
  requireRing0(core);
  return writeCr0(core, op, core.state.cr0 & ~Cr0.TS);
};

/** LMSW (0F 01 /6): the low four bits of CR0; PE can be set, not cleared. */
export const lmsw: Helper = (core, op) => {
  requireRing0(core);
  const word = readOperand16(core, op);
  const { cr0 } = core.state;
  return writeCr0(core, op, (cr0 & ~CR0_LMSW) | (word & CR0_LMSW) | (cr0 & Cr0.PE));
};

/** SMSW (0F 01 /4): allowed in every ring. A 32-bit register gets all of CR0. */
export const smsw: Helper = (core, op) => {
  checkUserMode(core);
  const cr0 = readCr0(core);
  if (op.memory) writeMemory16(core, op.segment, op.offset, cr0 & 0xffff);
  else writeRegister(core.state, op.rm, operandBytes(op), cr0);
  return Outcome.next;
};

/** INVLPG (0F 01 /7). Segment limits do not matter to it. */
export const invlpg: Helper = (core, op) => {
  requireRing0(core);
  const linear = (core.state.segBase(op.segment) + op.offset) >>> 0;
  if (core.controls & ExitControl.invlpg) {
    core.beginExit(ExitReason.invlpg, op).gva = linear as Gva;
    return Outcome.exit;
  }
  core.invalidatePage(linear);
  return jumpToNext(core, op);
};
