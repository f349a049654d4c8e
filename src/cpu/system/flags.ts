import type { Core, Helper } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import * as L from "../layout.ts";
import type { CpuState } from "../state.ts";
import { ARITHMETIC_FLAGS, Cr4, Flag } from "../state.ts";
import { isProtected, isVirtual8086, jumpToNext, operandBytes } from "./operand.ts";
import { adjustStack, currentStack, peek, pushFrame, setStackPointer } from "./stack.ts";

/**
 * RF is loaded by IRET and task switches only while there are breakpoints on instructions, for which alone it matters: so that returning
 * from a fault costs nothing more than any other return.
 */
export const loadsResume = (core: Core): number => (core.breaksOnCode ? Flag.RF : 0);

/** Every flag that there is but RF: what IRET of ring 0 to virtual-8086 mode and a task switch load. */
export const ALL_FLAGS =
  ARITHMETIC_FLAGS |
  Flag.TF |
  Flag.IF |
  Flag.DF |
  Flag.IOPL |
  Flag.NT |
  Flag.VM |
  Flag.AC |
  Flag.VIF |
  Flag.VIP |
  Flag.ID;
/** What every ring may change with POPF and IRET. VIF and VIP are IRET's of ring 0 alone. */
const ALWAYS_WRITABLE = ARITHMETIC_FLAGS | Flag.TF | Flag.DF | Flag.NT | Flag.AC | Flag.ID;

export const ioPrivilege = (flags: number): number => (flags >>> 12) & 3;

/** EFLAGS bits that POPF or IRET of `size` bytes may change at ring `cpl` (IF needs CPL <= IOPL, IOPL needs ring 0). */
export function flagsWritableAt(core: Core, cpl: number, flags: number, size: 2 | 4): number {
  let mask = ALWAYS_WRITABLE & ~core.cpuid.absentFlags;
  if (cpl <= ioPrivilege(flags)) mask |= Flag.IF;
  if (cpl === 0) mask |= Flag.IOPL;
  return size === 4 ? mask : mask & 0xffff;
}

/** Replaces the flags in `mask`. */
export function writeFlags(state: CpuState, value: number, mask: number): void {
  const before = state.eflags;
  state.eflags = (before & ~mask) | (value & mask);
  if ((before ^ value) & mask & Flag.AC) state.updatePrivilege();
}

/**
 * Whether a PUSHF, POPF or IRET of `size` bytes works on VIF instead of IF: in virtual-8086 mode with IOPL below 3, where CR4.VME allows
 * it for the 16-bit forms. False: on the flags themselves. Else #GP(0) (Intel SDM vol. 3, 20.2.8, 20.3).
 */
export function virtualFlags(core: Core, size: 2 | 4): boolean {
  const { state } = core;
  if (!isVirtual8086(state) || ioPrivilege(state.get(L.EFLAGS_REST)) === 3) return false;
  if (size === 4 || (state.cr4 & Cr4.VME) === 0) core.raise(Vector.GP, 0);
  return true;
}

/** A 16-bit image whose IF is VIF's: #GP(0) when it would open interrupts while one is pending, or set TF. Nothing has changed then. */
export function checkVirtualFlags(core: Core, image: number): void {
  const pending = (core.state.get(L.EFLAGS_REST) & Flag.VIP) !== 0;
  if (image & Flag.TF || (pending && image & Flag.IF)) core.raise(Vector.GP, 0);
}

/** Of EFLAGS: both set say that a virtual interrupt is pending and may be taken. */
export const VIRTUAL_PENDING = Flag.VIF | Flag.VIP;

/**
 * #GP(0) before the next instruction: where virtual interrupts are on and IOPL is below 3, one is pending and not held back (Intel SDM vol. 3, 20.3.2, 20.4).
 * IRET of ring 0 and task switches lead there.
 */
export function takesVirtualInterrupt(state: CpuState): boolean {
  const flags = state.get(L.EFLAGS_REST);
  if ((flags & VIRTUAL_PENDING) !== VIRTUAL_PENDING || state.cpl !== 3 || !isProtected(state)) return false;
  return ioPrivilege(flags) < 3 && (state.cr4 & (flags & Flag.VM ? Cr4.VME : Cr4.PVI)) !== 0;
}

/** Writes such an image: VIF gets its IF; IF and IOPL stay. */
export function writeVirtualFlags(core: Core, image: number): void {
  const mask = (ALWAYS_WRITABLE & 0xffff) | Flag.VIF;
  writeFlags(core.state, (image & 0xffff) | (image & Flag.IF ? Flag.VIF : 0), mask);
}

/** The 16-bit image that virtual-8086 code sees of its flags: VIF as IF, and IOPL 3. */
export function virtualImage(state: CpuState): number {
  const flags = state.eflags;
  return (flags & ~Flag.IF) | (flags & Flag.VIF ? Flag.IF : 0) | Flag.IOPL;
}

/** PUSHF, PUSHFD: RF and VM read as 0. */
export const pushf: Helper = (core, op) => {
  const flags = virtualFlags(core, operandBytes(op)) ? virtualImage(core.state) : core.state.eflags;
  const image = flags & ~(Flag.RF | Flag.VM);
  setStackPointer(core.state, pushFrame(core, currentStack(core), operandBytes(op), [image]));
  return Outcome.next;
};

/** POPF, POPFD: flags that the ring may not change keep their value, without a fault. */
export const popf: Helper = (core, op) => {
  const { state } = core;
  const size = operandBytes(op);
  const virtual = virtualFlags(core, size);
  const image = peek(core, 0, size);
  if (virtual) checkVirtualFlags(core, image);
  setStackPointer(state, adjustStack(state, size));
  if (virtual) writeVirtualFlags(core, image);
  else writeFlags(state, image, flagsWritableAt(core, state.cpl, state.eflags, size));
  return jumpToNext(core, op);
};

/** The flag that CLI and STI are about: IF, VIF where virtual interrupts are on (CR4.VME, PVI), or #GP(0). */
function interruptFlag(core: Core): number {
  const { state } = core;
  const flags = state.get(L.EFLAGS_REST);
  if (!isProtected(state) || state.cpl <= ioPrivilege(flags)) return Flag.IF;
  if (state.cpl === 3 && state.cr4 & (flags & Flag.VM ? Cr4.VME : Cr4.PVI)) return Flag.VIF;
  return core.raise(Vector.GP, 0);
}

export const cli: Helper = (core) => {
  const flag = interruptFlag(core);
  const { state } = core;
  state.set(L.EFLAGS_REST, state.get(L.EFLAGS_REST) & ~flag);
  return Outcome.next;
};

/** STI: interrupts are taken after the instruction that follows, if IF was clear. */
export const sti: Helper = (core, op) => {
  const flag = interruptFlag(core);
  const { state } = core;
  const flags = state.get(L.EFLAGS_REST);
  if (flag === Flag.VIF) {
    if (flags & Flag.VIP) core.raise(Vector.GP, 0);
    state.set(L.EFLAGS_REST, flags | Flag.VIF);
  } else if ((flags & Flag.IF) === 0) {
    state.set(L.EFLAGS_REST, flags | Flag.IF);
    state.set(L.SHADOW, L.SHADOW_INTERRUPTS);
  }
  return jumpToNext(core, op);
};
