/**
 * The real-time clock and CMOS memory of a PC/AT (Motorola MC146818A datasheet): an index port, a data port, the time
 * of day, an alarm, a periodic interrupt, and a hundred bytes of memory in which the firmware tells what the machine has.
 *
 * The time is that of the virtual clock, counted from an epoch that is given and not taken from the host, so that runs
 * repeat. Time registers and flags are computed when somebody looks; alarms are armed only for interrupts that the guest
 * enabled, and none while one of them is already raised.
 */

import {
  type AlarmedDevice,
  type DeviceClock,
  type IrqLine,
  type PortDevice,
  readAsBytes,
  writeAsBytes,
} from "./device.ts";
import {
  decodeTime,
  encodeTime,
  type RtcFormat,
  type RtcTime,
  SECONDS_PER_DAY,
  secondsToAlarm,
} from "./rtc-calendar.ts";
import { NS_PER_SECOND, nsOfTick, ticksAt } from "./ticks.ts";

const INDEX_PORT = 0x70;
const DATA_PORT = 0x71;
/** Bit 7 of the index port keeps NMIs from the processor. */
const INDEX_NMI_MASK = 0x80;
const INDEX_BITS = 0x7f;

const ALARM_SECONDS = 0x01;
const ALARM_MINUTES = 0x03;
const ALARM_HOURS = 0x05;
const REGISTER_A = 0x0a;
const REGISTER_B = 0x0b;
const REGISTER_C = 0x0c;
const REGISTER_D = 0x0d;
/** Which index holds which part of the time. */
const TIME_REGISTERS: ReadonlyMap<number, keyof RtcTime> = new Map([
  [0x00, "seconds"],
  [0x02, "minutes"],
  [0x04, "hours"],
  [0x06, "weekday"],
  [0x07, "day"],
  [0x08, "month"],
  [0x09, "year"],
  [0x32, "century"],
]);

/** CMOS memory by the PC/AT's convention; sizes are two bytes, low first. */
const CMOS_EQUIPMENT = 0x14;
const CMOS_BASE_MEMORY_KIB = 0x15;
const CMOS_EXTENDED_MEMORY_KIB = 0x17;
const CMOS_EXTENDED_MEMORY_KIB_AGAIN = 0x30;
/** Memory above 16 MiB in units of 64 KiB. */
const CMOS_HIGH_MEMORY = 0x34;
/** What SeaBIOS and Bochs' BIOS read: boot devices (first and second by nibble, the third above a flag), how disks' addresses are translated (two bits each). */
const CMOS_BOOT_THIRD = 0x38;
const CMOS_DISK_TRANSLATION = 0x39;
const CMOS_BOOT_ORDER = 0x3d;
/** Processors beside the first, as SeaBIOS counts them. */
const CMOS_OTHER_CPUS = 0x5f;
const NO_FLOPPY_CHECK = 1;
const BootDevice = { disk: 2, cdrom: 3 } as const;
const TRANSLATE_LBA = 1;
/** What 1024 cylinders of 16 heads with 63 sectors hold. */
const SECTORS_WITHOUT_TRANSLATION = 1024 * 16 * 63;
const CMOS_BYTES = 128;
const EQUIPMENT_COPROCESSOR = 0x02;
const BASE_MEMORY_KIB = 640;

/** Register A: update in progress (read-only), divider, rate. */
const A_UPDATE_IN_PROGRESS = 0x80;
/** Divider bits 6..5 both set hold the divider in reset. */
const A_DIVIDER_RESET = 0x60;
const A_RATE = 0x0f;
/** A 32.768 kHz crystal and 1024 Hz, as firmware leaves it. */
const A_DEFAULT = 0x26;

const B_SET = 0x80;
const B_PERIODIC = 0x40;
const B_ALARM = 0x20;
const B_UPDATE = 0x10;
const B_SQUARE_WAVE = 0x08;
const B_BINARY = 0x04;
const B_HOURS24 = 0x02;
/** BCD and 24 hours, as firmware leaves it. */
const B_DEFAULT = B_HOURS24;

/** Register C's flags are at the places of register B's enables. */
const C_INTERRUPT = 0x80;
const C_PERIODIC = B_PERIODIC;
const C_ALARM = B_ALARM;
const C_UPDATE = B_UPDATE;

/** Register D: the battery is good, so time and memory are valid. */
const D_VALID = 0x80;

const CRYSTAL_HZ = 32_768;
/** "Update in progress" is up for 244 us before an update and during its 1984 us; the new second begins with its end. */
const UPDATE_WINDOW_NS = 244_000 + 1_984_000;
/** After the divider's reset ends, the first update comes half a second later. */
const FIRST_UPDATE_NS = NS_PER_SECOND / 2;
/** Software must not depend on it, but runs must repeat: the machine's world begins in 2026. */
const DEFAULT_EPOCH_SECONDS = Date.UTC(2026, 0, 1) / 1000;

const INTERRUPT_ALARM = "interrupt";

export interface Mc146818State {
  index: number;
  nmiMasked: boolean;
  /** All 128 bytes; the places of the time, of register A's bit 7, of C and of D are unused. */
  cmos: number[];
  /** The time of the clock at `phaseNs`, in seconds since 1970 in the clock's own (zoneless) calendar. */
  baseSeconds: number;
  /** The virtual time at which the divider last began a second; whole seconds from there on are updates. */
  phaseNs: number;
  /** Days that the weekday register is ahead of the calendar's weekday. */
  weekdayShift: number;
  /** The time bytes while the clock stands still (SET, or the divider in reset), null while it runs. */
  stopped: RtcTime | null;
  /** Register C's flags, complete up to `settledNs`. */
  flags: number;
  settledNs: number;
}

export interface Mc146818Options {
  readonly irq: IrqLine;
  readonly clock: DeviceClock;
  /** Physical memory that the CMOS memory tells of. */
  readonly memoryBytes: number;
  /** Processors that it tells of. Default 1. */
  readonly cpus?: number;
  /** Of the four disks of the IDE controller, undefined where there is none. */
  readonly diskSectors?: readonly (number | undefined)[];
  /** The clock's time at virtual time 0, in seconds since 1970; 2026-01-01T00:00:00 by default. */
  readonly epochSeconds?: number;
  /** State of the chip before a reset of the machine: its battery keeps time and memory. Instead of the epoch. */
  readonly kept?: Mc146818State;
}

export class Mc146818 implements PortDevice, AlarmedDevice {
  readonly name = "rtc";
  readonly ports = [{ first: INDEX_PORT, count: 2 }];
  readonly state: Mc146818State;
  private readonly irq: IrqLine;
  private readonly clock: DeviceClock;

  constructor(options: Mc146818Options) {
    this.irq = options.irq;
    this.clock = options.clock;
    this.state =
      options.kept === undefined ? powerOnState(options) : afterReset(options.kept, options.clock.nowNs());
  }

  readPort(port: number, sizeBytes: number): number {
    // The index port is for writing only.
    return readAsBytes(port, sizeBytes, (at) => (at === DATA_PORT ? this.readData() : 0xff));
  }

  writePort(port: number, sizeBytes: number, value: number): void {
    writeAsBytes(port, sizeBytes, value, (at, byte) => {
      if (at === INDEX_PORT) {
        this.state.index = byte & INDEX_BITS;
        this.state.nmiMasked = (byte & INDEX_NMI_MASK) !== 0;
      } else if (at === DATA_PORT) {
        this.writeData(byte);
      }
    });
  }

  alarm(id: string, _nowNs: number): void {
    if (id !== INTERRUPT_ALARM) return;
    this.settle();
    this.updateIrq();
  }

  /** The clock's time now, in seconds since 1970. */
  seconds(): number {
    const { state } = this;
    if (state.stopped !== null) return decodeTime(state.stopped, this.format()).seconds;
    return state.baseSeconds + this.secondsSincePhase(this.clock.nowNs());
  }

  private readData(): number {
    const { state } = this;
    const part = TIME_REGISTERS.get(state.index);
    if (part !== undefined) return this.time()[part];
    switch (state.index) {
      case REGISTER_A:
        return state.cmos[REGISTER_A]! | (this.isUpdating() ? A_UPDATE_IN_PROGRESS : 0);
      case REGISTER_C:
        return this.readRegisterC();
      case REGISTER_D:
        return D_VALID;
      default:
        return state.cmos[state.index]!;
    }
  }

  private writeData(byte: number): void {
    const { state } = this;
    this.settle();
    const part = TIME_REGISTERS.get(state.index);
    if (part !== undefined) this.writeTime(part, byte);
    else if (state.index === REGISTER_A) this.writeControl(REGISTER_A, byte & ~A_UPDATE_IN_PROGRESS);
    else if (state.index === REGISTER_B) this.writeRegisterB(byte);
    else if (state.index !== REGISTER_C && state.index !== REGISTER_D) state.cmos[state.index] = byte;
    this.updateIrq();
  }

  private time(): RtcTime {
    const { state } = this;
    return state.stopped ?? encodeTime(this.seconds(), state.weekdayShift, this.format());
  }

  private writeTime(part: keyof RtcTime, byte: number): void {
    const time = { ...this.time(), [part]: byte };
    if (this.state.stopped !== null) this.state.stopped = time;
    else this.setTime(time);
  }

  private writeRegisterB(byte: number): void {
    const isSetting = (byte & ~this.state.cmos[REGISTER_B]! & B_SET) !== 0;
    // The rise of SET clears the enable of the update interrupt.
    this.writeControl(REGISTER_B, isSetting ? byte & ~B_UPDATE : byte);
  }

  /** Registers A and B: both can stop the clock and start it again. */
  private writeControl(register: number, byte: number): void {
    const { state } = this;
    const wasReset = this.isDividerReset();
    const time = this.time();
    state.cmos[register] = byte;
    const stops = this.isDividerReset() || (state.cmos[REGISTER_B]! & B_SET) !== 0;
    if (wasReset && !this.isDividerReset()) this.restartDivider();
    if (stops) {
      state.stopped ??= time;
    } else if (state.stopped !== null) {
      const stopped = state.stopped;
      state.stopped = null;
      this.setTime(stopped);
    }
  }

  /** Half a second from now is the next update; the time of day that was is kept across the change of phase. */
  private restartDivider(): void {
    const { state } = this;
    const now = this.clock.nowNs();
    state.phaseNs = now - FIRST_UPDATE_NS;
    state.settledNs = now;
  }

  private setTime(time: RtcTime): void {
    const { state } = this;
    const { seconds, weekdayShift } = decodeTime(time, this.format());
    state.baseSeconds = seconds - this.secondsSincePhase(this.clock.nowNs());
    state.weekdayShift = weekdayShift;
  }

  private readRegisterC(): number {
    const { state } = this;
    this.settle();
    const value = state.flags | (this.interrupts() ? C_INTERRUPT : 0);
    state.flags = 0;
    this.updateIrq();
    return value;
  }

  /** Brings the flags up to date: whatever happened since the last time leaves its flag, enabled or not. */
  private settle(): void {
    const { state } = this;
    const now = this.clock.nowNs();
    const from = state.settledNs;
    state.settledNs = now;
    if (now <= from || this.isDividerReset()) return;
    const period = this.periodCycles();
    if (period > 0) {
      const before = Math.floor(ticksAt(from - state.phaseNs, CRYSTAL_HZ) / period);
      if (Math.floor(ticksAt(now - state.phaseNs, CRYSTAL_HZ) / period) > before) state.flags |= C_PERIODIC;
    }
    if (state.stopped !== null) return;
    const first = this.secondsSincePhase(from);
    const updates = this.secondsSincePhase(now) - first;
    if (updates === 0) return;
    state.flags |= C_UPDATE;
    const toAlarm = this.secondsToAlarm(state.baseSeconds + first);
    if (toAlarm !== undefined && toAlarm <= updates) state.flags |= C_ALARM;
  }

  private updateIrq(): void {
    const raised = this.interrupts();
    this.irq.set(raised);
    const atNs = raised ? undefined : this.nextInterruptNs();
    if (atNs === undefined) this.clock.cancel(INTERRUPT_ALARM);
    else this.clock.arm(INTERRUPT_ALARM, atNs);
  }

  private interrupts(): boolean {
    return (this.state.flags & this.state.cmos[REGISTER_B]! & (C_PERIODIC | C_ALARM | C_UPDATE)) !== 0;
  }

  /** When the next enabled interrupt comes; undefined when none is enabled or can come. */
  private nextInterruptNs(): number | undefined {
    const { state } = this;
    if (this.isDividerReset()) return undefined;
    const enabled = state.cmos[REGISTER_B]!;
    const since = this.clock.nowNs() - state.phaseNs;
    const times: number[] = [];
    const period = this.periodCycles();
    if ((enabled & B_PERIODIC) !== 0 && period > 0) {
      const next = (Math.floor(ticksAt(since, CRYSTAL_HZ) / period) + 1) * period;
      times.push(nsOfTick(next, CRYSTAL_HZ));
    }
    if (state.stopped === null) {
      const second = Math.floor(since / NS_PER_SECOND);
      if ((enabled & B_UPDATE) !== 0) times.push((second + 1) * NS_PER_SECOND);
      if ((enabled & B_ALARM) !== 0) {
        const toAlarm = this.secondsToAlarm(state.baseSeconds + second);
        if (toAlarm !== undefined) times.push((second + toAlarm) * NS_PER_SECOND);
      }
    }
    return times.length === 0 ? undefined : state.phaseNs + Math.min(...times);
  }

  private secondsToAlarm(seconds: number): number | undefined {
    const { cmos } = this.state;
    const secondOfDay = ((seconds % SECONDS_PER_DAY) + SECONDS_PER_DAY) % SECONDS_PER_DAY;
    const alarm = {
      seconds: cmos[ALARM_SECONDS]!,
      minutes: cmos[ALARM_MINUTES]!,
      hours: cmos[ALARM_HOURS]!,
    };
    return secondsToAlarm(secondOfDay, alarm, this.format());
  }

  private isUpdating(): boolean {
    const { state } = this;
    if (state.stopped !== null) return false;
    return NS_PER_SECOND - ((this.clock.nowNs() - state.phaseNs) % NS_PER_SECOND) <= UPDATE_WINDOW_NS;
  }

  private isDividerReset(): boolean {
    return (this.state.cmos[REGISTER_A]! & A_DIVIDER_RESET) === A_DIVIDER_RESET;
  }

  /** Crystal cycles between periodic interrupts, 0 for none. Rates 1 and 2 are those of 8 and 9, says the datasheet. */
  private periodCycles(): number {
    const rate = this.state.cmos[REGISTER_A]! & A_RATE;
    if (rate === 0) return 0;
    return 1 << ((rate <= 2 ? rate + 7 : rate) - 1);
  }

  private secondsSincePhase(ns: number): number {
    return Math.floor((ns - this.state.phaseNs) / NS_PER_SECOND);
  }

  private format(): RtcFormat {
    const b = this.state.cmos[REGISTER_B]!;
    return { binary: (b & B_BINARY) !== 0, hours24: (b & B_HOURS24) !== 0 };
  }
}

function powerOnState(options: Mc146818Options): Mc146818State {
  return {
    index: 0,
    nmiMasked: false,
    cmos: powerOnCmos(options),
    baseSeconds: options.epochSeconds ?? DEFAULT_EPOCH_SECONDS,
    phaseNs: 0,
    weekdayShift: 0,
    stopped: null,
    flags: 0,
    settledNs: 0,
  };
}

/** The RESET pin clears flags and the enables of interrupts, and nothing else. */
function afterReset(before: Mc146818State, nowNs: number): Mc146818State {
  const state = structuredClone(before);
  state.cmos[REGISTER_B]! &= ~(B_PERIODIC | B_ALARM | B_UPDATE | B_SQUARE_WAVE);
  return { ...state, index: 0, nmiMasked: false, flags: 0, settledNs: nowNs };
}

function powerOnCmos({ memoryBytes, cpus = 1, diskSectors = [] }: Mc146818Options): number[] {
  const cmos = new Array<number>(CMOS_BYTES).fill(0);
  const put16 = (index: number, value: number) => {
    const limited = Math.max(0, Math.min(value, 0xffff));
    cmos[index] = limited & 0xff;
    cmos[index + 1] = limited >> 8;
  };
  const memoryKib = Math.floor(memoryBytes / 1024);
  put16(CMOS_BASE_MEMORY_KIB, Math.min(memoryKib, BASE_MEMORY_KIB));
  put16(CMOS_EXTENDED_MEMORY_KIB, memoryKib - 1024);
  put16(CMOS_EXTENDED_MEMORY_KIB_AGAIN, memoryKib - 1024);
  put16(CMOS_HIGH_MEMORY, Math.floor((memoryKib - 16 * 1024) / 64));
  cmos[CMOS_EQUIPMENT] = EQUIPMENT_COPROCESSOR;
  cmos[CMOS_BOOT_THIRD] = NO_FLOPPY_CHECK;
  cmos[CMOS_BOOT_ORDER] = BootDevice.disk | (BootDevice.cdrom << 4);
  cmos[CMOS_OTHER_CPUS] = cpus - 1;
  for (const [n, sectors] of diskSectors.entries())
    if ((sectors ?? 0) > SECTORS_WITHOUT_TRANSLATION)
      cmos[CMOS_DISK_TRANSLATION] = (cmos[CMOS_DISK_TRANSLATION] as number) | (TRANSLATE_LBA << (2 * n));
  cmos[REGISTER_A] = A_DEFAULT;
  cmos[REGISTER_B] = B_DEFAULT;
  return cmos;
}
