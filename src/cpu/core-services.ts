import type { Gva } from "../mmu/address.ts";
import type { HardwareWalker } from "../mmu/hardware-walker.ts";
import { answerKind, Space } from "./access-exits.ts";
import type { Burst } from "./burst.ts";
import type { Core, CpuIdentity, HelperOp, PortRun } from "./core.ts";
import { ExitControl, type ExitIntercepts, ExitReason, type ExitRecord } from "./exit.ts";
import * as L from "./layout.ts";
import type { CpuMemory } from "./linear-memory.ts";
import { PortRuns } from "./port-runs.ts";
import { type CpuState, Flag } from "./state.ts";
import type { Tlb } from "./tlb.ts";

/** `size` of an exit for an MSR of the local APIC: where the word begins that it reads; a write is of both. */
const LOW_WORD = 0;
const HIGH_WORD = 4;
const WHOLE = 8;

const NONE: readonly number[] = [];

export interface CoreParts {
  readonly state: CpuState;
  readonly burst: Burst;
  readonly memory: CpuMemory;
  readonly tlb: Tlb;
  readonly walker: HardwareWalker;
  readonly cpuid: CpuIdentity;
  /** Time-stamp counter before WRMSR has moved it, by the exact count of retired instructions. */
  readonly timestampSource: (retired: number) => bigint;
}

/** What helpers of instructions and event delivery use of the CPU. */
export class CoreServices implements Core {
  readonly state: CpuState;
  readonly memory: CpuMemory;
  readonly cpuid: CpuIdentity;
  readonly exitRecord: ExitRecord;
  answerRead = 0;
  taskSwitchAllowed = false;
  /** What WRMSR has added to the time-stamp counter. */
  tscOffset = 0n;
  private readonly burst: Burst;
  private readonly tlb: Tlb;
  private readonly walker: HardwareWalker;
  private readonly timestampSource: (retired: number) => bigint;
  private readonly portRuns: PortRuns;

  constructor(parts: CoreParts) {
    this.state = parts.state;
    this.memory = parts.memory;
    this.cpuid = parts.cpuid;
    this.burst = parts.burst;
    this.exitRecord = parts.burst.exitRecord;
    this.tlb = parts.tlb;
    this.walker = parts.walker;
    this.timestampSource = parts.timestampSource;
    this.portRuns = new PortRuns(parts.state, parts.burst);
  }

  get breaksOnCode(): boolean {
    return this.burst.breakpoints.code;
  }
  get breakpointMet(): boolean {
    return this.burst.hits !== 0;
  }

  breakpointsChanged(): void {
    const { breakpoints } = this.burst;
    const before = breakpoints.code || breakpoints.data;
    breakpoints.update();
    // The fast tags of pages with breakpoints.
    if (before || breakpoints.code || breakpoints.data) this.tlb.flushAll();
  }

  get intercepts(): ExitIntercepts {
    return this.burst.intercepts;
  }
  get controls(): number {
    return this.burst.controls;
  }
  set controls(bits: number) {
    this.burst.controls = bits;
  }

  raise(vector: number, errorCode = -1): never {
    const { fault } = this.burst;
    fault.vector = vector;
    fault.errorCode = errorCode;
    throw fault;
  }

  beginExit(reason: ExitReason, op: HelperOp): ExitRecord {
    const exit = this.exitRecord;
    exit.reason = reason;
    exit.eip = this.state.eip;
    exit.length = op.length;
    return exit;
  }

  leave(): never {
    throw this.burst.exitSignal;
  }

  retiredBefore(): number {
    return this.burst.retiredBefore();
  }

  timestamp(): readonly [number, number] {
    const tsc = BigInt.asUintN(64, this.timestampSource(this.retiredBefore()) + this.tscOffset);
    return [Number(tsc & 0xffffffffn), Number(tsc >> 32n)];
  }

  setTimestamp(low: number, high: number): void {
    this.tscOffset =
      ((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)) - this.timestampSource(this.retiredBefore());
  }

  timestampOffset(): readonly [number, number] {
    const offset = BigInt.asUintN(64, this.tscOffset);
    return [Number(offset & 0xffffffffn), Number(offset >> 32n)];
  }

  flushTlbAll(): void {
    this.tlb.flushAll();
  }
  invalidatePage(linear: number): void {
    this.tlb.flushPage(linear);
  }
  directoryLoaded(): void {
    if (!this.walker.isShadow) this.tlb.flush();
  }
  latchPdptes(cr3: number): boolean {
    return this.walker.latchPdptes(cr3);
  }

  portAccess(op: HelperOp, port: number, sizeBytes: number, write: boolean, value: number): boolean {
    const { answers, lastIo, breakpoints } = this.burst;
    const kind = answerKind(Space.port, write ? 1 : 0, sizeBytes);
    const index = answers.take(this.retiredBefore(), port, kind);
    if (index >= 0) {
      this.answerRead = answers.value(index);
      if (breakpoints.ports) this.burst.hits |= breakpoints.onPorts(port, sizeBytes);
      return true;
    }
    const exit = this.beginExit(ExitReason.io, op);
    exit.port = port;
    exit.size = sizeBytes;
    exit.access = write ? 1 : 0;
    exit.write = write;
    exit.value = value >>> 0;
    exit.gva = 0 as Gva;
    exit.count = 1;
    exit.more = NONE;
    lastIo.address = port;
    lastIo.kind = kind;
    return false;
  }

  get portRunsAllowed(): boolean {
    const { burst } = this;
    if (burst.alone || burst.breakpoints.ports || burst.controls & ExitControl.singleIo) return false;
    // Else the interrupt comes as soon as an element is done.
    return !burst.windowRequested || (this.state.get(L.EFLAGS_REST) & Flag.IF) === 0;
  }

  offerPortRun(run: PortRun): void {
    this.portRuns.offer(run);
  }

  /** The first `count` accesses that left have been answered. */
  answerPortRun(count: number, values: readonly number[]): void {
    const { burst } = this;
    this.portRuns.finish(count, values);
    if (count > 1) this.iterationDone();
    burst.answers.add(burst.retired, burst.lastIo.address, burst.lastIo.kind, values[count - 1] ?? 0);
  }

  apicRead(op: HelperOp, register: number): readonly [number, number] {
    return [this.apicAccess(op, register, LOW_WORD), this.apicAccess(op, register, HIGH_WORD)];
  }

  apicWrite(op: HelperOp, register: number, low: number, high: number): void {
    this.exitRecord.value = low >>> 0;
    this.exitRecord.valueHigh = high >>> 0;
    this.apicAccess(op, register, WHOLE);
  }

  /** The answer to it; throws until there is one. */
  private apicAccess(op: HelperOp, register: number, part: number): number {
    const { answers, lastIo } = this.burst;
    const kind = answerKind(Space.apic, part === WHOLE ? 1 : 0, part);
    const index = answers.take(this.retiredBefore(), register, kind);
    if (index >= 0) return answers.value(index);
    const exit = this.beginExit(ExitReason.apic, op);
    exit.register = register;
    exit.write = part === WHOLE;
    exit.size = part;
    lastIo.address = register;
    lastIo.kind = kind;
    this.leave();
  }

  iterationDone(): void {
    const { burst } = this;
    burst.answers.clear();
    burst.iterated = true;
    burst.iteratedAt = burst.retiredBefore();
    burst.deliveredAt = -1;
  }
}
