import type { Gva } from "../mmu/address.ts";
import type { CachedTranslation, HardwarePaging } from "../mmu/pager.ts";
import type { ExitIntercepts, ExitRecord } from "./exit.ts";
import type { CpuState } from "./state.ts";

/** An event that the monitor injects: delivered through the guest's IDT before the next instruction. */
export interface InjectedEvent {
  readonly vector: number;
  /** Pushed when present. */
  readonly errorCode?: number;
  /** Loaded into CR2 first (page faults). */
  readonly cr2?: number;
  /** external: an interrupt from the controller; nmi: vector 2; exception: a processor exception (double-fault rules apply). */
  readonly kind: "external" | "nmi" | "exception";
}

/**
 * Registers of a device that the CPU reads without leaving, as a virtual-APIC page is read (Intel SDM vol. 3, 30.4): those that neither change by
 * being read nor with time alone.
 */
export interface ReadableRegisters {
  /** The doubleword at a guest-physical address; undefined: the access has to leave. */
  peek(gpa: number): number | undefined;
}

/** The physical CPU as the monitor drives it. Mechanism: synchronous, knows no bus. */
export interface Processor {
  /** CPUID leaf 1 EDX. */
  readonly features: number;
  readonly state: CpuState;
  /** Bit set of ExitControl. */
  controls: number;
  /** Exceptions that leave, and masks of control-register writes that do. */
  readonly intercepts: ExitIntercepts;
  /**
   * Runs guest code until an exit; at most `budget` instructions (1 .. 2^30) retire. With reason budget it may also leave earlier, even
   * before any has retired: when one REP takes very long, or `deliveries` grows. Calling it again goes on. The record is reused by the next run. A pending
   * injected event is delivered first; should that leave by an exit, the event stays pending.
   */
  run(budget: number): ExitRecord;
  /** Answers the io or mmio access that left (value read, zero-extended; ignored for writes): the instruction finishes in the next run. */
  answer(value: number): void;
  /**
   * Answers the first `count` of the accesses to a port that left together (`ExitRecord.count`), with `values` if they are reads. The guest is then as if
   * each had left by itself. Throws RangeError when not so many have left.
   */
  answerRun(count: number, values: readonly number[]): void;
  /**
   * Does the instruction that left because of an exit control as the CPU would without, and retires it (or delivers the fault that it
   * raises). After the exit of an exception: lets the guest have it.
   */
  perform(): void;
  /** Retires the instruction that left without doing it (the monitor has). EIP moves by the exit's length. */
  skip(): void;
  inject(event: InjectedEvent): void;
  /**
   * Exceptions and interrupts delivered since an instruction retired or a repeated one got on. A guest that faults at the entry of its
   * own fault handler makes it grow for ever.
   */
  readonly deliveries: number;
  /** The event not yet delivered, if any. */
  readonly pending: InjectedEvent | undefined;
  /** IF is set, and no STI or MOV SS shadow. */
  readonly interruptible: boolean;
  /** A non-maskable interrupt can be taken: none is in service (until IRET), and no STI or MOV SS shadow. */
  readonly nmiReady: boolean;
  /** Leave with interruptWindow as soon as an interrupt could be taken. */
  windowRequested: boolean;
  /** Instructions retired since reset of the loaded vcpu (an exact integer below 2^53). */
  retired: number;
  /** Time-stamp counter: set by the world switch and by virtual time. Called by RDTSC with the exact count of retired instructions. */
  timestampSource: (retired: number) => bigint;
  /** Of the loaded vcpu's local APIC, if it has one: where no memory is, a load of a doubleword asks here first. */
  registers: ReadableRegisters | undefined;
  /** Drops all cached translations, under whatever tag. */
  setHardwarePaging(paging: HardwarePaging): void;
  /** The same, but those cached under a tag are kept if the tables have one. */
  loadRoot(paging: HardwarePaging): void;
  /** All cached translations. */
  translations(): Iterable<CachedTranslation>;
  /** Drops cached translations: all but global ones; all; of one page; under one tag. */
  flushTlb(): void;
  flushTlbAll(): void;
  flushTlbPage(gva: Gva): void;
  flushTlbTag(tag: number): void;
  /** Bytes written to machine memory behind the CPU's back (device, loader, pager): decoded code there is dropped. */
  memoryWritten(hpa: number, sizeBytes: number): void;
  /** World switch: the register file, STATE_SIZE bytes, plus what is not in memory. */
  saveState(into: Uint8Array): void;
  loadState(from: Uint8Array): void;
  /**
   * INIT, and the start-up message after it: registers as after power-on but for the FPU's, MSRs (but EFER), CD and NW of CR0, the time-stamp counter and
   * the count of retired instructions. Begins in real mode at the page `vector` (0 to 255); with -1 at the reset vector.
   */
  init(vector: number): void;
  /** Power-on state at F000:FFF0. */
  reset(): void;
}
