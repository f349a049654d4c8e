/**
 * The 16550A serial port (National Semiconductor PC16550D datasheet).
 *
 * Transmission takes no virtual time: a byte that the guest writes is at the sink when the write returns, and the
 * transmitter is empty again. A real line's 87 us per byte would only make the guest wait; nothing that it can see is
 * lost, because the interrupt "transmitter empty" still falls with the write and rises after it, as an edge.
 *
 * Reception never loses a byte from the outside: what does not fit in the FIFO waits on the host's side and moves in as
 * the guest reads. (A guest can still make an overrun, with the loop-back.)
 */

import {
  type AlarmedDevice,
  type ByteSink,
  type DeviceClock,
  type IrqLine,
  type PortDevice,
  readAsBytes,
  writeAsBytes,
} from "./device.ts";
import { NS_PER_SECOND } from "./ticks.ts";

/** Base addresses and interrupt lines of the first two serial ports of a PC. */
export const COM1 = { base: 0x3f8, irq: 4 } as const;
export const COM2 = { base: 0x2f8, irq: 3 } as const;

/** Register offsets. With LCR's DLAB set, 0 and 1 are the divisor latch. */
const DATA = 0;
const IER = 1;
/** Reads IIR, writes FCR. */
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;
const REGISTER_COUNT = 8;

const IER_RECEIVED = 0x01;
const IER_TRANSMITTER_EMPTY = 0x02;
const IER_LINE_STATUS = 0x04;
const IER_MODEM_STATUS = 0x08;
/** Bits 7..4 always read 0, by which software tells this chip from later ones. */
const IER_BITS = 0x0f;

const IIR_NONE = 0x01;
const IIR_MODEM_STATUS = 0x00;
const IIR_TRANSMITTER_EMPTY = 0x02;
const IIR_RECEIVED = 0x04;
const IIR_LINE_STATUS = 0x06;
const IIR_TIMEOUT = 0x0c;
/** Both set while the FIFOs are on; a 16550 without the A has only bit 7. */
const IIR_FIFOS = 0xc0;

const FCR_ENABLE = 0x01;
const FCR_CLEAR_RECEIVER = 0x02;
const FCR_TRIGGER_SHIFT = 6;
/** Bytes in the receiver FIFO at which it interrupts, by FCR bits 7..6. */
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;

const LCR_WORD_LENGTH = 0x03;
const LCR_TWO_STOP_BITS = 0x04;
const LCR_PARITY = 0x08;
const LCR_BREAK = 0x40;
const LCR_DLAB = 0x80;
const LCR_8N1 = 0x03;

const MCR_DTR = 0x01;
const MCR_RTS = 0x02;
const MCR_OUT1 = 0x04;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;
const MCR_BITS = 0x1f;

const LSR_DATA_READY = 0x01;
const LSR_OVERRUN = 0x02;
const LSR_BREAK = 0x10;
/** Parity, framing and break: they belong to one received byte. */
const LSR_BYTE_ERRORS = 0x1c;
const LSR_TRANSMITTER_EMPTY = 0x60;
const LSR_ERROR_IN_FIFO = 0x80;

const MSR_DELTA_CTS = 0x01;
const MSR_DELTA_DSR = 0x02;
/** The ring indicator's end, not its change. */
const MSR_RING_ENDED = 0x04;
const MSR_DELTA_DCD = 0x08;
const MSR_CTS = 0x10;
const MSR_DSR = 0x20;
const MSR_RI = 0x40;
const MSR_DCD = 0x80;

const FIFO_BYTES = 16;
/** Bit times per divisor step: the 1.8432 MHz crystal divided by 16. */
const BAUD_BASE = 115_200;
/** The receiver interrupts below its trigger level when nothing has moved for so many characters. */
const TIMEOUT_CHARACTERS = 4;
const TIMEOUT_ALARM = "timeout";
/** Consumed entries of the waiting queue that are kept at most. */
const CUT_OFF = 4096;

export interface Uart16550State {
  ier: number;
  lcr: number;
  mcr: number;
  scr: number;
  divisor: number;
  fifoEnabled: boolean;
  /** Index into the trigger levels. */
  trigger: number;
  /** The receiver: bytes, with their LSR error bits in bits 15..8. One place without the FIFO, 16 with. */
  received: number[];
  /** What has come from outside and did not fit in yet, in the same form, from index `waitingFrom` on. */
  waiting: number[];
  /** Where the queue begins. Consumed entries are cut off now and then, not one by one, so that a long paste is cheap. */
  waitingFrom: number;
  overrun: boolean;
  timeout: boolean;
  /** The "transmitter empty" interrupt: set when it empties or is enabled, cleared by a write or by being read in IIR. */
  emptyPending: boolean;
  /** Levels of the modem inputs, in the bits of MSR. */
  pins: number;
  /** Changes of the modem inputs since MSR was last read (its bits 3..0). */
  deltas: number;
}

/** The modem inputs; true is asserted. */
export interface ModemInputs {
  readonly cts: boolean;
  readonly dsr: boolean;
  readonly ri: boolean;
  readonly dcd: boolean;
}

export interface Uart16550Options {
  readonly name: string;
  /** First of its eight ports. */
  readonly base: number;
  readonly irq: IrqLine;
  readonly clock: DeviceClock;
  /** Gets every byte that the guest sends (masked to the word length), but not those it loops back to itself. */
  readonly transmit: ByteSink;
}

export class Uart16550 implements PortDevice, AlarmedDevice {
  readonly name: string;
  readonly ports;
  readonly state: Uart16550State = {
    ier: 0,
    // The chip's reset gives five-bit words and no divisor. This machine has no firmware to set the port up, so it
    // begins as firmware leaves it: a guest may write to it at once.
    lcr: LCR_8N1,
    mcr: 0,
    scr: 0,
    divisor: 1,
    fifoEnabled: false,
    trigger: 0,
    received: [],
    waiting: [],
    waitingFrom: 0,
    overrun: false,
    timeout: false,
    emptyPending: false,
    // A terminal that is there and ready.
    pins: MSR_CTS | MSR_DSR | MSR_DCD,
    deltas: 0,
  };
  private readonly base: number;
  private readonly irq: IrqLine;
  private readonly clock: DeviceClock;
  private readonly transmit: ByteSink;

  constructor(options: Uart16550Options) {
    this.name = options.name;
    this.base = options.base;
    this.ports = [{ first: options.base, count: REGISTER_COUNT }];
    this.irq = options.irq;
    this.clock = options.clock;
    this.transmit = options.transmit;
  }

  readPort(port: number, sizeBytes: number): number {
    return readAsBytes(port, sizeBytes, (at) => this.readRegister(at - this.base));
  }

  writePort(port: number, sizeBytes: number, value: number): void {
    writeAsBytes(port, sizeBytes, value, (at, byte) => this.writeRegister(at - this.base, byte));
  }

  /** Bytes from outside. They are never lost: the guest finds them in order as fast as it reads. */
  receive(bytes: Iterable<number>): void {
    for (const byte of bytes) this.state.waiting.push(byte & 0xff);
    this.admitWaiting();
    this.updateIrq();
  }

  /** A break from outside (some kernels take it for a call for attention). */
  receiveBreak(): void {
    this.state.waiting.push(LSR_BREAK << 8);
    this.admitWaiting();
    this.updateIrq();
  }

  /** Bytes from outside that the guest has not read yet, in the receiver or before it. */
  pendingInput(): number {
    return this.state.waiting.length - this.state.waitingFrom + this.state.received.length;
  }

  setModemInputs(inputs: ModemInputs): void {
    const before = this.modemLevels();
    this.state.pins =
      (inputs.cts ? MSR_CTS : 0) |
      (inputs.dsr ? MSR_DSR : 0) |
      (inputs.ri ? MSR_RI : 0) |
      (inputs.dcd ? MSR_DCD : 0);
    this.noteModemChange(before);
    this.updateIrq();
  }

  alarm(id: string, _nowNs: number): void {
    if (id !== TIMEOUT_ALARM) return;
    this.state.timeout = this.state.fifoEnabled && this.state.received.length > 0;
    this.updateIrq();
  }

  private readRegister(offset: number): number {
    const { state } = this;
    const isDivisor = (state.lcr & LCR_DLAB) !== 0;
    switch (offset) {
      case DATA:
        return isDivisor ? state.divisor & 0xff : this.readReceiver();
      case IER:
        return isDivisor ? state.divisor >> 8 : state.ier;
      case IIR_FCR:
        return this.readIir();
      case LCR:
        return state.lcr;
      case MCR:
        return state.mcr;
      case LSR:
        return this.readLsr();
      case MSR:
        return this.readMsr();
      case SCR:
        return state.scr;
      default:
        return 0xff;
    }
  }

  private writeRegister(offset: number, byte: number): void {
    const { state } = this;
    const isDivisor = (state.lcr & LCR_DLAB) !== 0;
    switch (offset) {
      case DATA:
        if (isDivisor) state.divisor = (state.divisor & 0xff00) | byte;
        else this.send(byte);
        return;
      case IER:
        if (isDivisor) state.divisor = (state.divisor & 0x00ff) | (byte << 8);
        else this.writeIer(byte);
        return;
      case IIR_FCR:
        this.writeFcr(byte);
        return;
      case LCR:
        this.writeLcr(byte);
        return;
      case MCR:
        this.writeMcr(byte);
        return;
      case SCR:
        state.scr = byte;
        return;
      default: // LSR and MSR are for reading; the datasheet keeps writes for the factory's tests.
    }
  }

  private readReceiver(): number {
    const { state } = this;
    const entry = state.received.shift() ?? 0;
    this.receiverMoved();
    // The next byte comes later on a real line: its interrupt is an edge of its own, also for handlers that read one byte each.
    this.updateIrq();
    this.admitWaiting();
    this.updateIrq();
    return entry & 0xff;
  }

  private send(byte: number): void {
    const { state } = this;
    const word = byte & this.wordMask();
    state.emptyPending = false;
    this.updateIrq();
    if ((state.mcr & MCR_LOOP) !== 0) this.loopBack(word);
    else this.transmit(word);
    state.emptyPending = true;
    this.updateIrq();
  }

  /** A byte straight into the receiver, where a full one loses: without the FIFO the old byte, with it the new one. */
  private loopBack(entry: number): void {
    const { state } = this;
    if (state.received.length < this.capacity()) {
      state.received.push(entry);
    } else {
      state.overrun = true;
      if (!state.fifoEnabled) state.received[0] = entry;
    }
    this.receiverMoved();
  }

  private writeIer(byte: number): void {
    const { state } = this;
    const before = state.ier;
    state.ier = byte & IER_BITS;
    // Enabling the interrupt while the transmitter is empty (here: always) raises it, which is how drivers start to send.
    if ((state.ier & ~before & IER_TRANSMITTER_EMPTY) !== 0) state.emptyPending = true;
    this.updateIrq();
  }

  private readIir(): number {
    const { state } = this;
    const cause = this.cause();
    if (cause === IIR_TRANSMITTER_EMPTY) {
      state.emptyPending = false;
      this.updateIrq();
    }
    return cause | (state.fifoEnabled ? IIR_FIFOS : 0);
  }

  private writeFcr(byte: number): void {
    const { state } = this;
    const enable = (byte & FCR_ENABLE) !== 0;
    const isSwitched = enable !== state.fifoEnabled;
    state.fifoEnabled = enable;
    // The other bits count only together with the enable bit; switching the FIFOs on or off empties them.
    state.trigger = enable ? byte >> FCR_TRIGGER_SHIFT : 0;
    if (isSwitched || (enable && (byte & FCR_CLEAR_RECEIVER) !== 0)) {
      state.received.length = 0;
      this.receiverMoved();
      this.admitWaiting();
    }
    this.updateIrq();
  }

  private writeLcr(byte: number): void {
    const { state } = this;
    const startsBreak = (byte & ~state.lcr & LCR_BREAK) !== 0;
    state.lcr = byte;
    if (startsBreak && (state.mcr & MCR_LOOP) !== 0) {
      this.loopBack(LSR_BREAK << 8);
      this.updateIrq();
    }
  }

  private writeMcr(byte: number): void {
    const before = this.modemLevels();
    this.state.mcr = byte & MCR_BITS;
    this.noteModemChange(before);
    this.admitWaiting();
    this.updateIrq();
  }

  private readLsr(): number {
    const { state } = this;
    const first = state.received[0];
    const anyError = state.fifoEnabled && state.received.some((entry) => entry >> 8 !== 0);
    const status =
      LSR_TRANSMITTER_EMPTY |
      (first === undefined ? 0 : LSR_DATA_READY | ((first >> 8) & LSR_BYTE_ERRORS)) |
      (state.overrun ? LSR_OVERRUN : 0) |
      (anyError ? LSR_ERROR_IN_FIFO : 0);
    state.overrun = false;
    if (first !== undefined) state.received[0] = first & 0xff;
    this.updateIrq();
    return status;
  }

  private readMsr(): number {
    const status = this.modemLevels() | this.state.deltas;
    this.state.deltas = 0;
    this.updateIrq();
    return status;
  }

  /** The modem inputs as the chip sees them: its own outputs while it loops back. */
  private modemLevels(): number {
    const { mcr, pins } = this.state;
    if ((mcr & MCR_LOOP) === 0) return pins;
    return (
      ((mcr & MCR_RTS) !== 0 ? MSR_CTS : 0) |
      ((mcr & MCR_DTR) !== 0 ? MSR_DSR : 0) |
      ((mcr & MCR_OUT1) !== 0 ? MSR_RI : 0) |
      ((mcr & MCR_OUT2) !== 0 ? MSR_DCD : 0)
    );
  }

  private noteModemChange(before: number): void {
    const now = this.modemLevels();
    const changed = before ^ now;
    if ((changed & MSR_CTS) !== 0) this.state.deltas |= MSR_DELTA_CTS;
    if ((changed & MSR_DSR) !== 0) this.state.deltas |= MSR_DELTA_DSR;
    if ((before & ~now & MSR_RI) !== 0) this.state.deltas |= MSR_RING_ENDED;
    if ((changed & MSR_DCD) !== 0) this.state.deltas |= MSR_DELTA_DCD;
  }

  /** Moves waiting bytes into the receiver as far as they fit. In loop-back the outside is disconnected: they wait. */
  private admitWaiting(): void {
    const { state } = this;
    if ((state.mcr & MCR_LOOP) !== 0) return;
    const room = this.capacity() - state.received.length;
    const end = Math.min(state.waitingFrom + room, state.waiting.length);
    if (end <= state.waitingFrom) return;
    while (state.waitingFrom < end) state.received.push(state.waiting[state.waitingFrom++]!);
    if (state.waitingFrom === state.waiting.length || state.waitingFrom >= CUT_OFF) {
      state.waiting.splice(0, state.waitingFrom);
      state.waitingFrom = 0;
    }
    this.receiverMoved();
  }

  /** A byte has come into or left the receiver: the time-out begins anew. */
  private receiverMoved(): void {
    const { state } = this;
    state.timeout = false;
    if (state.fifoEnabled && state.received.length > 0) {
      this.clock.arm(TIMEOUT_ALARM, this.clock.nowNs() + TIMEOUT_CHARACTERS * this.characterNs());
    } else {
      this.clock.cancel(TIMEOUT_ALARM);
    }
  }

  /** How long one character takes on the line, start and stop bits included. */
  private characterNs(): number {
    const { lcr, divisor } = this.state;
    const bits =
      1 +
      (5 + (lcr & LCR_WORD_LENGTH)) +
      ((lcr & LCR_PARITY) !== 0 ? 1 : 0) +
      ((lcr & LCR_TWO_STOP_BITS) !== 0 ? 2 : 1);
    // A divisor of 0 stops the baud generator; counted as the largest divisor, so that time still passes.
    return Math.ceil((bits * (divisor || 0x10000) * NS_PER_SECOND) / BAUD_BASE);
  }

  private wordMask(): number {
    return (1 << (5 + (this.state.lcr & LCR_WORD_LENGTH))) - 1;
  }

  private capacity(): number {
    return this.state.fifoEnabled ? FIFO_BYTES : 1;
  }

  /** The enabled interrupt of highest priority, as IIR names it. */
  private cause(): number {
    const { state } = this;
    const hasError = state.overrun || (state.received[0] ?? 0) >> 8 !== 0;
    if ((state.ier & IER_LINE_STATUS) !== 0 && hasError) return IIR_LINE_STATUS;
    if ((state.ier & IER_RECEIVED) !== 0) {
      const level = state.fifoEnabled ? TRIGGER_LEVELS[state.trigger]! : 1;
      if (state.received.length >= level) return IIR_RECEIVED;
      if (state.timeout) return IIR_TIMEOUT;
    }
    if ((state.ier & IER_TRANSMITTER_EMPTY) !== 0 && state.emptyPending) return IIR_TRANSMITTER_EMPTY;
    if ((state.ier & IER_MODEM_STATUS) !== 0 && state.deltas !== 0) return IIR_MODEM_STATUS;
    return IIR_NONE;
  }

  /**
   * OUT2 does not gate the line, as it did on the PC's serial cards: ports inside of chipsets and other emulators know no gate, and
   * guests are written on them that never set OUT2 (xv6, JOS).
   */
  private updateIrq(): void {
    this.irq.set(this.cause() !== IIR_NONE);
  }
}
