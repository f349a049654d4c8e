import type { ApicDestination, ApicMessage } from "./local-apic.ts";
import { DeliveryMode } from "./local-apic.ts";

/** The pins of an 82093AA. */
export const IO_APIC_PINS = 24;
/** ISA interrupt 0 (the timer) is wired to pin 2, all others to the pin of their number. */
export const pinOfLine = (line: number): number => (line === 0 ? 2 : line);

const SELECT = 0x00;
const WINDOW = 0x10;
const EOI = 0x40;
const VERSION = 0x20 | ((IO_APIC_PINS - 1) << 16);
const FIRST_REDIRECTION = 0x10;

const MASKED = 1 << 16;
const LEVEL = 1 << 15;
const REMOTE_IRR = 1 << 14;
const DELIVERING = 1 << 12;
const LOGICAL = 1 << 11;
/** What software can write of the low word of a redirection entry. */
const WRITABLE = 0x1afff & ~DELIVERING;

export interface IoApicState {
  id: number;
  select: number;
  /** Low and high words of the redirection entries. */
  low: number[];
  high: number[];
  /** Levels of the pins, a bit each. */
  pins: number;
}

/** Sends a message over the interrupt bus. */
export type IoApicSend = (message: ApicMessage, to: ApicDestination) => void;

/**
 * An 82093AA I/O APIC. Polarity is held and not acted upon: lines are given as asserted or not. Edges of a masked pin are lost, levels are seen when
 * it is unmasked.
 */
export class IoApic {
  readonly state: IoApicState;
  readonly #send: IoApicSend;

  constructor(id: number, send: IoApicSend) {
    this.#send = send;
    this.state = {
      id,
      select: 0,
      low: Array(IO_APIC_PINS).fill(MASKED),
      high: Array(IO_APIC_PINS).fill(0),
      pins: 0,
    };
  }

  setPin(pin: number, level: boolean): void {
    const { state } = this;
    const bit = 1 << pin;
    const was = (state.pins & bit) !== 0;
    state.pins = level ? state.pins | bit : state.pins & ~bit;
    if (!level || was) return;
    this.#service(pin, true);
  }

  /** The end of a level-triggered interrupt at a processor. */
  endOfInterrupt(vector: number): void {
    const { low } = this.state;
    for (let pin = 0; pin < IO_APIC_PINS; pin++) {
      const entry = low[pin] as number;
      if ((entry & 0xff) !== vector || (entry & LEVEL) === 0) continue;
      low[pin] = entry & ~REMOTE_IRR;
      this.#service(pin, false);
    }
  }

  /** `offset` from the base. */
  read(offset: number): number {
    const { state } = this;
    if (offset === SELECT) return state.select;
    if (offset !== WINDOW) return 0;
    const { select } = state;
    if (select === 0 || select === 2) return (state.id << 24) >>> 0;
    if (select === 1) return VERSION;
    const pin = (select - FIRST_REDIRECTION) >> 1;
    if (pin < 0 || pin >= IO_APIC_PINS) return 0;
    return ((select & 1 ? state.high[pin] : state.low[pin]) as number) >>> 0;
  }

  write(offset: number, value: number): void {
    const { state } = this;
    if (offset === SELECT) state.select = value & 0xff;
    else if (offset === EOI) this.endOfInterrupt(value & 0xff);
    else if (offset === WINDOW) this.#writeRegister(value);
  }

  #writeRegister(value: number): void {
    const { state } = this;
    const { select } = state;
    if (select === 0) {
      state.id = (value >>> 24) & 0xf;
      return;
    }
    const pin = (select - FIRST_REDIRECTION) >> 1;
    if (pin < 0 || pin >= IO_APIC_PINS) return;
    if (select & 1) {
      state.high[pin] = value & 0xff000000;
      return;
    }
    const old = state.low[pin] as number;
    // An entry that becomes edge-triggered forgets that it awaits an EOI.
    const awaits = (value & LEVEL) !== 0 ? old & REMOTE_IRR : 0;
    state.low[pin] = (value & WRITABLE) | awaits;
    this.#service(pin, false);
  }

  /** Sends the pin's interrupt if it has one: `edge` tells that the pin has just risen. */
  #service(pin: number, edge: boolean): void {
    const { low, high, pins } = this.state;
    const entry = low[pin] as number;
    if ((entry & MASKED) !== 0 || (pins & (1 << pin)) === 0) return;
    const level = (entry & LEVEL) !== 0;
    if (level ? (entry & REMOTE_IRR) !== 0 : !edge) return;
    if (level) low[pin] = entry | REMOTE_IRR;
    const mode = (entry >> 8) & 7;
    this.#send(
      { mode, vector: entry & 0xff, level: level && mode <= DeliveryMode.lowestPriority },
      { destination: (high[pin] as number) >>> 24, logical: (entry & LOGICAL) !== 0, shorthand: "none" },
    );
  }
}
