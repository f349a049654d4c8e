import type { Gva } from "../mmu/address.ts";
import { HardwareWalker } from "../mmu/hardware-walker.ts";
import type { MachineMemory } from "../mmu/machine-memory.ts";
import type { CachedTranslation, HardwarePaging } from "../mmu/pager.ts";
import { AccessExits } from "./access-exits.ts";
import { BlockDecoder } from "./block-decoder.ts";
import { BlockFinder } from "./block-finder.ts";
import { Burst, Trouble } from "./burst.ts";
import { CodeServices } from "./code-services.ts";
import { HandlerTable } from "./cold/handlers.ts";
import { type CpuIdentity, Vector } from "./core.ts";
import { CoreServices } from "./core-services.ts";
import { EventQueue } from "./event-queue.ts";
import { ExitControl, type ExitIntercepts, ExitReason, type ExitRecord } from "./exit.ts";
import { HelperRegistry } from "./helpers.ts";
import { OPCODE_LINES } from "./instructions/table.ts";
import * as L from "./layout.ts";
import { CpuMemory } from "./linear-memory.ts";
import type { InjectedEvent, Processor, ReadableRegisters } from "./processor.ts";
import { SavedState } from "./saved-state.ts";
import { CpuState, Flag } from "./state.ts";
import { type CpuModel, cpuIdentity, takesVirtualInterrupt, VIRTUAL_PENDING } from "./system/index.ts";
import { Tlb } from "./tlb.ts";

/** Exit controls that `perform` does not lift. */
const KEPT = ExitControl.pageFault;
/** Turns of the dispatcher without a retired instruction after which a burst ends. */
const MOST_IDLE_TURNS = 4096;

/**
 * The physical CPU: runs guest code from decoded micro-operations, with system instructions in TypeScript. One per
 * machine memory, because the register file lies at a fixed place there; guests take turns by saveState and loadState.
 */
export class Cpu implements Processor {
  readonly state: CpuState;
  readonly memory: CpuMemory;
  readonly cpuid: CpuIdentity;
  readonly core: CoreServices;
  readonly tlb: Tlb;
  readonly walker: HardwareWalker;
  readonly blocks: BlockDecoder;
  timestampSource: (retired: number) => bigint = (retired) => BigInt(retired);

  private readonly u32: Uint32Array;
  private readonly burst: Burst;
  private readonly events: EventQueue;
  private readonly handlers: HandlerTable;
  private readonly finder: BlockFinder;
  private readonly saved: SavedState;

  /** Throws RangeError when there is no model of that name. */
  constructor(machine: MachineMemory, model: CpuModel = "p6") {
    const cpuid = cpuIdentity(model);
    const state = new CpuState(machine.memory);
    const burst = new Burst(state);
    const tlb = new Tlb(state.u32);
    const walker = new HardwareWalker(machine, cpuid.features);
    const accesses = new AccessExits(burst);
    const memory = new CpuMemory(state, tlb, walker, accesses, burst);
    const timestampSource = (retired: number) => this.timestampSource(retired);
    const core = new CoreServices({ state, burst, memory, tlb, walker, cpuid, timestampSource });
    const helpers = new HelperRegistry(OPCODE_LINES);
    const services = new CodeServices({
      state,
      burst,
      core,
      memory,
      walker,
      accesses,
      helpers: helpers.table,
    });
    this.handlers = new HandlerTable(OPCODE_LINES, machine.memory, services);
    const blocks = new BlockDecoder(state, machine.frames, this.handlers, helpers, tlb, cpuid.opcodes);
    memory.attach(blocks.cache);
    // A and D bits that the walker sets in a page that holds code as well.
    walker.onWrite = (hpa, sizeBytes) => blocks.memoryWritten(hpa, sizeBytes);
    this.finder = new BlockFinder({ state, burst, memory, walker, blocks, accesses });
    services.attach(blocks, this.finder);
    this.events = new EventQueue(state, burst, core);
    this.saved = new SavedState({ state, burst, core, events: this.events });
    this.state = state;
    this.u32 = state.u32;
    this.burst = burst;
    this.core = core;
    this.memory = memory;
    this.cpuid = cpuid;
    this.tlb = tlb;
    this.walker = walker;
    this.blocks = blocks;
    this.reset();
  }

  get features(): number {
    return this.cpuid.features;
  }

  get exitRecord(): ExitRecord {
    return this.burst.exitRecord;
  }

  get controls(): number {
    return this.burst.controls;
  }
  set controls(bits: number) {
    this.burst.controls = bits;
  }

  get intercepts(): ExitIntercepts {
    return this.burst.intercepts;
  }

  get windowRequested(): boolean {
    return this.burst.windowRequested;
  }
  set windowRequested(wanted: boolean) {
    this.burst.windowRequested = wanted;
  }

  get registers(): ReadableRegisters | undefined {
    return this.burst.registers;
  }
  set registers(registers: ReadableRegisters | undefined) {
    this.burst.registers = registers;
  }

  get retired(): number {
    return this.burst.retired;
  }
  set retired(count: number) {
    this.burst.retired = count;
  }

  get interruptible(): boolean {
    return ((this.u32[L.EFLAGS_REST >> 2] as number) & Flag.IF) !== 0 && !this.burst.interruptsHeldOff;
  }

  get nmiReady(): boolean {
    return this.u32[L.NMI_BLOCKED >> 2] === 0 && !this.burst.interruptsHeldOff;
  }

  get deliveries(): number {
    const { burst } = this;
    return burst.deliveredAt === burst.retired ? burst.deliveryCount : 0;
  }

  get pending(): InjectedEvent | undefined {
    return this.events.pending;
  }

  run(budget: number): ExitRecord {
    if (!(budget >= 1 && budget <= 0x40000000))
      throw new RangeError(`a burst is 1 to 2^30 instructions, not ${budget}`);
    const { burst, events, u32 } = this;
    const exit = burst.exitRecord;
    burst.begin(budget);
    if (u32[L.TASK >> 2] !== 0 && !events.enterPendingTasks()) return burst.end();
    events.intercepted = undefined;
    if (events.pending !== undefined) {
      if (!events.deliverPending()) return burst.end();
      if (events.performing) return burst.endWith(ExitReason.budget);
    }
    let leftBefore = -1;
    let idleTurns = 0;
    for (;;) {
      if (u32[L.TASK >> 2] !== 0 && !events.enterPendingTasks()) return burst.end();
      if (burst.hits !== 0 && !burst.debugHeldOff) {
        if (!events.deliverTraps(burst.hits)) return burst.end();
        // The delivery itself may have met a breakpoint on its stack: the next trap comes before an instruction does.
        if (++idleTurns > MOST_IDLE_TURNS) return burst.endWith(ExitReason.budget);
        continue;
      }
      const left = burst.left;
      if (left <= 0) return burst.endWith(ExitReason.budget);
      if (left !== leftBefore) {
        leftBefore = left;
        idleTurns = 0;
      } else if (++idleTurns > MOST_IDLE_TURNS) return burst.endWith(ExitReason.budget);
      let limit = left;
      const rest = u32[L.EFLAGS_REST >> 2] as number;
      if (burst.windowRequested && (rest & Flag.IF) !== 0) {
        if (!burst.interruptsHeldOff) return burst.endWith(ExitReason.interruptWindow);
        limit = 1;
      }
      if (burst.controls & ExitControl.nmiWindow && u32[L.NMI_BLOCKED >> 2] === 0) {
        if (!burst.interruptsHeldOff) return burst.endWith(ExitReason.nmiWindow);
        limit = 1;
      }
      const stepping = (rest & Flag.TF) !== 0;
      const resuming = (rest & Flag.RF) !== 0;
      const alone = stepping || resuming || burst.trouble === Trouble.alone || burst.hits !== 0;
      burst.alone = alone;
      burst.delayed = alone ? burst.hits : 0;
      burst.resuming = resuming;
      burst.trouble = Trouble.none;
      burst.iterated = false;
      if (alone) {
        limit = 1;
        burst.stepHeldOff = false;
        // It is over with the instruction, which may load it anew.
        if (resuming) u32[L.EFLAGS_REST >> 2] = rest & ~Flag.RF;
      }
      u32[L.FAULT >> 2] = 0;
      exit.vectoring = -1;
      if ((rest & VIRTUAL_PENDING) === VIRTUAL_PENDING && takesVirtualInterrupt(this.state)) {
        burst.currentOp = 0;
        burst.fault.vector = Vector.GP;
        burst.fault.errorCode = 0;
        burst.trouble = Trouble.fault;
      } else {
        const heldBack = left - limit;
        if (heldBack > 0) burst.holdBack(heldBack);
        const block = this.finder.findWithin(limit);
        if (block !== 0) this.handlers.start(block);
        if (heldBack > 0) burst.holdBack(-heldBack);
      }
      if (resuming && burst.left === left)
        u32[L.EFLAGS_REST >> 2] = (u32[L.EFLAGS_REST >> 2] as number) | Flag.RF;
      const trouble = burst.trouble as Trouble;
      if (trouble === Trouble.alone) continue;
      burst.trouble = Trouble.none;
      if (trouble === Trouble.fault) {
        if (!events.deliverFault()) return burst.end();
        // The handler is run with the exit controls that there are.
        if (events.performing) return burst.endWith(ExitReason.budget);
        continue;
      }
      // Retired, or an iteration done of a repeated instruction, which is stepped iteration by iteration.
      const progressed = alone && (burst.left !== left || burst.iterated);
      const traps = progressed ? events.trapsDue(stepping) : 0;
      // The trap after HLT wakes the processor at once.
      if (trouble === Trouble.exit && (traps === 0 || exit.reason !== ExitReason.hlt)) return burst.end();
      if (traps !== 0 && !events.deliverTraps(traps)) return burst.end();
    }
  }

  answer(value: number): void {
    const { answers, retired, lastIo } = this.burst;
    answers.add(retired, lastIo.address, lastIo.kind, value);
  }

  answerRun(count: number, values: readonly number[]): void {
    this.core.answerPortRun(count, values);
  }

  perform(): void {
    const { controls, windowRequested, events } = this;
    if (this.exitRecord.reason === ExitReason.taskSwitchAttempt) {
      // It is begun anew, and may have to tell of the new CR3.
      this.core.taskSwitchAllowed = true;
      return;
    }
    if (this.exitRecord.reason === ExitReason.exception && events.intercepted !== undefined)
      events.pending = events.intercepted;
    const { exceptions } = this.intercepts;
    // Else the exception that left would leave again; what another instruction raises is looked at.
    if (this.exitRecord.reason === ExitReason.exception) this.intercepts.exceptions = 0;
    this.controls = controls & KEPT;
    this.windowRequested = false;
    events.performing = true;
    try {
      this.run(1);
    } finally {
      events.performing = false;
      this.intercepts.exceptions = exceptions;
      this.controls = controls;
      this.windowRequested = windowRequested;
    }
  }

  skip(): void {
    this.state.eip = this.state.eip + this.exitRecord.length;
    this.burst.retired++;
  }

  inject(event: InjectedEvent): void {
    // They are for the instruction that the event interrupts, which will be begun anew after its handler.
    this.burst.answers.clear();
    // The fault of a new task takes the place of what was left to do of the switch.
    if (event.kind === "exception") this.state.set(L.TASK, 0);
    if (this.state.get(L.NMI_BLOCKED) === L.NMI_UNBLOCKING)
      this.state.set(L.NMI_BLOCKED, event.kind === "exception" ? 0 : 1);
    this.events.replacePending(event);
  }

  setHardwarePaging(paging: HardwarePaging): void {
    this.emptyTlb();
    this.loadRoot(paging);
  }

  loadRoot(paging: HardwarePaging): void {
    this.walker.set(paging);
    if (paging.mode === "shadow" && paging.tag !== 0) {
      this.tlb.enter(paging.tag);
      this.state.updatePrivilege();
    } else this.emptyTlb();
  }

  translations(): Iterable<CachedTranslation> {
    return this.tlb.translations();
  }

  flushTlb(): void {
    this.tlb.flush();
  }
  flushTlbAll(): void {
    this.tlb.flushAll();
  }
  flushTlbPage(gva: Gva): void {
    this.tlb.flushPage(gva);
  }
  flushTlbTag(tag: number): void {
    this.tlb.flushTag(tag);
  }

  memoryWritten(hpa: number, sizeBytes: number): void {
    this.blocks.memoryWritten(hpa, sizeBytes);
  }

  saveState(into: Uint8Array): void {
    this.saved.save(into);
  }

  loadState(from: Uint8Array): void {
    this.saved.load(from);
    this.emptyTlb();
  }

  /** To be called when registers were changed from outside, other than by loadState. */
  settle(): void {
    this.saved.settle();
    this.emptyTlb();
  }

  init(vector: number): void {
    this.saved.init(vector);
    this.emptyTlb();
  }

  reset(): void {
    this.saved.reset();
    this.emptyTlb();
  }

  private emptyTlb(): void {
    this.tlb.reset();
    this.state.updatePrivilege();
  }
}
