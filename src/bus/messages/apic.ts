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

export type ApicBusMessage = ApicDeliver | ApicEoi;
