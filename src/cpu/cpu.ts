import type { Gpa, Gva } from "../mmu/address.ts";
import { HardwareWalker } from "../mmu/hardware-walker.ts";
import type { MachineMemory } from "../mmu/machine-memory.ts";
import { GUEST_PAGE_FAULT, type HardwarePaging } from "../mmu/pager.ts";
import { Answers } from "./answers.ts";
import { BlockDecoder } from "./block-decoder.ts";
import { HandlerTable } from "./cold/handlers.ts";
import * as Op from "./cold/micro-op.ts";
import {
  type Core,
  type CpuIdentity,
  type ExitSignal,
  type GuestFault,
  type Helper,
  type HelperOp,
  Outcome,
  Vector,
} from "./core.ts";
import { createExitRecord, ExitControl, ExitReason, type ExitRecord } from "./exit.ts";
import { HelperOpView } from "./helper-op.ts";
import { HelperRegistry } from "./helpers.ts";
import { OPCODE_LINES } from "./instructions/table.ts";
import * as L from "./layout.ts";
import { type AccessMonitor, CpuMemory, REFUSED, UNBACKED } from "./linear-memory.ts";
import type { InjectedEvent, Processor } from "./processor.ts";
import { CpuState, Flag } from "./state.ts";
import { type CpuModel, cpuIdentity, deliverEvent, linearAddress, raiseAndDeliver } from "./system/index.ts";
import { enterTask, TaskPending } from "./system/task-entry.ts";
import { Tlb } from "./tlb.ts";

/** How the generated code's last stretch came to an end. */
const Trouble = { none: 0, fault: 1, exit: 2 } as const;
type Trouble = (typeof Trouble)[keyof typeof Trouble];

const PERFORMED =
  ExitControl.cr0 |
  ExitControl.cr3 |
  ExitControl.cr4 |
  ExitControl.invlpg |
  ExitControl.cpuid |
  ExitControl.msr;
/** Turns of the dispatcher without a retired instruction after which a burst ends. */
const MOST_IDLE_TURNS = 4096;
const DEBUG_TRAP: InjectedEvent = { kind: "exception", vector: Vector.DB };
/** Spaces of answered accesses. */
const SPACE_LINEAR = 0;
const SPACE_PHYSICAL = 1;
const SPACE_PORT = 2;
const answerKind = (space: number, access: number, size: number): number =>
  (space << 8) | (access << 4) | size;

/**
 * The physical CPU: runs guest code from decoded micro-operations, with system instructions in TypeScript. One per
 * machine memory, because the register file lies at a fixed place there; guests take turns by saveState and loadState.
 */
export class Cpu implements Processor, Core, AccessMonitor {
  readonly state: CpuState;
  readonly memory: CpuMemory;
  readonly exitRecord: ExitRecord = createExitRecord();
  readonly cpuid: CpuIdentity;
  readonly tlb: Tlb;
  readonly walker: HardwareWalker;
  readonly blocks: BlockDecoder;
  controls = 0;
  windowRequested = false;
  pending: InjectedEvent | undefined;
  answerRead = 0;
  timestampSource: (retired: number) => bigint = (retired) => BigInt(retired);

  private readonly u32: Uint32Array;
  private readonly i32: Int32Array;
  private readonly f64: Float64Array;
  private readonly i64: BigInt64Array;
  private readonly fault: GuestFault = { kind: "guest-fault", vector: 0, errorCode: -1, address: 0 };
  private readonly exitSignal: ExitSignal = { kind: "exit-signal" };
  private readonly answers = new Answers();
  private readonly helperOp: HelperOpView;
  private readonly handlers: HandlerTable;
  private readonly helperTable: readonly Helper[];
  private trouble: Trouble = Trouble.none;
  /** Instructions retired before this burst, and the burst's budget. */
  private retiredBase = 0;
  private burst = 0;
  /** Retired count at the moment that an interrupt shadow (STI, MOV SS) began. */
  private shadowAt = -1;
  /** Micro-op being worked for by a slow path, 0 in event delivery. */
  private currentOp = 0;
  private tscOffset = 0n;
  /** The instruction just done holds the single-step trap off. */
  private stepHeldOff = false;
  /** A repeated string instruction has done an iteration. */
  private iterated = false;
  /** In `perform`. */
  private performing = false;
  /** Events delivered since an instruction retired, and the retired count at the first of them. */
  private deliveryCount = 0;
  private deliveredAt = -1;
  private lastIo = { address: 0, kind: 0 };

  /** Throws RangeError when there is no model of that name. */
  constructor(machine: MachineMemory, model: CpuModel = "p6") {
    this.cpuid = cpuIdentity(model);
    this.state = new CpuState(machine.memory);
    this.u32 = this.state.u32;
    this.i32 = this.state.i32;
    this.f64 = new Float64Array(this.state.u8.buffer, 0, L.STATE_SIZE >> 3);
    this.i64 = new BigInt64Array(this.state.u8.buffer, 0, L.STATE_SIZE >> 3);
    this.tlb = new Tlb(this.u32);
    this.walker = new HardwareWalker(machine, this.cpuid.features);
    this.memory = new CpuMemory(this.state, this.tlb, this.walker, this);
    this.helperOp = new HelperOpView(this.state);
    const helpers = new HelperRegistry(OPCODE_LINES);
    this.helperTable = helpers.table;
    this.handlers = new HandlerTable(OPCODE_LINES, machine.memory, this);
    this.blocks = new BlockDecoder(
      this.state,
      machine.frames,
      this.handlers,
      helpers,
      this.tlb,
      this.cpuid.features,
    );
    this.memory.attach(this.blocks.cache);
    // A and D bits that the walker sets in a page that holds code as well.
    this.walker.onWrite = (hpa, sizeBytes) => this.blocks.memoryWritten(hpa, sizeBytes);
    this.reset();
  }

  // ---- Processor ------------------------------------------------------------------------------------------------

  get features(): number {
    return this.cpuid.features;
  }

  get retired(): number {
    return this.retiredBase + this.burst - (this.i32[L.BUDGET >> 2] as number);
  }
  set retired(count: number) {
    this.retiredBase = count;
    this.burst = 0;
    this.i32[L.BUDGET >> 2] = 0;
  }

  get interruptible(): boolean {
    return ((this.u32[L.EFLAGS_REST >> 2] as number) & Flag.IF) !== 0 && !this.interruptsHeldOff;
  }

  get nmiReady(): boolean {
    return this.u32[L.NMI_BLOCKED >> 2] === 0 && !this.interruptsHeldOff;
  }

  /** By STI or MOV SS, or because a device has been accessed already for an instruction that has not finished. */
  private get interruptsHeldOff(): boolean {
    const { retired } = this;
    return this.shadowAt === retired || this.answers.outstanding(retired);
  }

  get deliveries(): number {
    return this.deliveredAt === this.retired ? this.deliveryCount : 0;
  }

  run(budget: number): ExitRecord {
    if (!(budget >= 1 && budget <= 0x40000000))
      throw new RangeError(`a burst is 1 to 2^30 instructions, not ${budget}`);
    const exit = this.exitRecord;
    this.retiredBase = this.retired;
    this.burst = budget;
    this.i32[L.BUDGET >> 2] = budget;
    this.answers.restart();
    exit.vectoring = -1;
    this.trouble = Trouble.none;
    this.currentOp = 0;
    // What is pending is for the new task, should a switch not be complete.
    if (this.u32[L.TASK >> 2] !== 0 && !this.enterPendingTask()) return this.finish();
    if (this.pending !== undefined && !this.deliverPending()) return this.finish();
    let leftBefore = -1;
    let idleTurns = 0;
    for (;;) {
      if (this.u32[L.TASK >> 2] !== 0 && !this.enterPendingTask()) return this.finish();
      const left = this.i32[L.BUDGET >> 2] as number;
      if (left <= 0) return this.finishWith(ExitReason.budget);
      if (left !== leftBefore) {
        leftBefore = left;
        idleTurns = 0;
      } else if (++idleTurns > MOST_IDLE_TURNS) return this.finishWith(ExitReason.budget);
      let limit = left;
      const rest = this.u32[L.EFLAGS_REST >> 2] as number;
      if (this.windowRequested && (rest & Flag.IF) !== 0) {
        if (!this.interruptsHeldOff) return this.finishWith(ExitReason.interruptWindow);
        limit = 1;
      }
      const stepping = (rest & Flag.TF) !== 0;
      if (stepping) {
        limit = 1;
        this.stepHeldOff = false;
        this.iterated = false;
      }
      this.i32[L.FAULT >> 2] = 0;
      exit.vectoring = -1;
      const heldBack = left - limit;
      if (heldBack > 0) this.holdBack(heldBack);
      const block = this.blockForBurst(limit);
      if (block !== 0) this.handlers.start(block);
      if (heldBack > 0) this.holdBack(-heldBack);
      if (this.trouble !== Trouble.none) {
        if (this.trouble === Trouble.exit) {
          // The trap after HLT wakes the processor at once.
          const trapped = stepping && exit.reason === ExitReason.hlt;
          if (!trapped || !this.deliverStep(left)) return this.finish();
          this.trouble = Trouble.none;
          continue;
        }
        this.trouble = Trouble.none;
        if (!this.deliverFault()) return this.finish();
      } else if (stepping && block !== 0 && !this.deliverStep(left)) return this.finish();
    }
  }

  answer(value: number): void {
    this.answers.add(this.retired, this.lastIo.address, this.lastIo.kind, value);
  }

  perform(): void {
    const { controls, windowRequested } = this;
    this.controls = controls & ~PERFORMED;
    this.windowRequested = false;
    this.performing = true;
    try {
      this.run(1);
    } finally {
      this.performing = false;
      this.controls = controls;
      this.windowRequested = windowRequested;
    }
  }

  skip(): void {
    this.state.eip = this.state.eip + this.exitRecord.length;
    this.retiredBase++;
  }

  inject(event: InjectedEvent): void {
    // They are for the instruction that the event interrupts, which will be begun anew after its handler.
    this.answers.clear();
    this.pending = event;
  }

  setHardwarePaging(paging: HardwarePaging): void {
    this.walker.set(paging);
    this.tlb.flushAll();
  }

  flushTlb(): void {
    this.tlb.flush();
  }
  flushTlbPage(gva: Gva): void {
    this.tlb.flushPage(gva);
  }

  memoryWritten(hpa: number, sizeBytes: number): void {
    this.blocks.memoryWritten(hpa, sizeBytes);
  }

  saveState(into: Uint8Array): void {
    this.retiredBase = this.retired;
    this.burst = 0;
    this.i32[L.BUDGET >> 2] = 0;
    const { f64 } = this;
    f64[L.RETIRED >> 3] = this.retiredBase;
    f64[L.SHADOW_AT >> 3] = this.shadowAt;
    f64[L.DELIVERED_AT >> 3] = this.deliveredAt;
    this.state.set(L.DELIVERIES, this.deliveryCount);
    this.i64[L.TSC_OFFSET >> 3] = BigInt.asIntN(64, this.tscOffset);
    this.answers.save(f64, this.u32, L.ANSWERS >> 2);
    const event = this.pending;
    const kind = event === undefined ? 0 : event.kind === "external" ? 1 : event.kind === "nmi" ? 3 : 2;
    this.state.set(
      L.PENDING,
      kind | (event?.errorCode !== undefined ? 16 : 0) | (event?.cr2 !== undefined ? 32 : 0),
    );
    this.state.set(L.PENDING + 4, event?.vector ?? 0);
    this.state.set(L.PENDING + 8, event?.errorCode ?? 0);
    this.state.set(L.PENDING + 12, event?.cr2 ?? 0);
    into.set(this.state.u8.subarray(0, L.STATE_SIZE));
  }

  loadState(from: Uint8Array): void {
    this.state.u8.set(from.subarray(0, L.STATE_SIZE));
    const { f64 } = this;
    this.retired = f64[L.RETIRED >> 3] as number;
    this.shadowAt = f64[L.SHADOW_AT >> 3] as number;
    this.deliveredAt = f64[L.DELIVERED_AT >> 3] as number;
    this.deliveryCount = this.state.get(L.DELIVERIES);
    this.tscOffset = this.i64[L.TSC_OFFSET >> 3] as bigint;
    this.answers.load(f64, this.u32, L.ANSWERS >> 2);
    const bits = this.state.get(L.PENDING);
    this.pending =
      bits === 0
        ? undefined
        : {
            kind: (bits & 3) === 1 ? "external" : (bits & 3) === 3 ? "nmi" : "exception",
            vector: this.state.get(L.PENDING + 4),
            ...(bits & 16 ? { errorCode: this.state.get(L.PENDING + 8) } : {}),
            ...(bits & 32 ? { cr2: this.state.get(L.PENDING + 12) } : {}),
          };
    this.tlb.flushAll();
  }

  reset(): void {
    const s = this.state;
    s.u8.fill(0, 0, L.STATE_SIZE);
    for (let index = 0; index < 8; index++)
      s.setSegment(index, 0, 0, 0xffff, index < 6 ? 0x93 : index === 6 ? 0x82 : 0x8b);
    s.setSegment(1, 0xf000, 0xffff0000, 0xffff, 0x9b);
    // In real mode code is written through CS as freely as it is run from there.
    s.set(L.SEG_CS + L.SEG_PERM, 7);
    s.set(L.CR0, 0x60000010);
    s.eflags = 2;
    s.eip = 0xfff0;
    s.setReg(2, 0x680);
    s.set(L.IDTR_LIMIT, 0xffff);
    s.set(L.GDTR_LIMIT, 0xffff);
    s.set(L.DR6, 0xffff0ff0);
    s.set(L.DR7, 0x400);
    s.set(L.FPU_CONTROL, 0x40);
    s.set(L.FPU_EMPTY, 0);
    s.updateMode();
    this.retired = 0;
    this.shadowAt = -1;
    this.pending = undefined;
    this.answers.clear();
    this.tscOffset = 0n;
    this.deliveryCount = 0;
    this.deliveredAt = -1;
    this.tlb.flushAll();
  }

  // ---- Core: what system helpers use ----------------------------------------------------------------------------

  raise(vector: number, errorCode = -1): never {
    this.fault.vector = vector;
    this.fault.errorCode = errorCode;
    throw this.fault;
  }

  beginExit(reason: ExitReason, op: HelperOp): ExitRecord {
    const exit = this.exitRecord;
    exit.reason = reason;
    exit.eip = this.state.eip;
    exit.length = op.length;
    return exit;
  }

  leave(): never {
    throw this.exitSignal;
  }

  retiredBefore(): number {
    if (this.currentOp === 0) return this.retired;
    return this.retired - this.remaining(this.currentOp);
  }

  timestamp(): readonly [number, number] {
    const tsc = BigInt.asUintN(64, this.timestampSource(this.retiredBefore()) + this.tscOffset);
    return [Number(tsc & 0xffffffffn), Number(tsc >> 32n)];
  }

  setTimestamp(low: number, high: number): void {
    this.tscOffset =
      ((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)) - this.timestampSource(this.retiredBefore());
  }

  flushTlbAll(): void {
    this.tlb.flushAll();
  }
  invalidatePage(linear: number): void {
    this.tlb.flushPage(linear);
  }
  pagingChanged(): void {
    this.tlb.flush();
  }
  latchPdptes(cr3: number): boolean {
    return this.walker.latchPdptes(cr3);
  }

  portAccess(op: HelperOp, port: number, sizeBytes: number, write: boolean, value: number): boolean {
    const kind = answerKind(SPACE_PORT, write ? 1 : 0, sizeBytes);
    const index = this.answers.take(this.retiredBefore(), port, kind);
    if (index >= 0) {
      this.answerRead = this.answers.value(index);
      return true;
    }
    const exit = this.beginExit(ExitReason.io, op);
    exit.port = port;
    exit.size = sizeBytes;
    exit.access = write ? 1 : 0;
    exit.write = write;
    exit.value = value >>> 0;
    this.lastIo.address = port;
    this.lastIo.kind = kind;
    return false;
  }

  iterationDone(): void {
    this.answers.clear();
    this.deliveredAt = -1;
    this.iterated = true;
  }

  // ---- AccessMonitor: accesses that reached no memory -------------------------------------------------------------

  refused(linear: number, errorCode: number, access: number, size: number, value: number): number {
    const kind = answerKind(SPACE_LINEAR, access, size);
    const index = this.answers.take(this.retiredBefore(), linear, kind);
    if (index >= 0) return index;
    throw this.refusal(linear, errorCode, access, size, value);
  }

  /** Notes a refused access that no answer is for: as the guest's page fault, or as an exit. What to throw. */
  private refusal(
    linear: number,
    errorCode: number,
    access: number,
    size: number,
    value: number,
  ): GuestFault | ExitSignal {
    if ((this.controls & ExitControl.pageFault) === 0) {
      this.fault.vector = Vector.PF;
      this.fault.errorCode = errorCode & GUEST_PAGE_FAULT;
      this.fault.address = linear;
      return this.fault;
    }
    this.accessExit(ExitReason.pageFault, access, size, value);
    this.exitRecord.gva = linear as Gva;
    this.exitRecord.errorCode = errorCode;
    this.exitRecord.begun = this.answers.outstandingIn(SPACE_LINEAR, this.retiredBefore());
    this.lastIo.address = linear;
    this.lastIo.kind = answerKind(SPACE_LINEAR, access, size);
    return this.exitSignal;
  }

  unbacked(linear: number, gpa: number, access: number, size: number, value: number): number {
    const kind = answerKind(SPACE_PHYSICAL, access, size);
    const index = this.answers.take(this.retiredBefore(), gpa, kind);
    if (index >= 0) return index;
    this.accessExit(ExitReason.mmio, access, size, value);
    this.exitRecord.gva = linear as Gva;
    this.exitRecord.gpa = gpa as Gpa;
    this.lastIo.address = gpa;
    this.lastIo.kind = kind;
    throw this.exitSignal;
  }

  answerValue(index: number): number {
    return this.answers.value(index);
  }

  private accessExit(reason: ExitReason, access: number, size: number, value: number): void {
    const exit = this.exitRecord;
    exit.reason = reason;
    exit.length = 0;
    exit.access = access as ExitRecord["access"];
    exit.write = access === 1;
    exit.size = size;
    exit.value = value >>> 0;
  }

  // ---- what generated code calls ----------------------------------------------------------------------------------

  // The common cases, a TLB miss and a page fault, are served without throwing: that costs a microsecond.

  slowLoad(linear: number, bytesAndIntent: number, op: number): number {
    this.currentOp = op;
    const at = linear >>> 0;
    const size = bytesAndIntent & 0xff;
    const forWrite = (bytesAndIntent & 0x100) !== 0;
    const user = this.u32[L.TLB_PRIV >> 2] !== 0;
    if ((at & 0xfff) + size <= 4096 && this.answers.isEmpty) {
      const host = this.memory.resolve(at, forWrite ? 1 : 0, user);
      if (host >= 0) return this.memory.get(host, size);
      if (host === REFUSED) {
        this.abandon(op, this.refusal(at, this.walker.errorCode, 0, size, 0));
        return 0;
      }
    }
    try {
      return this.memory.load(at, size, forWrite, user);
    } catch (thrown) {
      this.abandon(op, thrown);
      return 0;
    }
  }

  slowStore(linear: number, value: number, bytes: number, op: number): void {
    this.currentOp = op;
    const at = linear >>> 0;
    const user = this.u32[L.TLB_PRIV >> 2] !== 0;
    if ((at & 0xfff) + bytes <= 4096 && this.answers.isEmpty) {
      const host = this.memory.resolve(at, 1, user);
      if (host >= 0) {
        this.memory.put(host, value, bytes);
        return;
      }
      if (host === REFUSED) {
        this.abandon(op, this.refusal(at, this.walker.errorCode, 1, bytes, value));
        return;
      }
    }
    try {
      this.memory.store(at, value, bytes, user);
    } catch (thrown) {
      this.abandon(op, thrown);
    }
  }

  segmentFault(op: number, segment: number, offset: number, bytes: number, permission: number): void {
    this.currentOp = op;
    try {
      linearAddress(this, (segment - L.SEG) >> 5, offset, bytes, permission & 2 ? 2 : 1);
      // The read half of a read-write access is refused although the write half is not.
      linearAddress(this, (segment - L.SEG) >> 5, offset, bytes, permission & 1 ? 1 : 2);
    } catch (thrown) {
      this.abandon(op, thrown);
    }
  }

  raiseFromCode(op: number, vector: number): void {
    this.fault.vector = vector;
    this.fault.errorCode = -1;
    this.abandon(op, this.fault);
  }

  lookup(): number {
    return this.guardedBlock();
  }

  link(op: number, taken: number): number {
    const target = taken
      ? (this.i32[(op + Op.OP_IMM) >> 2] as number)
      : (this.state.u16[(op + Op.OP_PAGE_OFFSET) >> 1] as number) +
        (this.state.u8[op + Op.OP_LENGTH] as number);
    this.state.eip = this.state.get(L.PC_PAGE) + target;
    const generation = this.blocks.cache.generation;
    const block = this.guardedBlock();
    if (block !== 0 && generation === this.blocks.cache.generation) this.blocks.link(op, taken !== 0, block);
    return block;
  }

  helper(op: number): number {
    const state = this.state;
    state.eip = (this.u32[L.PC_PAGE >> 2] as number) + (state.u16[(op + Op.OP_PAGE_OFFSET) >> 1] as number);
    this.currentOp = op;
    this.helperOp.moveTo(op);
    this.exitRecord.vectoring = -1;
    const helper = this.helperTable[this.u32[(op + Op.OP_LINK) >> 2] as number] as Helper;
    let outcome: Outcome;
    try {
      outcome = helper(this, this.helperOp);
    } catch (thrown) {
      this.abandon(op, thrown);
      return 2;
    }
    switch (outcome) {
      case Outcome.next:
      case Outcome.jump:
        return this.retire(op, outcome);
      case Outcome.again:
        this.giveBack(this.remaining(op));
        return 2;
      case Outcome.exit:
        this.giveBack(this.remaining(op));
        this.trouble = Trouble.exit;
        return 2;
      case Outcome.retireAndExit:
        this.giveBack(this.remaining(op) - 1);
        this.trouble = Trouble.exit;
        return 2;
    }
  }

  cross(op: number): number {
    const pageBase = this.state.get(L.PC_PAGE);
    const second = (pageBase + 4096 + this.state.segBase(1)) >>> 0;
    const host = this.memory.resolve(second, 2, this.u32[L.TLB_PRIV >> 2] !== 0);
    if (host >= 0 && host - L.PHYS_BASE === this.u32[(op + Op.OP_DISP) >> 2]) return 0;
    this.giveBack(1);
    this.state.eip = pageBase + (this.state.u16[(op + Op.OP_PAGE_OFFSET) >> 1] as number);
    this.blocks.dropCrossing(op);
    return 2;
  }

  // ---- inner ------------------------------------------------------------------------------------------------------

  private remaining(op: number): number {
    return this.state.u16[(op + Op.OP_REMAINING) >> 1] as number;
  }

  /** Keeps part of the budget from generated code, which would otherwise go on with the next block. */
  private holdBack(instructions: number): void {
    this.burst -= instructions;
    this.i32[L.BUDGET >> 2] = (this.i32[L.BUDGET >> 2] as number) - instructions;
  }

  private giveBack(instructions: number): void {
    this.i32[L.BUDGET >> 2] = (this.i32[L.BUDGET >> 2] as number) + instructions;
  }

  /** The instruction of `op` is left as if it had not begun. */
  private abandon(op: number, thrown: unknown): void {
    if (thrown === this.fault) this.trouble = Trouble.fault;
    else if (thrown === this.exitSignal) this.trouble = Trouble.exit;
    else throw thrown;
    this.state.eip = this.state.get(L.PC_PAGE) + (this.state.u16[(op + Op.OP_PAGE_OFFSET) >> 1] as number);
    this.exitRecord.length = this.state.u8[op + Op.OP_LENGTH] as number;
    this.giveBack(this.remaining(op));
    this.currentOp = 0;
    this.i32[L.FAULT >> 2] = 1;
  }

  /** Bookkeeping after a helper's instruction; decides whether generated code may go on. */
  private retire(op: number, outcome: Outcome): number {
    const state = this.state;
    const shadow = this.u32[L.SHADOW >> 2] as number;
    const flags = this.u32[L.EFLAGS_REST >> 2] as number;
    this.currentOp = 0;
    const wanted = this.windowRequested && (flags & Flag.IF) !== 0;
    if (shadow === 0 && !wanted && (flags & Flag.TF) === 0) return outcome;
    const rest = this.remaining(op) - 1;
    if (shadow !== 0) {
      this.u32[L.SHADOW >> 2] = 0;
      if (shadow & L.SHADOW_INTERRUPTS) this.shadowAt = this.retired - rest;
      if (shadow & L.SHADOW_STEP) this.stepHeldOff = true;
      // What switches tasks has set EIP itself.
      if (shadow & L.SHADOW_TASK) {
        this.giveBack(rest);
        return 2;
      }
    }
    if (!wanted && (flags & Flag.TF) === 0) return outcome;
    if (outcome === Outcome.next) state.eip = state.eip + (state.u8[op + Op.OP_LENGTH] as number);
    this.giveBack(rest);
    return 2;
  }

  /** The block at EIP that fits the burst, decoded if need be; 0 with trouble noted. */
  private blockForBurst(limit: number): number {
    const block = this.guardedBlock();
    if (block === 0) return 0;
    const whole = this.remaining(block);
    if (whole <= limit) return block;
    return this.blocks.cutShort(limit);
  }

  private guardedBlock(): number {
    this.currentOp = 0;
    const state = this.state;
    const eip = state.eip;
    if (eip > (this.u32[(L.SEG_CS + L.SEG_HI) >> 2] as number)) return this.fetchFault(Vector.GP, 0);
    const linear = (eip + state.segBase(1)) >>> 0;
    const user = this.u32[L.TLB_PRIV >> 2] !== 0;
    const host = this.memory.resolve(linear, 2, user);
    if (host < 0) return this.fetchMissed(host, linear);
    this.u32[L.PC_PAGE >> 2] = eip - (linear & 0xfff);
    let block = this.blocks.find(host);
    if (block === 0) {
      if (!this.blocks.decode(host)) {
        // The first instruction runs into the next page.
        const secondLinear = ((linear & 0xfffff000) + 4096) >>> 0;
        const second = this.memory.resolve(secondLinear, 2, user);
        if (second < 0) return this.fetchMissed(second, secondLinear);
        this.blocks.decodeCrossing(host, second);
      }
      block = this.blocks.result;
    }
    if (eip < (this.u32[L.FETCH_END >> 2] as number)) return block;
    return this.blockNearLimit(eip, eip - (linear & 0xfff), block);
  }

  /** The block at EIP where it or the rest of its page may pass the limit of CS: there, one instruction at a time is run. */
  private blockNearLimit(eip: number, pageStart: number, block: number): number {
    const last = this.u32[(L.SEG_CS + L.SEG_HI) >> 2] as number;
    if (pageStart + 4095 <= last && !this.blocks.isCrossing) return block;
    const first = this.blocks.firstWithin(eip, last);
    return first === 0 ? this.fetchFault(Vector.GP, 0) : first;
  }

  /** An instruction fetch failed: page fault, or nothing but all ones to fetch (FF FF is undefined). */
  private fetchMissed(outcome: number, linear: number): number {
    if (outcome === UNBACKED) return this.fetchFault(Vector.UD, -1);
    if (outcome !== REFUSED) throw new Error(`unexpected outcome ${outcome} of a fetch`);
    try {
      this.refused(linear, this.walker.errorCode, 2, 1, 0);
    } catch (thrown) {
      if (thrown === this.fault) this.trouble = Trouble.fault;
      else if (thrown === this.exitSignal) this.trouble = Trouble.exit;
      else throw thrown;
    }
    this.exitRecord.length = 0;
    return 0;
  }

  private fetchFault(vector: number, errorCode: number): number {
    this.fault.vector = vector;
    this.fault.errorCode = errorCode;
    this.trouble = Trouble.fault;
    return 0;
  }

  /** Completes a task switch; false when that left the guest. */
  private enterPendingTask(): boolean {
    const { state } = this;
    const pending = state.get(L.TASK);
    if (pending & TaskPending.announceCr3) {
      state.set(L.TASK, pending & ~TaskPending.announceCr3);
      this.exitRecord.reason = ExitReason.taskSwitch;
      this.exitRecord.length = 0;
      return false;
    }
    this.currentOp = 0;
    // Set by a delivery that no instruction's end consumes.
    state.set(L.SHADOW, 0);
    try {
      const trapped = enterTask(this);
      state.set(L.TASK, 0);
      if (trapped) {
        this.pending = DEBUG_TRAP;
        return this.deliverPending();
      }
      return true;
    } catch (thrown) {
      if (thrown === this.exitSignal) return false;
      if (thrown !== this.fault) throw thrown;
      state.set(L.TASK, 0);
      // Nothing begins anew that would raise it again, should its delivery leave.
      this.pending = this.faultAsEvent();
      return this.deliverPending();
    }
  }

  private deliverPending(): boolean {
    const event = this.pending as InjectedEvent;
    const errorCode = event.errorCode ?? -1;
    try {
      if (event.kind !== "exception") {
        deliverEvent(this, {
          vector: event.vector,
          errorCode,
          address: 0,
          kind: "external",
          returnEip: this.state.eip,
        });
        if (event.kind === "nmi") this.state.set(L.NMI_BLOCKED, 1);
      } else {
        this.fault.vector = event.vector;
        this.fault.errorCode = errorCode;
        this.fault.address = event.cr2 ?? 0;
        raiseAndDeliver(this, this.fault);
      }
    } catch (thrown) {
      if (thrown === this.exitSignal) return false;
      if (thrown !== this.fault) throw thrown;
      this.pending = undefined;
      return this.deliverFault();
    }
    this.pending = undefined;
    this.delivered();
    return true;
  }

  /** The guest is at the beginning of a handler. */
  private delivered(): void {
    const { retired } = this;
    if (this.deliveredAt !== retired) this.deliveryCount = 0;
    this.deliveredAt = retired;
    this.deliveryCount++;
    this.shadowAt = -1;
  }

  /** Delivers the noted fault through the guest's IDT; false when that left the guest. */
  private deliverFault(): boolean {
    this.currentOp = 0;
    const event = this.performing ? this.faultAsEvent() : undefined;
    try {
      raiseAndDeliver(this, this.fault);
      this.delivered();
      return true;
    } catch (thrown) {
      if (thrown !== this.exitSignal) throw thrown;
      // Begun anew, a performed instruction would leave for the monitor again rather than fault: the fault itself must be kept.
      if (event !== undefined) this.pending = event;
      return false;
    }
  }

  /** The noted fault, to be delivered later. */
  private faultAsEvent(): InjectedEvent {
    const { vector, errorCode, address } = this.fault;
    return {
      kind: "exception",
      vector,
      ...(errorCode >= 0 && { errorCode }),
      ...(vector === Vector.PF && { cr2: address }),
    };
  }

  /** Single-step trap after an instruction that began with TF set. It stays pending should its delivery leave the guest. */
  private deliverStep(leftBefore: number): boolean {
    // Neither retired, nor an iteration done of a repeated instruction, which is stepped iteration by iteration.
    if ((this.i32[L.BUDGET >> 2] as number) === leftBefore && !this.iterated) return true;
    if (this.stepHeldOff) return true;
    this.state.set(L.DR6, this.state.get(L.DR6) | 0x4000);
    this.pending = DEBUG_TRAP;
    return this.deliverPending();
  }

  private finishWith(reason: ExitReason): ExitRecord {
    this.exitRecord.reason = reason;
    this.exitRecord.length = 0;
    return this.finish();
  }

  private finish(): ExitRecord {
    this.currentOp = 0;
    this.retiredBase = this.retired;
    this.burst = 0;
    this.i32[L.BUDGET >> 2] = 0;
    this.exitRecord.eip = this.state.eip;
    return this.exitRecord;
  }
}
