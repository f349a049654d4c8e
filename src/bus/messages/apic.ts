import type { ApicMessage } from "../../devices/local-apic.ts";

/** IOAPIC or local APIC → local APIC: an interrupt message over the interrupt bus, for this one. */
export interface ApicDeliver extends ApicMessage {
  readonly type: "apic.deliver";
}

/** Local APIC → IOAPIC: a processor has ended the service of a level-triggered interrupt. */
export interface ApicEoi {
  readonly type: "apic.eoi";
  readonly vector: number;
}

/** Switcher → local APIC: the processor reads a word of an MSR that the APIC keeps. Answered by `io.data`. */
export interface ApicRead {
  readonly type: "apic.read";
  readonly vcpu: number;
  /** Index of the MSR. */
  readonly register: number;
  /** 0: the low word, 4: the high one. */
  readonly offset: number;
}

/** Switcher → local APIC: the processor writes an MSR that the APIC keeps, or the time-stamp counter. Answered by `io.done`. */
export interface ApicWrite {
  readonly type: "apic.write";
  readonly vcpu: number;
  readonly register: number;
  /** Low and high word. */
  readonly value: number;
  readonly valueHigh: number;
}

export type ApicBusMessage = ApicDeliver | ApicEoi | ApicRead | ApicWrite;
