import { type IrqLine, type PortDevice, readAsBytes, writeAsBytes } from "./device.ts";
import { I8259, type I8259State } from "./i8259.ts";

const MASTER_PORT = 0x20;
const SLAVE_PORT = 0xa0;
/** Edge/level control: 0x4D0 for lines 0..7, 0x4D1 for lines 8..15; a set bit is level-triggered (PIIX3 datasheet). */
const ELCR_PORT = 0x4d0;

/** The slave's INT output is wired to this input of the master. */
const CASCADE_LINE = 2;
/** Timer, keyboard and cascade are always edge-triggered, and so are the clock (8) and the coprocessor (13). */
const ELCR_WRITABLE_MASTER = 0xf8;
const ELCR_WRITABLE_SLAVE = 0xde;
/** What the processor reads as a vector when no chip answers the acknowledge cycle. */
const FLOATING_VECTOR = 0xff;

/**
 * Where a line stands: in service beats masked beats pending. A masked line may be asking; it is still "masked", because
 * nothing will come of it until it is unmasked.
 */
export type LineStatus = "idle" | "pending" | "inService" | "masked";

/** What an interrupt acknowledge gives. `line` is 0 to 15; `cascaded` tells that the slave answered. */
export interface PairAcknowledge {
  readonly vector: number;
  readonly line: number;
  readonly spurious: boolean;
  readonly cascaded: boolean;
}

/** What the pair tells its owner, during the call that caused it. Lines are 0 to 15. */
export interface PicPairHooks {
  /** The INTR pin to the processor changed. */
  intr(level: boolean): void;
  /** A line went into service (by an acknowledge or a poll); a cascaded interrupt begins on 2 and on its own line. */
  began?(line: number): void;
  /** A line's service ended (EOI of any kind). */
  ended?(line: number): void;
  /** A line's status changed; told after the call's whole effect, in the order of lines. */
  status?(line: number, status: LineStatus): void;
}

export interface PicPairState {
  master: I8259State;
  slave: I8259State;
  /** The registers of both chips as 16-bit masks when statuses were last told. */
  told: { irr: number; isr: number; imr: number };
}

/** The two 8259A of a PC/AT: sixteen lines, the slave behind the master's IR2, and the edge/level control registers. */
export class PicPair implements PortDevice {
  readonly name = "pic";
  readonly ports = [
    { first: MASTER_PORT, count: 2 },
    { first: SLAVE_PORT, count: 2 },
    { first: ELCR_PORT, count: 2 },
  ];
  readonly master: I8259;
  readonly slave: I8259;
  readonly state: PicPairState;
  private readonly hooks: PicPairHooks;

  constructor(hooks: PicPairHooks) {
    this.hooks = hooks;
    this.master = new I8259({
      int: (level) => hooks.intr(level),
      began: (line) => hooks.began?.(line),
      ended: (line) => hooks.ended?.(line),
    });
    this.slave = new I8259({
      int: (level) => this.master.setInput(CASCADE_LINE, level),
      began: (line) => hooks.began?.(line + 8),
      ended: (line) => hooks.ended?.(line + 8),
    });
    this.state = { master: this.master.state, slave: this.slave.state, told: { irr: 0, isr: 0, imr: 0 } };
  }

  /** Level of the INTR pin. */
  get intr(): boolean {
    return this.state.master.int;
  }

  /**
   * Drives line 0 to 15. Line 2 is the cascade and not on any connector: driving it does nothing (an ISA card's IRQ 2 is
   * wired to line 9).
   */
  setLine(line: number, level: boolean): void {
    if (line === CASCADE_LINE) return;
    if (line < 8) this.master.setInput(line, level);
    else this.slave.setInput(line - 8, level);
    this.tellStatuses();
  }

  /** Line `line` as a device holds it. */
  line(line: number): IrqLine {
    return { set: (level) => this.setLine(line, level) };
  }

  /**
   * The processor's acknowledge cycle. Always answers: with a spurious vector (line 7, or 15 when the master still saw
   * the slave's request but the slave no longer has one) when the request has gone away.
   */
  acknowledge(): PairAcknowledge {
    const first = this.master.acknowledge();
    const answer = this.fromSlave(first.line, first.spurious) ?? { ...first, cascaded: false };
    this.tellStatuses();
    return answer;
  }

  statusOf(line: number): LineStatus {
    const { isr, imr, irr } = this.registers();
    return statusIn(1 << line, isr, imr, irr);
  }

  readPort(port: number, sizeBytes: number): number {
    const value = readAsBytes(port, sizeBytes, (at) => this.readByte(at));
    this.tellStatuses();
    return value;
  }

  writePort(port: number, sizeBytes: number, value: number): void {
    writeAsBytes(port, sizeBytes, value, (at, byte) => this.writeByte(at, byte));
    this.tellStatuses();
  }

  /** The slave's part of an acknowledge; undefined when the master answers alone. */
  private fromSlave(line: number, spurious: boolean): PairAcknowledge | undefined {
    const { master, slave } = this.state;
    const isCascade = line === CASCADE_LINE && !master.single && (master.icw3 & (1 << CASCADE_LINE)) !== 0;
    if (spurious || !isCascade) return undefined;
    if ((slave.icw3 & 7) !== CASCADE_LINE || !slave.initialised) {
      return { vector: FLOATING_VECTOR, line, spurious: true, cascaded: true };
    }
    const second = this.slave.acknowledge();
    return { ...second, line: second.line + 8, cascaded: true };
  }

  private readByte(port: number): number {
    switch (port) {
      case MASTER_PORT:
      case MASTER_PORT + 1:
        return this.master.read(port - MASTER_PORT);
      case SLAVE_PORT:
      case SLAVE_PORT + 1:
        return this.slave.read(port - SLAVE_PORT);
      case ELCR_PORT:
        return this.state.master.elcr;
      case ELCR_PORT + 1:
        return this.state.slave.elcr;
      default:
        return 0xff;
    }
  }

  private writeByte(port: number, byte: number): void {
    switch (port) {
      case MASTER_PORT:
      case MASTER_PORT + 1:
        this.master.write(port - MASTER_PORT, byte);
        return;
      case SLAVE_PORT:
      case SLAVE_PORT + 1:
        this.slave.write(port - SLAVE_PORT, byte);
        return;
      case ELCR_PORT:
        this.master.setElcr(byte & ELCR_WRITABLE_MASTER);
        return;
      case ELCR_PORT + 1:
        this.slave.setElcr(byte & ELCR_WRITABLE_SLAVE);
        return;
      default:
    }
  }

  /** The registers of both chips, line n in bit n. */
  private registers(): { irr: number; isr: number; imr: number } {
    const { master, slave } = this.state;
    return {
      irr: this.master.irr() | (this.slave.irr() << 8),
      isr: master.isr | (slave.isr << 8),
      imr: master.imr | (slave.imr << 8),
    };
  }

  private tellStatuses(): void {
    if (this.hooks.status === undefined) return;
    const { told } = this.state;
    const { irr, isr, imr } = this.registers();
    if (irr === told.irr && isr === told.isr && imr === told.imr) return;
    const before = { ...told };
    Object.assign(told, { irr, isr, imr });
    for (let line = 0; line < 16; line++) {
      const bit = 1 << line;
      const status = statusIn(bit, isr, imr, irr);
      if (status !== statusIn(bit, before.isr, before.imr, before.irr)) this.hooks.status(line, status);
    }
  }
}

function statusIn(bit: number, isr: number, imr: number, irr: number): LineStatus {
  if ((isr & bit) !== 0) return "inService";
  if ((imr & bit) !== 0) return "masked";
  return (irr & bit) !== 0 ? "pending" : "idle";
}
