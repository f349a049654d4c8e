import type { Burst } from "./burst.ts";
import type { CoreServices } from "./core-services.ts";
import type { EventQueue } from "./event-queue.ts";
import * as L from "./layout.ts";
import type { InjectedEvent } from "./processor.ts";
import { MXCSR_DEFAULT } from "./sse/mxcsr.ts";
import { type CpuState, Cr0 } from "./state.ts";
import { resetMemoryTypes } from "./system/memory-types.ts";
import { MISC_ENABLE_DEFAULT } from "./system/msr.ts";

export interface SavedParts {
  readonly state: CpuState;
  readonly burst: Burst;
  readonly core: CoreServices;
  readonly events: EventQueue;
}

/** Kinds of pending events, from 1 on. */
const KINDS: readonly InjectedEvent["kind"][] = ["external", "exception", "nmi"];
/** Bits of the first word of PENDING, above the kind. */
const HAS_ERROR_CODE = 16;
const HAS_CR2 = 32;

/**
 * Of the register file, from and to: general registers, control registers, debug registers, tables, what is pending. Of the MSRs only EFER: the
 * table has all of them unchanged, but processors clear that one, so that code which knows nothing of it can turn paging on.
 */
const CLEARED_BY_INIT: readonly (readonly [from: number, to: number])[] = [
  [L.GPR, L.ZERO],
  [L.CPL, L.CPL + 4],
  [L.SHADOW, L.SHADOW + 4],
  [L.SEG, L.APIC_BASE],
  [L.DR0, L.SYSENTER],
  [L.PDPTE, L.PDPTE + 32],
  [L.TASK, L.TASK + 8],
];

/** World switch and reset: the register file, and what the parts of the CPU keep outside of it. */
export class SavedState {
  private readonly state: CpuState;
  private readonly burst: Burst;
  private readonly core: CoreServices;
  private readonly events: EventQueue;
  private readonly f64: Float64Array;
  private readonly i64: BigInt64Array;

  constructor(parts: SavedParts) {
    this.state = parts.state;
    this.burst = parts.burst;
    this.core = parts.core;
    this.events = parts.events;
    this.f64 = new Float64Array(this.state.u8.buffer, 0, L.STATE_SIZE >> 3);
    this.i64 = new BigInt64Array(this.state.u8.buffer, 0, L.STATE_SIZE >> 3);
  }

  save(into: Uint8Array): void {
    const { state, burst, events, f64 } = this;
    burst.settle();
    f64[L.RETIRED >> 3] = burst.retired;
    f64[L.SHADOW_AT >> 3] = burst.shadowAt;
    f64[L.ITERATED_AT >> 3] = burst.iteratedAt;
    f64[L.DELIVERED_AT >> 3] = burst.deliveredAt;
    state.set(L.DELIVERIES, burst.deliveryCount);
    this.i64[L.TSC_OFFSET >> 3] = BigInt.asIntN(64, this.core.tscOffset);
    burst.answers.save(f64, state.u32, L.ANSWERS >> 2);
    const event = events.pending;
    const kind = event === undefined ? 0 : KINDS.indexOf(event.kind) + 1;
    state.set(
      L.PENDING,
      kind | (event?.errorCode !== undefined ? HAS_ERROR_CODE : 0) | (event?.cr2 !== undefined ? HAS_CR2 : 0),
    );
    state.set(L.PENDING + 4, event?.vector ?? 0);
    state.set(L.PENDING + 8, event?.errorCode ?? 0);
    state.set(L.PENDING + 12, event?.cr2 ?? 0);
    into.set(state.u8.subarray(0, L.STATE_SIZE));
  }

  load(from: Uint8Array): void {
    const { state, burst, events, f64 } = this;
    const { controls } = burst;
    state.u8.set(from.subarray(0, L.STATE_SIZE));
    burst.controls = controls;
    burst.retired = f64[L.RETIRED >> 3] as number;
    burst.shadowAt = f64[L.SHADOW_AT >> 3] as number;
    burst.iteratedAt = f64[L.ITERATED_AT >> 3] as number;
    burst.deliveredAt = f64[L.DELIVERED_AT >> 3] as number;
    burst.deliveryCount = state.get(L.DELIVERIES);
    this.core.tscOffset = this.i64[L.TSC_OFFSET >> 3] as bigint;
    burst.breakpoints.update();
    burst.answers.load(f64, state.u32, L.ANSWERS >> 2);
    const bits = state.get(L.PENDING);
    events.intercepted = undefined;
    events.pending =
      bits === 0
        ? undefined
        : {
            kind: KINDS[(bits & 3) - 1] as InjectedEvent["kind"],
            vector: state.get(L.PENDING + 4),
            ...(bits & HAS_ERROR_CODE ? { errorCode: state.get(L.PENDING + 8) } : {}),
            ...(bits & HAS_CR2 ? { cr2: state.get(L.PENDING + 12) } : {}),
          };
  }

  /** Power-on state at F000:FFF0 (Intel SDM vol. 3, table 10-1). */
  reset(): void {
    const { state: s, burst } = this;
    const { controls } = burst;
    s.u8.fill(0, 0, L.STATE_SIZE);
    s.set(L.CONTROLS, controls);
    s.set(L.FPU_CONTROL, 0x40);
    s.set(L.FPU_EMPTY, 0);
    s.set(L.MXCSR, MXCSR_DEFAULT);
    s.set(L.MISC_ENABLE, MISC_ENABLE_DEFAULT);
    resetMemoryTypes(s);
    this.begin(Cr0.CD | Cr0.NW);
    burst.retired = 0;
    this.core.tscOffset = 0n;
  }

  /** What INIT makes of the registers (the same table), and where the start-up message then begins; -1: none has come. */
  init(vector: number): void {
    const { state: s } = this;
    const cacheControl = s.get(L.CR0) & (Cr0.CD | Cr0.NW);
    for (const [from, to] of CLEARED_BY_INIT) s.u8.fill(0, from, to);
    this.burst.settle();
    this.begin(cacheControl);
    if (vector < 0) return;
    s.setSegment(1, vector << 8, vector << 12, 0xffff, 0x9b);
    s.set(L.SEG_CS + L.SEG_PERM, 7);
    s.eip = 0;
    s.updateMode();
  }

  /** Registers were changed from outside: what follows from them is brought in step, and nothing is pending any more. */
  settle(): void {
    const { state: s, burst } = this;
    for (const at of [L.SHADOW, L.TASK, L.DEBUG_HITS, L.DEBUG_SHADOW]) s.set(at, 0);
    s.updateMode();
    burst.breakpoints.update();
    burst.shadowAt = -1;
    burst.iteratedAt = -1;
    burst.answers.clear();
    burst.deliveryCount = 0;
    burst.deliveredAt = -1;
    this.events.pending = undefined;
    this.events.intercepted = undefined;
  }

  /** What power-on and INIT have in common; what is 0 after them is 0 already. */
  private begin(cacheControl: number): void {
    const { state: s } = this;
    for (let index = 0; index < 8; index++)
      s.setSegment(index, 0, 0, 0xffff, index < 6 ? 0x93 : index === 6 ? 0x82 : 0x8b);
    s.setSegment(1, 0xf000, 0xffff0000, 0xffff, 0x9b);
    // In real mode code is written through CS as freely as it is run from there.
    s.set(L.SEG_CS + L.SEG_PERM, 7);
    s.set(L.CR0, Cr0.ET | (cacheControl & this.core.cpuid.cr0Writable));
    s.set(L.CR0_ABSENT, this.core.cpuid.cr0Ones);
    s.eflags = 2;
    s.eip = 0xfff0;
    s.setReg(2, this.core.cpuid.signature);
    s.set(L.IDTR_LIMIT, 0xffff);
    s.set(L.GDTR_LIMIT, 0xffff);
    s.set(L.DR6, 0xffff0ff0);
    s.set(L.DR7, 0x400);
    this.settle();
  }
}
