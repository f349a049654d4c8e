import * as L from "../layout.ts";
import { Mode } from "../modes.ts";
import type { CpuState } from "../state.ts";
import { BUSY, CONTROL_DEFAULT, ES, EXCEPTIONS, SF } from "./flags.ts";
import { type Float80, float80, Kind, kindOf } from "./float80.ts";
import type { Unit } from "./unit.ts";

/** Bits of the control word that can be set (bit 6 is always read as 1; bit 12 is the 80287's infinity control, kept but unused). */
export const CONTROL_WRITABLE = 0x1f3f;
export const CONTROL_FIXED = 0x0040;
const scratch: Float80 = float80();

/** State after RESET (SDM vol. 3, table 9-1): unlike FNINIT, exceptions unmasked, 24-bit precision, registers in use and zero. */
export function resetFpu(state: CpuState): void {
  state.u32.fill(0, L.FPU_REGS >> 2, (L.FPU_LAST_OPCODE >> 2) + 1);
  state.set(L.FPU_CONTROL, CONTROL_FIXED);
}

/** FNINIT: the registers keep their contents but are tagged empty. */
export function initialise(unit: Unit): void {
  const { state } = unit.core;
  state.set(L.FPU_CONTROL, CONTROL_DEFAULT);
  state.set(L.FPU_STATUS, 0);
  state.set(L.FPU_EMPTY, 0xff);
  state.set(L.FPU_LAST_IP, 0);
  state.set(L.FPU_LAST_CS, 0);
  state.set(L.FPU_LAST_DP, 0);
  state.set(L.FPU_LAST_DS, 0);
  state.set(L.FPU_LAST_OPCODE, 0);
}

/** FNCLEX. */
export function clearExceptions(unit: Unit): void {
  unit.status &= ~(EXCEPTIONS | SF | ES | BUSY);
}

function setControl(unit: Unit, value: number): void {
  unit.core.state.set(L.FPU_CONTROL, (value & CONTROL_WRITABLE) | CONTROL_FIXED);
  unit.summarise();
}

/** FLDCW: unmasking an exception already flagged makes it pending. */
export function loadControl(unit: Unit): void {
  unit.memory.read(unit.core, unit.op, 2);
  setControl(unit, unit.memory.words16[0] as number);
}

/** FNSTCW. */
export function storeControl(unit: Unit): void {
  storeWord(unit, unit.control);
}

/** FNSTSW m16. */
export function storeStatus(unit: Unit): void {
  storeWord(unit, unit.status);
}

function storeWord(unit: Unit, value: number): void {
  const linear = unit.memory.prepareWrite(unit.core, unit.op, 2);
  unit.memory.words16[0] = value;
  unit.memory.write(unit.core, linear, 2);
}

/** Full tag word: two bits a physical register, 0 valid, 1 zero, 2 special, 3 empty. */
function tagWord(unit: Unit): number {
  let tags = 0;
  for (let register = 0; register < 8; register++) {
    let tag = 3;
    if ((unit.emptyMask & (1 << register)) === 0) {
      unit.readPhysical(register, scratch);
      const kind = kindOf(scratch);
      tag = kind === Kind.normal ? 0 : kind === Kind.zero ? 1 : 2;
    }
    tags |= tag << (register << 1);
  }
  return tags;
}

function setTags(unit: Unit, tags: number): void {
  let empty = 0;
  for (let register = 0; register < 8; register++)
    if (((tags >>> (register << 1)) & 3) === 3) empty |= 1 << register;
  unit.emptyMask = empty;
}

const environmentBytes = (unit: Unit): 14 | 28 => (unit.op.operandSize === 32 ? 28 : 14);

/** Protected-mode layout (selectors) rather than real-address or virtual-8086 mode (linear addresses). */
function protectedLayout(unit: Unit): boolean {
  return (unit.core.state.get(L.MODE) & (Mode.protected | Mode.vm86)) === Mode.protected;
}

/** Puts the environment into the operand buffer (SDM vol. 1, figures 8-9 to 8-12). */
function packEnvironment(unit: Unit): void {
  const { state } = unit.core;
  const ip = state.get(L.FPU_LAST_IP);
  const cs = state.get(L.FPU_LAST_CS);
  const dp = state.get(L.FPU_LAST_DP);
  const ds = state.get(L.FPU_LAST_DS);
  const opcode = state.get(L.FPU_LAST_OPCODE) & 0x7ff;
  const head = [unit.control, unit.status, tagWord(unit)];
  if (unit.op.operandSize === 32) {
    const words = unit.memory.words32;
    for (let i = 0; i < 3; i++) words[i] = 0xffff0000 | (head[i] as number);
    if (protectedLayout(unit)) {
      words[3] = ip;
      words[4] = (opcode << 16) | cs;
      words[5] = dp;
      words[6] = 0xffff0000 | ds;
    } else {
      const linearIp = (ip + (cs << 4)) >>> 0;
      const linearDp = (dp + (ds << 4)) >>> 0;
      words[3] = 0xffff0000 | linearIp;
      words[4] = ((linearIp >>> 16) << 12) | opcode;
      words[5] = 0xffff0000 | linearDp;
      words[6] = (linearDp >>> 16) << 12;
    }
    return;
  }
  const words = unit.memory.words16;
  for (let i = 0; i < 3; i++) words[i] = head[i] as number;
  if (protectedLayout(unit)) {
    words[3] = ip;
    words[4] = cs;
    words[5] = dp;
    words[6] = ds;
  } else {
    const linearIp = (ip + (cs << 4)) >>> 0;
    const linearDp = (dp + (ds << 4)) >>> 0;
    words[3] = linearIp;
    words[4] = ((linearIp >>> 16) << 12) | opcode;
    words[5] = linearDp;
    words[6] = (linearDp >>> 16) << 12;
  }
}

/** Takes the environment from the operand buffer. */
function unpackEnvironment(unit: Unit): void {
  const { state } = unit.core;
  let ip: number;
  let cs = 0;
  let dp: number;
  let ds = 0;
  let opcode = 0;
  let stride: number;
  const halves = unit.memory.words16;
  if (unit.op.operandSize === 32) {
    const words = unit.memory.words32;
    stride = 2;
    if (protectedLayout(unit)) {
      ip = words[3] as number;
      cs = halves[8] as number;
      opcode = halves[9] as number;
      dp = words[5] as number;
      ds = halves[12] as number;
    } else {
      ip = (halves[6] as number) | (((words[4] as number) & 0x0ffff000) << 4);
      opcode = words[4] as number;
      dp = (halves[10] as number) | (((words[6] as number) & 0x0ffff000) << 4);
    }
  } else {
    stride = 1;
    ip = halves[3] as number;
    dp = halves[5] as number;
    if (protectedLayout(unit)) {
      cs = halves[4] as number;
      ds = halves[6] as number;
    } else {
      ip |= ((halves[4] as number) & 0xf000) << 4;
      opcode = halves[4] as number;
      dp |= ((halves[6] as number) & 0xf000) << 4;
    }
  }
  state.set(L.FPU_LAST_IP, ip);
  state.set(L.FPU_LAST_CS, cs);
  state.set(L.FPU_LAST_DP, dp);
  state.set(L.FPU_LAST_DS, ds);
  state.set(L.FPU_LAST_OPCODE, opcode & 0x7ff);
  unit.status = halves[stride] as number;
  setTags(unit, halves[stride * 2] as number);
  setControl(unit, halves[0] as number);
}

/** FNSTENV: afterwards all exceptions are masked. */
export function storeEnvironment(unit: Unit): void {
  const size = environmentBytes(unit);
  const linear = unit.memory.prepareWrite(unit.core, unit.op, size);
  packEnvironment(unit);
  unit.memory.write(unit.core, linear, size);
  setControl(unit, unit.control | EXCEPTIONS);
}

/** FLDENV. */
export function loadEnvironment(unit: Unit): void {
  unit.memory.read(unit.core, unit.op, environmentBytes(unit));
  unpackEnvironment(unit);
}

/** FNSAVE: environment and the registers in stack order, then FNINIT. */
export function saveState(unit: Unit): void {
  const start = environmentBytes(unit);
  const size = start + 80;
  const linear = unit.memory.prepareWrite(unit.core, unit.op, size);
  packEnvironment(unit);
  const halves = unit.memory.words16;
  for (let i = 0; i < 8; i++) {
    unit.read(i, scratch);
    const at = (start + i * 10) >> 1;
    halves[at] = scratch.lo;
    halves[at + 1] = scratch.lo >>> 16;
    halves[at + 2] = scratch.hi;
    halves[at + 3] = scratch.hi >>> 16;
    halves[at + 4] = scratch.se;
  }
  unit.memory.write(unit.core, linear, size);
  initialise(unit);
}

/** FRSTOR. */
export function restoreState(unit: Unit): void {
  const start = environmentBytes(unit);
  unit.memory.read(unit.core, unit.op, start + 80);
  unpackEnvironment(unit);
  const halves = unit.memory.words16;
  for (let i = 0; i < 8; i++) {
    const at = (start + i * 10) >> 1;
    scratch.lo = (halves[at] as number) | ((halves[at + 1] as number) << 16);
    scratch.hi = (halves[at + 2] as number) | ((halves[at + 3] as number) << 16);
    scratch.se = halves[at + 4] as number;
    unit.writePhysical(unit.physical(i), scratch);
  }
}
