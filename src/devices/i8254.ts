import {
  type AlarmedDevice,
  type DeviceClock,
  type IrqLine,
  type PortDevice,
  readAsBytes,
  writeAsBytes,
} from "./device.ts";
import {
  advanceCounter,
  type CounterState,
  latchCount,
  latchStatus,
  powerOnCounter,
  pulsesToEvent,
  readCount,
  setGate,
  writeControl,
  writeCount,
} from "./i8254-counter.ts";
import { nsOfTick, ticksAt } from "./ticks.ts";

/** Clock of the three counters: the PC/AT's 14.31818 MHz crystal divided by 12, as every kernel rounds it. */
export const PIT_HZ = 1_193_182;

const COUNTER_PORT = 0x40;
const CONTROL_PORT = 0x43;

/** Control word bits 7..6: which counter, or 3 for the read-back command. */
const SELECT_SHIFT = 6;
const SELECT_READ_BACK = 3;
/** Control word bits 5..4: 0 is the counter latch command. */
const ACCESS_MASK = 0x30;
/** Read-back command: latch what is NOT set here, of the counters in bits 3..1. */
const READ_BACK_NO_COUNT = 0x20;
const READ_BACK_NO_STATUS = 0x10;

const OUT0_ALARM = "out0";

export interface I8254State {
  counters: [CounterState, CounterState, CounterState];
  /** The clock pulse for which the alarm of counter 0 is armed; -1 when it is not. */
  armedTick: number;
}

/**
 * The programmable interval timer of a PC/AT: counter 0 drives interrupt line 0, counter 1 once paced the refresh of the
 * memory, counter 2 makes the speaker's tone and is gated by port 0x61 (`port61.ts`).
 *
 * Counts are computed from virtual time when somebody looks; only counter 0 arms alarms, one for each change of its
 * output, at exactly the nanosecond at which the clock pulse begins.
 */
export class I8254 implements PortDevice, AlarmedDevice {
  readonly name = "pit";
  readonly ports = [{ first: COUNTER_PORT, count: 4 }];
  readonly state: I8254State = {
    counters: [powerOnCounter(true), powerOnCounter(true), powerOnCounter(false)],
    armedTick: -1,
  };
  private readonly irq0: IrqLine;
  private readonly clock: DeviceClock;

  constructor(irq0: IrqLine, clock: DeviceClock) {
    this.irq0 = irq0;
    this.clock = clock;
  }

  readPort(port: number, sizeBytes: number): number {
    return readAsBytes(port, sizeBytes, (at) => this.readByte(at));
  }

  writePort(port: number, sizeBytes: number, value: number): void {
    writeAsBytes(port, sizeBytes, value, (at, byte) => this.writeByte(at, byte));
  }

  alarm(id: string, _nowNs: number): void {
    if (id !== OUT0_ALARM) return;
    this.state.armedTick = -1;
    this.upToDate(0);
    this.armOut0();
  }

  /** Gate of counter 2, from port 0x61; the gates of 0 and 1 are wired high. */
  setGate2(level: boolean): void {
    setGate(this.upToDate(2), level);
  }

  /** OUT of counter 2 now, which port 0x61 reads. */
  out2(): boolean {
    return this.upToDate(2).out;
  }

  private readByte(port: number): number {
    const counter = this.counterAt(port);
    return counter === undefined ? 0xff : readCount(counter); // The control word cannot be read.
  }

  private writeByte(port: number, byte: number): void {
    if (port === CONTROL_PORT) {
      this.writeControlPort(byte);
      return;
    }
    const counter = this.counterAt(port);
    if (counter === undefined) return;
    writeCount(counter, byte);
    if (port === COUNTER_PORT) this.followOut0();
  }

  private writeControlPort(byte: number): void {
    const select = byte >> SELECT_SHIFT;
    if (select === SELECT_READ_BACK) {
      for (let index = 0; index < 3; index++) {
        if ((byte & (2 << index)) === 0) continue;
        const counter = this.upToDate(index);
        if ((byte & READ_BACK_NO_COUNT) === 0) latchCount(counter);
        if ((byte & READ_BACK_NO_STATUS) === 0) latchStatus(counter);
      }
      return;
    }
    const counter = this.upToDate(select);
    if ((byte & ACCESS_MASK) === 0) {
      latchCount(counter);
      return;
    }
    writeControl(counter, byte);
    if (select === 0) this.followOut0();
  }

  private counterAt(port: number): CounterState | undefined {
    const index = port - COUNTER_PORT;
    return index >= 0 && index < 3 ? this.upToDate(index) : undefined;
  }

  /** The counter, computed up to now; counter 0's edges on the way go out on the interrupt line. */
  private upToDate(index: number): CounterState {
    const counter = this.state.counters[index]!;
    const rose = advanceCounter(counter, ticksAt(this.clock.nowNs(), PIT_HZ));
    if (index === 0) {
      // When an alarm came late, OUT may have been low and high again: the edge must still be seen.
      if (rose) {
        this.irq0.set(false);
        this.irq0.set(true);
      }
      this.irq0.set(counter.out);
    }
    return counter;
  }

  /** After a write to counter 0: the line follows at once, the alarm moves. */
  private followOut0(): void {
    this.irq0.set(this.state.counters[0].out);
    this.armOut0();
  }

  private armOut0(): void {
    const counter = this.state.counters[0];
    const pulses = pulsesToEvent(counter);
    const tick = pulses === Infinity ? -1 : counter.tick + pulses;
    if (tick === this.state.armedTick) return;
    this.state.armedTick = tick;
    if (tick < 0) this.clock.cancel(OUT0_ALARM);
    else this.clock.arm(OUT0_ALARM, nsOfTick(tick, PIT_HZ));
  }
}
