import type { Core, HelperOp } from "../core.ts";
import * as L from "../layout.ts";
import type { CpuState } from "../state.ts";
import { BUSY, C1, CONDITION, DE, ES, EXCEPTIONS, IE, OE, PE, SF, TOP, TOP_SHIFT, UE, ZE } from "./flags.ts";
import { type Float80, float80 } from "./float80.ts";
import { OperandMemory } from "./memory.ts";
import { Environment } from "./rounding.ts";

const STATUS = L.FPU_STATUS >> 2;
const CONTROL = L.FPU_CONTROL >> 2;
const EMPTY = L.FPU_EMPTY >> 2;
const REGS = L.FPU_REGS >> 2;

/**
 * The x87 unit while it executes one instruction: the register stack in the CPU's register file, the control word unpacked,
 * and scratch values. It keeps nothing from one instruction to the next, so one instance serves every CPU.
 */
export class Unit {
  core!: Core;
  op!: HelperOp;
  private state!: CpuState;
  private words!: Int32Array;
  readonly env = new Environment();
  readonly memory = new OperandMemory();
  readonly a: Float80 = float80();
  readonly b: Float80 = float80();
  readonly result: Float80 = float80();
  readonly second: Float80 = float80();

  begin(core: Core, op: HelperOp): void {
    this.core = core;
    this.op = op;
    this.state = core.state;
    this.words = core.state.i32;
    this.env.begin(this.control);
  }

  get control(): number {
    return this.words[CONTROL] as number;
  }
  get status(): number {
    return this.words[STATUS] as number;
  }
  set status(value: number) {
    this.words[STATUS] = value;
  }
  /** One bit a physical register, 1 = empty. */
  get emptyMask(): number {
    return this.words[EMPTY] as number;
  }
  set emptyMask(value: number) {
    this.words[EMPTY] = value;
  }
  get top(): number {
    return ((this.words[STATUS] as number) >>> TOP_SHIFT) & 7;
  }
  set top(value: number) {
    this.status = (this.status & ~TOP) | ((value & 7) << TOP_SHIFT);
  }
  get eflags(): number {
    return this.state.eflags;
  }
  set eflags(value: number) {
    this.state.eflags = value;
  }

  /** Physical number of ST(i). */
  physical(i: number): number {
    return (this.top + i) & 7;
  }
  isEmpty(i: number): boolean {
    return (this.emptyMask & (1 << this.physical(i))) !== 0;
  }
  read(i: number, into: Float80): void {
    this.readPhysical(this.physical(i), into);
  }
  readPhysical(register: number, into: Float80): void {
    const at = REGS + (register << 2);
    into.lo = this.words[at] as number;
    into.hi = this.words[at + 1] as number;
    into.se = (this.words[at + 2] as number) & 0xffff;
  }
  /** Writes ST(i) and marks it in use. */
  write(i: number, value: Float80): void {
    const register = this.physical(i);
    this.writePhysical(register, value);
    this.emptyMask &= ~(1 << register);
  }
  writePhysical(register: number, value: Float80): void {
    const at = REGS + (register << 2);
    this.words[at] = value.lo;
    this.words[at + 1] = value.hi;
    this.words[at + 2] = value.se;
  }
  push(value: Float80): void {
    this.top = this.top - 1;
    this.write(0, value);
  }
  pop(): void {
    this.free(0);
    this.top = this.top + 1;
  }
  free(i: number): void {
    this.emptyMask |= 1 << this.physical(i);
  }

  /** Stack underflow: an operand register is empty. */
  underflow(): void {
    this.env.flags = IE | SF;
  }
  /** Stack overflow: the register to push into is in use. */
  overflow(): void {
    this.env.flags = IE | SF | C1;
  }

  /**
   * Settles which of the operation's exceptions count (SDM vol. 1, 8.5: invalid and zero-divide exclude the others; an
   * unmasked denormal operand stops the operation) and says whether the result goes to its destination. With a destination
   * in memory an unmasked overflow or underflow stores nothing and reports no inexactness.
   */
  judge(destination: "register" | "memory"): boolean {
    const env = this.env;
    let flags = env.flags;
    if (flags === 0) return true;
    const unmasked = flags & ~env.masks & EXCEPTIONS;
    let go = true;
    if (flags & IE) {
      flags &= flags & SF ? IE | SF | C1 : IE;
      go = (unmasked & IE) === 0;
    } else if (flags & ZE) {
      flags = ZE;
      go = (unmasked & ZE) === 0;
    } else if (unmasked & DE) {
      flags = DE;
      go = false;
    } else if (destination === "memory" && unmasked & (OE | UE)) {
      flags &= ~(PE | C1);
      go = false;
    }
    env.flags = flags;
    return go;
  }

  /** Merges the judged exceptions into the status word; C1 becomes what the operation set. */
  commit(): void {
    const flags = this.env.flags;
    let status = (this.status & ~C1) | flags;
    if (flags & ~this.env.masks & EXCEPTIONS) status |= ES | BUSY;
    this.status = status;
  }

  /** For a destination in the register stack: judges, commits, and says whether to write the result. */
  settle(): boolean {
    const go = this.judge("register");
    this.commit();
    return go;
  }

  setCondition(bits: number): void {
    this.status = (this.status & ~CONDITION) | (bits & CONDITION);
  }

  /** Recomputes ES and B after the control word or the exception flags were loaded. */
  summarise(): void {
    const status = this.status & ~(ES | BUSY);
    this.status = status & ~this.control & EXCEPTIONS ? status | ES | BUSY : status;
  }
}
