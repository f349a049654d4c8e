import { allOnes, type DeviceClock, type PortDevice } from "./device.ts";
import { PIT_HZ } from "./i8254.ts";
import { ticksAt } from "./ticks.ts";

/** "System control port B" of the PC/AT. */
export const PORT61 = 0x61;

const GATE2 = 0x01;
/** The speaker follows OUT of counter 2. */
const SPEAKER = 0x02;
/** Switches off the memory-parity and the channel-check NMI (there is nothing that could raise either). */
const NO_PARITY_CHECK = 0x04;
const NO_CHANNEL_CHECK = 0x08;
const WRITABLE = GATE2 | SPEAKER | NO_PARITY_CHECK | NO_CHANNEL_CHECK;
/** Flips with every refresh of the memory. */
const REFRESH_TOGGLE = 0x10;
const OUT2 = 0x20;

/** Clock pulses of the timer between two refreshes: 15.085 us, by which old software measures time. */
const REFRESH_PULSES = 18;

export interface Port61State {
  /** Bits 3..0 as written. */
  control: number;
}

/** The part of the interval timer that this port reaches. */
export interface Counter2 {
  setGate2(level: boolean): void;
  out2(): boolean;
}

export class Port61 implements PortDevice {
  readonly name = "port61";
  readonly ports = [{ first: PORT61, count: 1 }];
  readonly state: Port61State = { control: 0 };
  private readonly counter2: Counter2;
  private readonly clock: DeviceClock;
  private readonly speaker: ((on: boolean) => void) | undefined;

  /** `speaker` hears when the guest connects the speaker to counter 2 and when it disconnects it. */
  constructor(counter2: Counter2, clock: DeviceClock, speaker?: (on: boolean) => void) {
    this.counter2 = counter2;
    this.clock = clock;
    this.speaker = speaker;
  }

  readPort(port: number, sizeBytes: number): number {
    if (port !== PORT61) return allOnes(sizeBytes);
    const refreshes = Math.floor(ticksAt(this.clock.nowNs(), PIT_HZ) / REFRESH_PULSES);
    const toggle = refreshes % 2 === 1 ? REFRESH_TOGGLE : 0;
    const byte = this.state.control | toggle | (this.counter2.out2() ? OUT2 : 0);
    return ((allOnes(sizeBytes) & ~0xff) | byte) >>> 0;
  }

  writePort(port: number, _sizeBytes: number, value: number): void {
    if (port !== PORT61) return;
    const before = this.state.control;
    this.state.control = value & WRITABLE;
    this.counter2.setGate2((value & GATE2) !== 0);
    if (((before ^ value) & SPEAKER) !== 0) this.speaker?.((value & SPEAKER) !== 0);
  }
}
