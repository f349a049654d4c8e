/**
 * One 8259A programmable interrupt controller (Intel 8259A datasheet, order number 231468), as its pins see it: eight
 * request inputs, an INT output, an acknowledge cycle, two register addresses. The cascade of two is in `pic-pair.ts`.
 *
 * One thing is the chip set's and not the 8259A's: the edge/level control register (ELCR), which chooses per line
 * whether a request is an edge or a level (Intel 82371SB PIIX3 datasheet).
 */

/** A write to the command address with this bit begins initialisation: ICW1. */
const ICW1 = 0x10;
/** ICW4 will follow. */
const ICW1_NEEDS_ICW4 = 0x01;
/** No cascade, ICW3 will not follow. */
const ICW1_SINGLE = 0x02;
/** All inputs are level-triggered, whatever the ELCR says. */
const ICW1_LEVEL = 0x08;

/** Bits 7..3 of an interrupt's vector; bits 2..0 are the line. */
const ICW2_VECTOR_BASE = 0xf8;

const ICW4_AUTO_EOI = 0x02;
const ICW4_SPECIAL_FULLY_NESTED = 0x10;

/** A write to the command address with this bit (and not ICW1's) is OCW3, else it is OCW2. */
const OCW3 = 0x08;
const OCW3_READ_ISR = 0x01;
const OCW3_SELECT_READ = 0x02;
const OCW3_POLL = 0x04;
const OCW3_SPECIAL_MASK = 0x20;
const OCW3_SELECT_SPECIAL_MASK = 0x40;

/** OCW2's three command bits R, SL and EOI, and the line in bits 2..0. */
const OCW2_COMMAND = 0xe0;
const OCW2_LINE = 0x07;
const OCW2_ROTATE_ON_AUTO_EOI_CLEAR = 0x00;
const OCW2_EOI = 0x20;
const OCW2_SPECIFIC_EOI = 0x60;
const OCW2_ROTATE_ON_AUTO_EOI_SET = 0x80;
const OCW2_ROTATE_ON_EOI = 0xa0;
const OCW2_SET_PRIORITY = 0xc0;
const OCW2_ROTATE_ON_SPECIFIC_EOI = 0xe0;

/** Poll answer: a request was there, and is now in service. */
const POLL_REQUEST = 0x80;

/** The line that an acknowledge names when the request has gone away meanwhile. */
export const SPURIOUS_LINE = 7;

/** Which initialisation command word the data address expects; "ready" means operation, and then it is the mask. */
export type InitStep = "ready" | "icw2" | "icw3" | "icw4";

export interface I8259State {
  /** Levels of the inputs IR0..IR7, one bit each. */
  inputs: number;
  /** Edges seen and not yet acknowledged. A request that drops before its acknowledge is forgotten, as the chip does. */
  edges: number;
  /** Lines that the ELCR makes level-triggered. */
  elcr: number;
  imr: number;
  isr: number;
  /** The line of lowest priority; the one after it (modulo 8) has the highest. 7: the order IR0..IR7. */
  lowest: number;
  vectorBase: number;
  /** ICW3: of a master the lines that carry a slave, of a slave its identity. */
  icw3: number;
  initStep: InitStep;
  /** False from power-on to the end of the first initialisation: without a vector base the chip raises no INT. */
  initialised: boolean;
  needsIcw4: boolean;
  single: boolean;
  levelTriggered: boolean;
  autoEoi: boolean;
  rotateOnAutoEoi: boolean;
  specialFullyNested: boolean;
  specialMask: boolean;
  /** What the command address reads: ISR instead of IRR. */
  readIsr: boolean;
  /** The next read of either address is a poll. */
  poll: boolean;
  /** Level of the INT output. */
  int: boolean;
}

/** What a chip tells its owner, during the call that caused it. */
export interface I8259Hooks {
  /** The INT output changed. */
  int(level: boolean): void;
  /** A line went into service (by an acknowledge or a poll). */
  began?(line: number): void;
  /** A line's service ended (by an EOI command, or at once with automatic EOI). */
  ended?(line: number): void;
}

/** Which vector and line an acknowledge gives; a spurious one is in no register, and needs no EOI on this chip. */
export interface Acknowledge {
  readonly vector: number;
  readonly line: number;
  readonly spurious: boolean;
}

export class I8259 {
  readonly state: I8259State = {
    inputs: 0,
    edges: 0,
    elcr: 0,
    // The datasheet leaves the mask undefined at power-on; open is what ICW1 makes it, and nothing gets through anyway
    // before the first initialisation. It can be written and read back before that: Linux probes for the chip so.
    imr: 0,
    isr: 0,
    lowest: 7,
    vectorBase: 0,
    icw3: 0,
    initStep: "ready",
    initialised: false,
    needsIcw4: false,
    single: false,
    levelTriggered: false,
    autoEoi: false,
    rotateOnAutoEoi: false,
    specialFullyNested: false,
    specialMask: false,
    readIsr: false,
    poll: false,
    int: false,
  };
  private readonly hooks: I8259Hooks;

  constructor(hooks: I8259Hooks) {
    this.hooks = hooks;
  }

  /** Drives the input `line` (0..7). */
  setInput(line: number, level: boolean): void {
    const { state } = this;
    const bit = 1 << line;
    if (!level) {
      state.inputs &= ~bit;
      state.edges &= ~bit;
    } else if ((state.inputs & bit) === 0) {
      state.inputs |= bit;
      state.edges |= bit;
    }
    this.updateInt();
  }

  /** Chooses the lines that are level-triggered, one bit each. */
  setElcr(lines: number): void {
    this.state.elcr = lines & 0xff;
    this.updateInt();
  }

  /** Interrupt request register: the lines that ask, masked or not. */
  irr(): number {
    const { state } = this;
    const level = state.levelTriggered ? 0xff : state.elcr;
    return (state.inputs & level) | (state.edges & ~level);
  }

  /** The line that would be acknowledged now, -1 when none may interrupt. */
  request(): number {
    const { state } = this;
    const asking = this.irr() & ~state.imr;
    // With the special mask, a line that is in service but masked holds nobody back.
    const serving = state.specialMask ? state.isr & ~state.imr : state.isr;
    for (let rank = 1; rank <= 8; rank++) {
      const line = (state.lowest + rank) & 7;
      const bit = 1 << line;
      if ((serving & bit) !== 0) return (asking & bit) !== 0 && this.nestsWithin(bit) ? line : -1;
      if ((asking & bit) !== 0) return line;
    }
    return -1;
  }

  /**
   * The acknowledge cycle: the request of highest priority goes into service. When none is there any more, the chip
   * answers as if it were IR7, without putting it into service.
   */
  acknowledge(): Acknowledge {
    const line = this.request();
    if (line < 0) {
      this.updateInt();
      return { vector: this.state.vectorBase | SPURIOUS_LINE, line: SPURIOUS_LINE, spurious: true };
    }
    this.serve(line);
    return { vector: this.state.vectorBase | line, line, spurious: false };
  }

  /** Reads the command address (`address` 0) or the data address (1). */
  read(address: number): number {
    const { state } = this;
    if (state.poll) {
      state.poll = false;
      const line = this.request();
      if (line < 0) return SPURIOUS_LINE;
      this.serve(line);
      return POLL_REQUEST | line;
    }
    if (address === 1) return state.imr;
    return state.readIsr ? state.isr : this.irr();
  }

  /** Writes a byte to the command address (`address` 0) or the data address (1). */
  write(address: number, byte: number): void {
    if (address === 1) this.writeData(byte);
    else if ((byte & ICW1) !== 0) this.writeIcw1(byte);
    else if ((byte & OCW3) !== 0) this.writeOcw3(byte);
    else this.writeOcw2(byte);
    this.updateInt();
  }

  /** Special fully nested mode: a slave's line in service does not hold back that same slave. */
  private nestsWithin(bit: number): boolean {
    const { state } = this;
    return state.specialFullyNested && !state.single && (state.icw3 & bit) !== 0;
  }

  private serve(line: number): void {
    const { state } = this;
    const bit = 1 << line;
    state.edges &= ~bit;
    // INT falls with every acknowledge, also when the next request is waiting: a master's edge input must see a new edge.
    this.driveInt(false);
    if (!state.autoEoi) state.isr |= bit;
    this.hooks.began?.(line);
    if (state.autoEoi) {
      if (state.rotateOnAutoEoi) state.lowest = line;
      this.hooks.ended?.(line);
    }
    this.updateInt();
  }

  private writeIcw1(byte: number): void {
    const { state } = this;
    state.edges = 0;
    state.imr = 0;
    state.isr = 0;
    state.lowest = 7;
    state.icw3 = 0;
    state.specialMask = false;
    state.readIsr = false;
    state.poll = false;
    // What ICW4 sets is off unless ICW4 comes and sets it.
    state.autoEoi = false;
    state.rotateOnAutoEoi = false;
    state.specialFullyNested = false;
    state.needsIcw4 = (byte & ICW1_NEEDS_ICW4) !== 0;
    state.single = (byte & ICW1_SINGLE) !== 0;
    state.levelTriggered = (byte & ICW1_LEVEL) !== 0;
    state.initStep = "icw2";
  }

  private writeData(byte: number): void {
    const { state } = this;
    switch (state.initStep) {
      case "ready":
        state.imr = byte;
        return;
      case "icw2":
        state.vectorBase = byte & ICW2_VECTOR_BASE;
        if (!state.single) state.initStep = "icw3";
        else this.expectIcw4();
        return;
      case "icw3":
        state.icw3 = byte;
        this.expectIcw4();
        return;
      case "icw4":
        // The processor-type bit and the buffered-mode bits change nothing that software on a PC can see.
        state.autoEoi = (byte & ICW4_AUTO_EOI) !== 0;
        state.specialFullyNested = (byte & ICW4_SPECIAL_FULLY_NESTED) !== 0;
        this.endInitialisation();
    }
  }

  private expectIcw4(): void {
    if (this.state.needsIcw4) this.state.initStep = "icw4";
    else this.endInitialisation();
  }

  private endInitialisation(): void {
    this.state.initStep = "ready";
    this.state.initialised = true;
  }

  private writeOcw2(byte: number): void {
    const { state } = this;
    const line = byte & OCW2_LINE;
    switch (byte & OCW2_COMMAND) {
      case OCW2_EOI:
        this.endHighest(false);
        return;
      case OCW2_ROTATE_ON_EOI:
        this.endHighest(true);
        return;
      case OCW2_SPECIFIC_EOI:
        this.end(line);
        return;
      case OCW2_ROTATE_ON_SPECIFIC_EOI:
        state.lowest = line;
        this.end(line);
        return;
      case OCW2_SET_PRIORITY:
        state.lowest = line;
        return;
      case OCW2_ROTATE_ON_AUTO_EOI_SET:
        state.rotateOnAutoEoi = true;
        return;
      case OCW2_ROTATE_ON_AUTO_EOI_CLEAR:
        state.rotateOnAutoEoi = false;
        return;
      default:
        return; // 010: no operation
    }
  }

  private writeOcw3(byte: number): void {
    const { state } = this;
    if ((byte & OCW3_SELECT_SPECIAL_MASK) !== 0) state.specialMask = (byte & OCW3_SPECIAL_MASK) !== 0;
    state.poll = (byte & OCW3_POLL) !== 0;
    if ((byte & OCW3_SELECT_READ) !== 0) state.readIsr = (byte & OCW3_READ_ISR) !== 0;
  }

  /** Non-specific EOI: ends the line in service of highest priority (with the special mask, of those not masked). */
  private endHighest(rotate: boolean): void {
    const { state } = this;
    const serving = state.specialMask ? state.isr & ~state.imr : state.isr;
    for (let rank = 1; rank <= 8; rank++) {
      const line = (state.lowest + rank) & 7;
      if ((serving & (1 << line)) === 0) continue;
      if (rotate) state.lowest = line;
      this.end(line);
      return;
    }
  }

  private end(line: number): void {
    const bit = 1 << line;
    if ((this.state.isr & bit) === 0) return;
    this.state.isr &= ~bit;
    this.hooks.ended?.(line);
  }

  private updateInt(): void {
    const { state } = this;
    this.driveInt(state.initialised && state.initStep === "ready" && this.request() >= 0);
  }

  private driveInt(level: boolean): void {
    if (this.state.int === level) return;
    this.state.int = level;
    this.hooks.int(level);
  }
}
