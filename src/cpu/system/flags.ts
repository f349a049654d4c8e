import type { Core, Helper } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import * as L from "../layout.ts";
import type { CpuState } from "../state.ts";
import { ARITHMETIC_FLAGS, Flag } from "../state.ts";
import { isProtected, jumpToNext, operandBytes } from "./operand.ts";
import { adjustStack, currentStack, peek, pushFrame, setStackPointer } from "./stack.ts";

/** What every ring may change with POPF and IRET. VIF and VIP belong to extensions that the CPU does not offer. */
const ALWAYS_WRITABLE = ARITHMETIC_FLAGS | Flag.TF | Flag.DF | Flag.NT | Flag.AC | Flag.ID;

export const ioPrivilege = (flags: number): number => (flags >>> 12) & 3;

/** EFLAGS bits that POPF or IRET of `size` bytes may change at ring `cpl` (IF needs CPL <= IOPL, IOPL needs ring 0). */
export function flagsWritableAt(cpl: number, flags: number, size: 2 | 4): number {
  let mask = ALWAYS_WRITABLE;
  if (cpl <= ioPrivilege(flags)) mask |= Flag.IF;
  if (cpl === 0) mask |= Flag.IOPL;
  return size === 4 ? mask : mask & 0xffff;
}

/** Replaces the flags in `mask`. */
export function writeFlags(state: CpuState, value: number, mask: number): void {
  state.eflags = (state.eflags & ~mask) | (value & mask);
}

/** PUSHF, PUSHFD: RF and VM read as 0. */
export const pushf: Helper = (core, op) => {
  const image = core.state.eflags & ~(Flag.RF | Flag.VM);
  setStackPointer(core.state, pushFrame(core, currentStack(core), operandBytes(op), [image]));
  return Outcome.next;
};

/** POPF, POPFD: flags that the ring may not change keep their value, without a fault. */
export const popf: Helper = (core, op) => {
  const { state } = core;
  const size = operandBytes(op);
  const image = peek(core, 0, size);
  setStackPointer(state, adjustStack(state, size));
  writeFlags(state, image, flagsWritableAt(state.cpl, state.eflags, size));
  return jumpToNext(core, op);
};

function requireIoPrivilege(core: Core): void {
  const { state } = core;
  if (isProtected(state) && state.cpl > ioPrivilege(state.get(L.EFLAGS_REST))) core.raise(Vector.GP, 0);
}

export const cli: Helper = (core) => {
  requireIoPrivilege(core);
  const { state } = core;
  state.set(L.EFLAGS_REST, state.get(L.EFLAGS_REST) & ~Flag.IF);
  return Outcome.next;
};

/** STI: interrupts are taken after the instruction that follows, if IF was clear. */
export const sti: Helper = (core, op) => {
  requireIoPrivilege(core);
  const { state } = core;
  const flags = state.get(L.EFLAGS_REST);
  if ((flags & Flag.IF) === 0) {
    state.set(L.EFLAGS_REST, flags | Flag.IF);
    state.set(L.SHADOW, L.SHADOW_INTERRUPTS);
  }
  return jumpToNext(core, op);
};
