import { Answers } from "./answers.ts";
import { Breakpoints } from "./breakpoints.ts";
import * as Op from "./cold/micro-op.ts";
import type { ExitSignal, GuestFault } from "./core.ts";
import {
  createExitRecord,
  ExitControl,
  type ExitIntercepts,
  type ExitReason,
  type ExitRecord,
  noIntercepts,
} from "./exit.ts";
import * as L from "./layout.ts";
import type { ReadableRegisters } from "./processor.ts";
import type { CpuState } from "./state.ts";

/** How the generated code's last stretch came to an end. */
export const Trouble = {
  none: 0,
  fault: 1,
  exit: 2,
  /** A breakpoint is met: the instruction must be begun anew, alone. */
  alone: 3,
} as const;
export type Trouble = (typeof Trouble)[keyof typeof Trouble];

/**
 * HOT: the books of the burst under way, which all parts of the CPU keep together: exact instruction counts, the operation being worked for,
 * the fault or exit that has ended it.
 */
export class Burst {
  readonly exitRecord: ExitRecord = createExitRecord();
  readonly fault: GuestFault = { kind: "guest-fault", vector: 0, errorCode: -1, address: 0 };
  readonly exitSignal: ExitSignal = { kind: "exit-signal" };
  readonly answers = new Answers();
  readonly intercepts: ExitIntercepts = noIntercepts();
  windowRequested = false;
  /** Asked before a load leaves that reached no memory. */
  registers: ReadableRegisters | undefined;
  trouble: Trouble = Trouble.none;
  /** Retired count at the moment that an interrupt shadow (STI, MOV SS) began. */
  shadowAt = -1;
  /** Micro-op being worked for by a slow path, 0 in event delivery. */
  currentOp = 0;
  readonly breakpoints: Breakpoints;
  /** One instruction is run by itself, so that breakpoints on data can trap right after it. */
  alone = false;
  /** EFLAGS.RF was set when it was begun: it meets no breakpoints on instructions. */
  resuming = false;
  /** The instruction just done holds the single-step trap off. */
  stepHeldOff = false;
  /** A repeated string instruction has done an iteration. */
  iterated = false;
  /** Retired count at the last such iteration: until it moves, that instruction is in the middle. */
  iteratedAt = -1;
  /** Events delivered since an instruction retired or a repeated one got on, and the retired count at the first of them. */
  deliveryCount = 0;
  deliveredAt = -1;
  /** The access that the monitor is asked to answer. */
  lastIo = { address: 0, kind: 0 };

  /** Breakpoints met before the running instruction began, whose trap MOV SS or POP SS holds off: they stay should it be abandoned. */
  delayed = 0;

  private readonly state: CpuState;
  private readonly i32: Int32Array;
  /** Instructions retired before this burst, and the burst's budget. */
  private retiredBase = 0;
  private length = 0;

  constructor(state: CpuState) {
    this.state = state;
    this.i32 = state.i32;
    this.breakpoints = new Breakpoints(state);
  }

  /** Breakpoints met whose trap has not been delivered (B0 to B3). */
  get hits(): number {
    return this.i32[L.DEBUG_HITS >> 2] as number;
  }
  set hits(bits: number) {
    this.i32[L.DEBUG_HITS >> 2] = bits;
  }

  /** Right after MOV SS or POP SS. */
  get debugHeldOff(): boolean {
    return this.i32[L.DEBUG_SHADOW >> 2] !== 0 && this.shadowAt === this.retired;
  }

  /** An access that is done for the running instruction or for the delivery of an event. */
  touch(linear: number, size: number, write: boolean): void {
    const met = this.breakpoints.onData(linear, size, write);
    if (met !== 0) this.hits |= met;
  }

  /** Bit set of ExitControl in force. */
  get controls(): number {
    return this.i32[L.CONTROLS >> 2] as number;
  }
  set controls(bits: number) {
    const changed = this.controls ^ bits;
    this.i32[L.CONTROLS >> 2] = bits;
    // Code is decoded otherwise.
    if (changed & ExitControl.pause) this.state.updateMode();
  }

  get retired(): number {
    return this.retiredBase + this.length - (this.i32[L.BUDGET >> 2] as number);
  }
  set retired(count: number) {
    this.retiredBase = count;
    this.length = 0;
    this.i32[L.BUDGET >> 2] = 0;
  }

  /** Instructions that may still retire. */
  get left(): number {
    return this.i32[L.BUDGET >> 2] as number;
  }

  /** Of a repeated instruction that has not finished. */
  get inRepetition(): boolean {
    return this.iteratedAt === this.retired;
  }

  /** Instructions retired before the running one. */
  retiredBefore(): number {
    if (this.currentOp === 0) return this.retired;
    return this.retired - this.remaining(this.currentOp);
  }

  begin(budget: number): void {
    this.retiredBase = this.retired;
    this.length = budget;
    this.i32[L.BUDGET >> 2] = budget;
    this.answers.restart();
    this.exitRecord.vectoring = -1;
    this.trouble = Trouble.none;
    this.currentOp = 0;
    this.alone = false;
    this.resuming = false;
    this.delayed = this.hits;
  }

  end(): ExitRecord {
    this.currentOp = 0;
    this.settle();
    this.exitRecord.eip = this.state.eip;
    return this.exitRecord;
  }

  endWith(reason: ExitReason): ExitRecord {
    this.exitRecord.reason = reason;
    this.exitRecord.length = 0;
    return this.end();
  }

  /** The count is kept, what is left of the budget dropped. */
  settle(): void {
    const { retired } = this;
    this.retired = retired;
  }

  /** Keeps part of the budget from generated code, which would otherwise go on with the next block. */
  holdBack(instructions: number): void {
    this.length -= instructions;
    this.i32[L.BUDGET >> 2] = (this.i32[L.BUDGET >> 2] as number) - instructions;
  }

  giveBack(instructions: number): void {
    this.i32[L.BUDGET >> 2] = (this.i32[L.BUDGET >> 2] as number) + instructions;
  }

  /** Instructions of the block of `op` from it on. */
  remaining(op: number): number {
    return this.state.u16[(op + Op.OP_REMAINING) >> 1] as number;
  }

  /** By STI or MOV SS, by a task switch that is not complete, or because a device has been accessed already for an instruction that has not finished. */
  get interruptsHeldOff(): boolean {
    const { retired } = this;
    return this.shadowAt === retired || this.i32[L.TASK >> 2] !== 0 || this.answers.outstanding(retired);
  }

  /** Notes what was thrown; errors that are no fault or exit of the guest go on. */
  note(thrown: unknown): void {
    if (thrown === this.fault) this.trouble = Trouble.fault;
    else if (thrown === this.exitSignal) this.trouble = Trouble.exit;
    else throw thrown;
  }

  /** The instruction of `op` is left as if it had not begun. */
  abandon(op: number, thrown: unknown): void {
    this.note(thrown);
    this.undo(op);
  }

  /** The instruction of `op` has met a breakpoint and others come behind it: it will be begun anew, by itself. */
  beginAlone(op: number): void {
    this.trouble = Trouble.alone;
    this.undo(op);
    this.answers.restart();
  }

  private undo(op: number): void {
    this.hits = this.delayed;
    this.state.eip = this.state.get(L.PC_PAGE) + (this.state.u16[(op + Op.OP_PAGE_OFFSET) >> 1] as number);
    this.exitRecord.length = this.state.u8[op + Op.OP_LENGTH] as number;
    this.giveBack(this.remaining(op));
    this.currentOp = 0;
    this.i32[L.FAULT >> 2] = 1;
  }
}
