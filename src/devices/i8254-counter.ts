/**
 * One counter of an 8254 (Intel 8254 datasheet, order number 231164), computed lazily: nothing happens between
 * accesses, and `advanceCounter` then moves the counter by any number of clock pulses in closed form, with the very result that
 * pulse-by-pulse counting has.
 *
 * Vocabulary of the datasheet: CR is the count register that software writes, CE the counting element, OL the output
 * latch. Counts are kept as plain numbers from 1 to 65536 (binary) or 10000 (BCD), both written as 0.
 */

/** Which bytes of the count an access moves (control word bits 5..4). */
export type ByteAccess = 1 | 2 | 3;
export const ACCESS_LOW = 1;
export const ACCESS_HIGH = 2;
export const ACCESS_BOTH = 3;

/** Status byte: level of OUT; the count in CR has not reached CE yet. */
const STATUS_OUT = 0x80;
const STATUS_NULL_COUNT = 0x40;
const CONTROL_BITS = 0x3f;
const CONTROL_BCD = 0x01;

export interface CounterState {
  /** Control word bits 5..0 as written: access, mode, BCD. */
  control: number;
  out: boolean;
  gate: boolean;
  /** CR: the last complete count written, 0 when none since the control word. */
  cr: number;
  /** CE. Between 0 and the modulus; the modulus itself only right after loading it. */
  ce: number;
  /** The count that CE was last loaded from (mode 3 needs its parity, and its halves). */
  active: number;
  /** CE has been loaded since the control word. */
  loaded: boolean;
  /** CR goes into CE at the next clock pulse: because it was written (modes 0, 4, first time 2, 3), or by the gate. */
  loadNext: boolean;
  /** Mode 0, between the two bytes of a count: counting stands still. */
  halted: boolean;
  /** Modes 0, 1, 4, 5: the terminal count has been reached since the load, so OUT acts no more. */
  expired: boolean;
  nullCount: boolean;
  /** The low byte of a two-byte count, until the high byte comes; -1 when none waits. */
  lowByte: number;
  /** The next read of a two-byte count gives the high byte. */
  readHigh: boolean;
  /** OL while a latched count waits to be read, else -1. */
  latchedCount: number;
  /** A latched status byte, else -1. */
  latchedStatus: number;
  /** The clock pulse up to which all this is computed. */
  tick: number;
}

/**
 * A counter after power-on. The datasheet leaves it undefined; as mode 0 without a count it stands still with OUT low
 * and raises nothing until it is programmed.
 */
export function powerOnCounter(gate: boolean): CounterState {
  return {
    control: ACCESS_BOTH << 4,
    out: false,
    gate,
    cr: 0,
    ce: 0,
    active: 0,
    loaded: false,
    loadNext: false,
    halted: false,
    expired: false,
    nullCount: true,
    lowByte: -1,
    readHigh: false,
    latchedCount: -1,
    latchedStatus: -1,
    tick: 0,
  };
}

/** The counter's mode 0 to 5 (6 and 7 are other names of 2 and 3). */
export function modeOf(counter: CounterState): number {
  const mode = (counter.control >> 1) & 7;
  return mode > 5 ? mode - 4 : mode;
}

/** Moves the counter to the clock pulse `tick`. True exactly when OUT rose from low to high on the way, at least once. */
export function advanceCounter(counter: CounterState, tick: number): boolean {
  let pulses = tick - counter.tick;
  if (pulses <= 0) return false;
  counter.tick = tick;
  let rose = false;
  if (counter.loadNext) {
    rose = load(counter);
    pulses--;
  }
  if (pulses === 0 || !counter.loaded) return rose;
  switch (modeOf(counter)) {
    case 0:
      if (counter.gate && !counter.halted) return count(counter, pulses) || rose;
      return rose;
    case 1:
      return count(counter, pulses) || rose;
    case 2:
      return counter.gate ? divideRate(counter, pulses) || rose : rose;
    case 3:
      return counter.gate ? squareWave(counter, pulses) || rose : rose;
    default:
      return strobe(counter, pulses) || rose;
  }
}

/**
 * In how many clock pulses OUT changes next, if no access comes between: never later than the truth, and exact whenever
 * OUT does change then. Infinity: not at all.
 */
export function pulsesToEvent(counter: CounterState): number {
  if (counter.loadNext) return 1;
  if (!counter.loaded) return Infinity;
  switch (modeOf(counter)) {
    case 0:
      return counter.gate && !counter.halted && !counter.expired ? counter.ce : Infinity;
    case 1:
      return counter.expired ? Infinity : counter.ce;
    case 2:
      if (!counter.gate) return Infinity;
      if (counter.active === 1 && counter.cr === 1) return Infinity;
      return counter.ce > 1 ? counter.ce - 1 : 1;
    case 3:
      if (!counter.gate) return Infinity;
      if (counter.active === 1 && counter.cr === 1) return Infinity;
      return halfPulses(counter);
    default:
      if (!counter.out) return 1;
      return counter.expired || !strobeCounts(counter) ? Infinity : counter.ce;
  }
}

/** A control word for this counter (not a latch command): everything starts anew, OUT takes the mode's first level. */
export function writeControl(counter: CounterState, control: number): void {
  counter.control = control & CONTROL_BITS;
  counter.out = modeOf(counter) !== 0;
  counter.cr = 0;
  counter.loaded = false;
  counter.loadNext = false;
  counter.halted = false;
  counter.expired = false;
  counter.nullCount = true;
  counter.lowByte = -1;
  counter.readHigh = false;
  counter.latchedCount = -1;
  counter.latchedStatus = -1;
}

/** A byte of the count, written at the clock pulse that the counter has been advanced to. */
export function writeCount(counter: CounterState, byte: number): void {
  switch (counter.control >> 4) {
    case ACCESS_LOW:
      acceptCount(counter, byte);
      return;
    case ACCESS_HIGH:
      acceptCount(counter, byte << 8);
      return;
    default:
      if (counter.lowByte >= 0) {
        acceptCount(counter, counter.lowByte | (byte << 8));
        return;
      }
      counter.lowByte = byte;
      if (modeOf(counter) === 0) {
        counter.halted = true;
        counter.out = false;
      }
  }
}

/** The next byte that the counter's port reads: a latched status, a latched count, or the live count. */
export function readCount(counter: CounterState): number {
  if (counter.latchedStatus >= 0) {
    const status = counter.latchedStatus;
    counter.latchedStatus = -1;
    return status;
  }
  const value = counter.latchedCount >= 0 ? counter.latchedCount : visibleCount(counter);
  const access = counter.control >> 4;
  if (access === ACCESS_BOTH && !counter.readHigh) {
    counter.readHigh = true;
    return value & 0xff;
  }
  counter.readHigh = false;
  counter.latchedCount = -1;
  return access === ACCESS_LOW ? value & 0xff : value >> 8;
}

/** Latches the count; a count already latched and not yet read stays. */
export function latchCount(counter: CounterState): void {
  if (counter.latchedCount < 0) counter.latchedCount = visibleCount(counter);
}

/** Latches the status byte; one already latched and not yet read stays. */
export function latchStatus(counter: CounterState): void {
  if (counter.latchedStatus >= 0) return;
  counter.latchedStatus =
    (counter.out ? STATUS_OUT : 0) | (counter.nullCount ? STATUS_NULL_COUNT : 0) | counter.control;
}

/** The GATE input, at the clock pulse that the counter has been advanced to. */
export function setGate(counter: CounterState, level: boolean): void {
  if (counter.gate === level) return;
  counter.gate = level;
  const mode = modeOf(counter);
  const isPeriodic = mode === 2 || mode === 3;
  if (level) {
    // A rising gate triggers modes 1 and 5, and starts the period anew in modes 2 and 3, all at the next clock pulse.
    if (counter.cr !== 0 && (isPeriodic || mode === 1 || mode === 5)) counter.loadNext = true;
  } else if (isPeriodic) {
    counter.out = true;
  }
}

/** The count as the data port shows it, 16 bits, in BCD when the control word says so. */
export function visibleCount(counter: CounterState): number {
  if (!isBcd(counter)) return counter.ce & 0xffff;
  const count = counter.ce % 10000;
  const digit = (power: number) => Math.floor(count / power) % 10;
  return (digit(1000) << 12) | (digit(100) << 8) | (digit(10) << 4) | digit(1);
}

function isBcd(counter: CounterState): boolean {
  return (counter.control & CONTROL_BCD) !== 0;
}

function modulusOf(counter: CounterState): number {
  return isBcd(counter) ? 10000 : 0x10000;
}

/** The complete 16-bit value goes into CR. */
function acceptCount(counter: CounterState, value: number): void {
  counter.lowByte = -1;
  counter.halted = false;
  counter.nullCount = true;
  counter.cr = countOf(counter, value);
  switch (modeOf(counter)) {
    case 0:
      counter.out = false;
      counter.loadNext = true;
      return;
    case 4:
      counter.loadNext = true;
      return;
    case 2:
    case 3:
      // The first count after the control word starts the counter; later ones wait for the end of the period.
      if (!counter.loaded) counter.loadNext = true;
      return;
    default: // Modes 1 and 5 wait for the gate.
  }
}

/** 16 bits as a count; digits above 9 in BCD (which the datasheet forbids) weigh what they say. */
function countOf(counter: CounterState, value: number): number {
  const modulus = modulusOf(counter);
  if (!isBcd(counter)) return value === 0 ? modulus : value;
  const decimal = (value >> 12) * 1000 + ((value >> 8) & 15) * 100 + ((value >> 4) & 15) * 10 + (value & 15);
  return decimal % modulus === 0 ? modulus : decimal % modulus;
}

/** The clock pulse that moves CR into CE; that pulse does not count. True when OUT rises by it. */
function load(counter: CounterState): boolean {
  const before = counter.out;
  const mode = modeOf(counter);
  counter.loadNext = false;
  counter.loaded = true;
  counter.nullCount = false;
  counter.expired = false;
  counter.active = counter.cr;
  counter.ce = mode === 3 ? evenPart(counter.cr) : counter.cr;
  if (mode === 0 || mode === 1) counter.out = false;
  else if (mode === 2) counter.out = counter.ce !== 1 || !counter.gate;
  else counter.out = true;
  return counter.out && !before;
}

/** Modes 0 and 1: OUT goes high at zero and stays; CE counts on around. */
function count(counter: CounterState, pulses: number): boolean {
  const reachesZero = !counter.expired && pulses >= counter.ce;
  countDown(counter, pulses);
  if (!reachesZero) return false;
  counter.expired = true;
  const rises = !counter.out;
  counter.out = true;
  return rises;
}

/** Mode 2: OUT is low for the pulse in which CE is 1, then CE is loaded anew. A count of 1 (illegal) keeps it low. */
function divideRate(counter: CounterState, pulses: number): boolean {
  if (pulses < counter.ce) {
    counter.ce -= pulses;
    counter.out = counter.ce !== 1;
    return false;
  }
  const after = pulses - counter.ce;
  reload(counter);
  counter.ce = counter.active - (after % counter.active);
  counter.out = counter.ce !== 1;
  return counter.active > 1;
}

/**
 * Mode 3: CE counts by two, and at each end of a half period OUT flips and CE is loaded anew with the even part of the
 * count; of an odd count the high half is one pulse longer. A count of 1 (illegal) keeps OUT high, and the legal count
 * after it begins with a high half.
 */
function squareWave(counter: CounterState, pulses: number): boolean {
  let left = pulses;
  let rose = false;
  let isPeriodSkipped = false;
  for (;;) {
    const half = halfPulses(counter);
    if (left < half) {
      counter.ce -= 2 * left;
      return rose;
    }
    left -= half;
    const wasOne = counter.active === 1;
    reload(counter);
    counter.ce = evenPart(counter.active);
    if (counter.active === 1) {
      rose ||= !counter.out;
      counter.out = true;
      return rose;
    }
    const next = wasOne || !counter.out;
    rose ||= next && !counter.out;
    counter.out = next;
    if (!isPeriodSkipped) {
      isPeriodSkipped = true;
      rose ||= left >= counter.active;
      left %= counter.active;
    }
  }
}

/** Modes 4 and 5: OUT is low for the one pulse in which CE first is zero. */
function strobe(counter: CounterState, pulses: number): boolean {
  const before = counter.out;
  counter.out = true;
  if (!strobeCounts(counter)) return !before;
  const toZero = counter.expired ? Infinity : counter.ce;
  countDown(counter, pulses);
  if (pulses < toZero) return !before;
  counter.expired = true;
  counter.out = pulses > toZero;
  return counter.out || !before;
}

/** The gate stops mode 4, but only triggers mode 5. */
function strobeCounts(counter: CounterState): boolean {
  return counter.gate || modeOf(counter) === 5;
}

function countDown(counter: CounterState, pulses: number): void {
  const modulus = modulusOf(counter);
  counter.ce = (((counter.ce - pulses) % modulus) + modulus) % modulus;
}

/** Takes a new count from CR at the end of a period or half period. */
function reload(counter: CounterState): void {
  counter.active = counter.cr;
  counter.nullCount = false;
}

function evenPart(value: number): number {
  return value - (value % 2);
}

/** Mode 3: clock pulses until this half period ends. */
function halfPulses(counter: CounterState): number {
  if (counter.active === 1) return 1;
  const isLong = counter.out && counter.active % 2 === 1;
  return counter.ce / 2 + (isLong ? 1 : 0);
}
