import type { HardwareWalker } from "../mmu/hardware-walker.ts";
import type { AccessExits } from "./access-exits.ts";
import type { BlockDecoder } from "./block-decoder.ts";
import type { Breakpoints } from "./breakpoints.ts";
import { type Burst, Trouble } from "./burst.ts";
import { Vector } from "./core.ts";
import * as L from "./layout.ts";
import { type CpuMemory, REFUSED, UNBACKED } from "./linear-memory.ts";
import type { CpuState } from "./state.ts";

/** DR6.B0 to B3. */
const BREAKPOINTS = 0xf;

export interface FinderParts {
  readonly state: CpuState;
  readonly burst: Burst;
  readonly memory: CpuMemory;
  readonly walker: HardwareWalker;
  readonly blocks: BlockDecoder;
  readonly accesses: AccessExits;
}

/** HOT: finds the block at CS:EIP, with the checks of an instruction fetch, decoding it if need be. */
export class BlockFinder {
  private readonly state: CpuState;
  private readonly u32: Uint32Array;
  private readonly burst: Burst;
  private readonly breakpoints: Breakpoints;
  private readonly memory: CpuMemory;
  private readonly walker: HardwareWalker;
  private readonly blocks: BlockDecoder;
  private readonly accesses: AccessExits;

  constructor(parts: FinderParts) {
    this.state = parts.state;
    this.u32 = parts.state.u32;
    this.burst = parts.burst;
    this.breakpoints = parts.burst.breakpoints;
    this.memory = parts.memory;
    this.walker = parts.walker;
    this.blocks = parts.blocks;
    this.accesses = parts.accesses;
  }

  /** The block at EIP with at most `limit` instructions; 0 with trouble noted. */
  findWithin(limit: number): number {
    const block = this.find();
    if (block === 0) return 0;
    if (this.burst.remaining(block) <= limit) return block;
    return this.blocks.cutShort(limit);
  }

  /** The block at EIP; 0 with trouble noted. */
  find(): number {
    this.burst.currentOp = 0;
    const state = this.state;
    const eip = state.eip;
    if (eip > (this.u32[(L.SEG_CS + L.SEG_HI) >> 2] as number)) return this.fetchFault(Vector.GP, 0);
    const linear = (eip + state.segBase(1)) >>> 0;
    const { breakpoints } = this;
    if (breakpoints.code) {
      const hits = breakpoints.onCode(linear);
      if (hits !== 0 && !this.burst.resuming && !this.burst.debugHeldOff) return this.breakpointMet(hits);
    }
    const user = this.state.usesUserTags;
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
    // There every instruction must be looked up.
    if (breakpoints.code && breakpoints.hasCodeIn(linear)) block = this.blocks.cutShort(1);
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

  /** A fault of the instruction that comes next. */
  private breakpointMet(hits: number): number {
    const { state } = this;
    state.set(L.DR6, (state.get(L.DR6) & ~BREAKPOINTS) | hits);
    return this.fetchFault(Vector.DB, -1);
  }

  /** An instruction fetch failed: page fault, or nothing but all ones to fetch (FF FF is undefined). */
  private fetchMissed(outcome: number, linear: number): number {
    if (outcome === UNBACKED) return this.fetchFault(Vector.UD, -1);
    if (outcome !== REFUSED) throw new Error(`unexpected outcome ${outcome} of a fetch`);
    try {
      this.accesses.refused(linear, this.walker.errorCode, 2, 1, 0);
    } catch (thrown) {
      this.burst.note(thrown);
    }
    this.burst.exitRecord.length = 0;
    return 0;
  }

  private fetchFault(vector: number, errorCode: number): number {
    const { fault } = this.burst;
    fault.vector = vector;
    fault.errorCode = errorCode;
    this.burst.trouble = Trouble.fault;
    return 0;
  }
}
