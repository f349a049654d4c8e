import type { HardwareWalker } from "../mmu/hardware-walker.ts";
import type { AccessExits } from "./access-exits.ts";
import type { BlockDecoder } from "./block-decoder.ts";
import type { BlockFinder } from "./block-finder.ts";
import type { Breakpoints } from "./breakpoints.ts";
import { type Burst, Trouble } from "./burst.ts";
import type { HandlerImports } from "./cold/handlers.ts";
import * as Op from "./cold/micro-op.ts";
import { LoadIntent, WideAccess } from "./cold/routines.ts";
import { type Core, type Helper, Outcome, Vector } from "./core.ts";
import { ExitControl } from "./exit.ts";
import { HelperOpView } from "./helper-op.ts";
import * as L from "./layout.ts";
import { type CpuMemory, REFUSED } from "./linear-memory.ts";
import { requireUnits } from "./sse/units.ts";
import { type CpuState, Flag } from "./state.ts";
import { linearAddress, VIRTUAL_PENDING } from "./system/index.ts";

export interface CodeParts {
  readonly state: CpuState;
  readonly burst: Burst;
  readonly core: Core;
  readonly memory: CpuMemory;
  readonly walker: HardwareWalker;
  readonly accesses: AccessExits;
  readonly helpers: readonly Helper[];
}

/** HOT: what generated code calls. */
export class CodeServices implements HandlerImports {
  private readonly state: CpuState;
  private readonly u32: Uint32Array;
  private readonly i32: Int32Array;
  private readonly burst: Burst;
  private readonly breakpoints: Breakpoints;
  private readonly core: Core;
  private readonly memory: CpuMemory;
  private readonly walker: HardwareWalker;
  private readonly accesses: AccessExits;
  private readonly helperTable: readonly Helper[];
  private readonly helperOp: HelperOpView;
  private blocks!: BlockDecoder;
  private finder!: BlockFinder;

  constructor(parts: CodeParts) {
    this.state = parts.state;
    this.u32 = parts.state.u32;
    this.i32 = parts.state.i32;
    this.burst = parts.burst;
    this.breakpoints = parts.burst.breakpoints;
    this.core = parts.core;
    this.memory = parts.memory;
    this.walker = parts.walker;
    this.accesses = parts.accesses;
    this.helperTable = parts.helpers;
    this.helperOp = new HelperOpView(parts.state);
  }

  /** The decoder needs the handlers, which need these services; so it comes second. */
  attach(blocks: BlockDecoder, finder: BlockFinder): void {
    this.blocks = blocks;
    this.finder = finder;
  }

  // The common cases, a TLB miss and a page fault, are served without throwing: that costs a microsecond.

  slowLoad(linear: number, bytesAndIntent: number, op: number): number {
    const { burst } = this;
    const at = linear >>> 0;
    const size = bytesAndIntent & 0xff;
    const forWrite = (bytesAndIntent & LoadIntent.write) !== 0;
    if (this.breaks(op, at, size, false)) return 0;
    const user = this.state.usesUserTags;
    if (this.isPlain(at, size)) {
      const host = this.memory.resolve(at, forWrite ? 1 : 0, user);
      if (host >= 0) return this.memory.get(host, size);
      if (host === REFUSED) {
        burst.abandon(op, this.accesses.refusal(at, this.walker.errorCode, 0, size, 0));
        return 0;
      }
    }
    try {
      if (bytesAndIntent & LoadIntent.quad) this.memory.requireAligned(at, 8);
      return this.memory.load(at, size, forWrite, user);
    } catch (thrown) {
      burst.abandon(op, thrown);
      return 0;
    }
  }

  slowStore(linear: number, value: number, bytes: number, op: number): void {
    const { burst } = this;
    const at = linear >>> 0;
    if (this.breaks(op, at, bytes, true)) return;
    const user = this.state.usesUserTags;
    if (this.isPlain(at, bytes)) {
      const host = this.memory.resolve(at, 1, user);
      if (host >= 0) {
        this.memory.put(host, value, bytes);
        return;
      }
      if (host === REFUSED) {
        burst.abandon(op, this.accesses.refusal(at, this.walker.errorCode, 1, bytes, value));
        return;
      }
    }
    try {
      this.memory.store(at, value, bytes, user);
    } catch (thrown) {
      burst.abandon(op, thrown);
    }
  }

  slowWide(linear: number, how: number, op: number): void {
    const at = linear >>> 0;
    const bytes = how & 0xff;
    const isStore = (how & WideAccess.store) !== 0;
    if (how & WideAccess.aligned && at & 15) {
      this.raise(op, Vector.GP, 0);
      return;
    }
    if (this.breaks(op, at, bytes, isStore)) return;
    const user = this.state.usesUserTags;
    try {
      if (isStore) this.memory.storeWide(at, bytes, user);
      else this.memory.loadWide(at, bytes, user);
    } catch (thrown) {
      this.burst.abandon(op, thrown);
    }
  }

  /** A slow access begins. True: it meets a breakpoint, so the instruction is left, to be begun anew by itself. */
  private breaks(op: number, at: number, bytes: number, isStore: boolean): boolean {
    const { burst, breakpoints } = this;
    burst.currentOp = op;
    if (!breakpoints.data || burst.alone || breakpoints.onData(at, bytes, isStore) === 0) return false;
    burst.beginAlone(op);
    return true;
  }

  /** The access stays in one page, and neither an answer nor a check is waiting for it. */
  private isPlain(at: number, bytes: number): boolean {
    return (at & 0xfff) + bytes <= 4096 && this.burst.answers.isEmpty && !this.memory.guarded;
  }

  unit(op: number, units: number): number {
    this.enter(op);
    try {
      requireUnits(this.core, units);
      return 0;
    } catch (thrown) {
      this.burst.abandon(op, thrown);
      return 1;
    }
  }

  segmentFault(op: number, segment: number, offset: number, bytes: number, permission: number): void {
    this.burst.currentOp = op;
    try {
      linearAddress(this.core, (segment - L.SEG) >> 5, offset, bytes, permission & 2 ? 2 : 1);
      // The read half of a read-write access is refused although the write half is not.
      linearAddress(this.core, (segment - L.SEG) >> 5, offset, bytes, permission & 1 ? 1 : 2);
    } catch (thrown) {
      this.burst.abandon(op, thrown);
    }
  }

  raiseFromCode(op: number, vector: number): void {
    this.raise(op, vector, -1);
  }

  /** `errorCode` -1: none. */
  private raise(op: number, vector: number, errorCode: number): void {
    const { fault } = this.burst;
    fault.vector = vector;
    fault.errorCode = errorCode;
    this.burst.abandon(op, fault);
  }

  lookup(): number {
    // What comes next is looked at when it is run: before it there may be a trap.
    return this.burst.left > 0 ? this.finder.find() : 0;
  }

  link(op: number, taken: number): number {
    const target = taken
      ? (this.i32[(op + Op.OP_IMM) >> 2] as number)
      : (this.state.u16[(op + Op.OP_PAGE_OFFSET) >> 1] as number) +
        (this.state.u8[op + Op.OP_LENGTH] as number);
    this.state.eip = this.state.get(L.PC_PAGE) + target;
    if (this.burst.left <= 0) return 0;
    const generation = this.blocks.cache.generation;
    const block = this.finder.find();
    if (block !== 0 && generation === this.blocks.cache.generation) this.blocks.link(op, taken !== 0, block);
    return block;
  }

  helper(op: number): number {
    const { burst } = this;
    this.enter(op);
    this.helperOp.moveTo(op);
    const helper = this.helperTable[this.u32[(op + Op.OP_LINK) >> 2] as number] as Helper;
    let outcome: Outcome;
    try {
      outcome = helper(this.core, this.helperOp);
    } catch (thrown) {
      burst.abandon(op, thrown);
      return 2;
    }
    switch (outcome) {
      case Outcome.next:
      case Outcome.jump:
        return this.retire(op, outcome);
      case Outcome.again:
        burst.giveBack(burst.remaining(op));
        return 2;
      case Outcome.exit:
        burst.hits = burst.delayed;
        burst.giveBack(burst.remaining(op));
        burst.trouble = Trouble.exit;
        return 2;
      case Outcome.retireAndExit:
        burst.giveBack(burst.remaining(op) - 1);
        burst.trouble = Trouble.exit;
        return 2;
    }
  }

  cross(op: number): number {
    const pageBase = this.state.get(L.PC_PAGE);
    const second = (pageBase + 4096 + this.state.segBase(1)) >>> 0;
    const host = this.memory.resolve(second, 2, this.state.usesUserTags);
    if (host >= 0 && host - L.PHYS_BASE === this.u32[(op + Op.OP_DISP) >> 2]) return 0;
    this.burst.giveBack(1);
    this.state.eip = pageBase + (this.state.u16[(op + Op.OP_PAGE_OFFSET) >> 1] as number);
    this.blocks.dropCrossing(op);
    return 2;
  }

  /** TypeScript begins to do the instruction of `op`. */
  private enter(op: number): void {
    const { state, burst } = this;
    state.eip = (this.u32[L.PC_PAGE >> 2] as number) + (state.u16[(op + Op.OP_PAGE_OFFSET) >> 1] as number);
    burst.currentOp = op;
    burst.exitRecord.vectoring = -1;
  }

  /** Bookkeeping after a helper's instruction; decides whether generated code may go on. */
  private retire(op: number, outcome: Outcome): number {
    const { state, burst } = this;
    const shadow = this.u32[L.SHADOW >> 2] as number;
    const flags = this.u32[L.EFLAGS_REST >> 2] as number;
    burst.currentOp = 0;
    const wanted =
      (burst.windowRequested && (flags & Flag.IF) !== 0) || (burst.controls & ExitControl.nmiWindow) !== 0;
    const stops =
      wanted ||
      (flags & (Flag.TF | Flag.RF)) !== 0 ||
      (flags & VIRTUAL_PENDING) === VIRTUAL_PENDING ||
      burst.hits !== 0;
    if (shadow === 0 && !stops) return outcome;
    const rest = burst.remaining(op) - 1;
    if (shadow !== 0) {
      this.u32[L.SHADOW >> 2] = 0;
      if (shadow & L.SHADOW_INTERRUPTS) {
        burst.shadowAt = burst.retired - rest;
        this.u32[L.DEBUG_SHADOW >> 2] = shadow & L.SHADOW_STEP;
      }
      if (shadow & L.SHADOW_STEP) burst.stepHeldOff = true;
      // What switches tasks has set EIP itself.
      if (shadow & L.SHADOW_TASK) {
        burst.giveBack(rest);
        return 2;
      }
    }
    if (!stops) return outcome;
    if (outcome === Outcome.next) state.eip = state.eip + (state.u8[op + Op.OP_LENGTH] as number);
    burst.giveBack(rest);
    return 2;
  }
}
