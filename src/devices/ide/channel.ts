import { type Disk, SECTOR_BYTES } from "../../disk/disk.ts";
import { type AlarmedDevice, allOnes, type DeviceClock, type IrqLine, type PortDevice } from "../device.ts";
import { HEADS, identify, MOST_MULTIPLE, SECTORS_PER_TRACK } from "./identify.ts";

/** Where a channel is on the ISA bus: eight command block registers, the control block register, and its line. */
export const IDE_CHANNELS = [
  { name: "ide0", base: 0x1f0, control: 0x3f6, line: 14 },
  { name: "ide1", base: 0x170, control: 0x376, line: 15 },
] as const;

/** Command block registers, from the base. */
const Reg = { data: 0, error: 1, count: 2, low: 3, middle: 4, high: 5, device: 6, status: 7 } as const;
const Status = { busy: 0x80, ready: 0x40, seekDone: 0x10, request: 0x08, error: 0x01 } as const;
const Failure = { aborted: 0x04, notFound: 0x10 } as const;
const DEVICE_ONES = 0xa0;
const DEVICE_SECOND = 0x10;
const DEVICE_LBA = 0x40;
const Control = { noInterrupt: 0x02, reset: 0x04, previous: 0x80 } as const;
const DIAGNOSTIC_PASSED = 1;

/** A drive takes so long for a command, and for each further block of sectors. Virtual time; a real one takes longer. */
const COMMAND_NS = 20_000;
const BLOCK_NS = 5_000;
const READY_ALARM = "ready";

interface Transfer {
  readonly direction: "in" | "out";
  /** Next sector on the disk; -1: the data are the drive's own. */
  sector: number;
  /** Sectors still to move after the block in the buffer. */
  left: number;
  readonly perBlock: number;
}

export interface IdeChannelState {
  features: number;
  /** Sector count and address bytes: as written last, and before that (for 48-bit commands). */
  count: [number, number];
  low: [number, number];
  middle: [number, number];
  high: [number, number];
  device: number;
  control: number;
  status: number;
  error: number;
  interrupt: boolean;
  /** Sectors a block of the MULTIPLE commands, by drive. */
  multiple: [number, number];
  /** What comes when the drive is no longer busy. */
  pendingCommand: number | undefined;
  buffer: Uint8Array;
  /** Next byte in the buffer. */
  at: number;
  transfer: Transfer | undefined;
}

export interface IdeChannelParts {
  /** 0 or 1. */
  readonly index: number;
  /** Master and slave. */
  readonly disks: readonly (Disk | undefined)[];
  readonly irq: IrqLine;
  readonly clock: DeviceClock;
}

/**
 * One channel of an ATA host adapter with up to two disks (ATA/ATAPI-6), by programmed I/O: CHS, 28- and 48-bit addresses. A register read from
 * a drive that is not there gives 0, as the other one answers.
 */
export class IdeChannel implements PortDevice, AlarmedDevice {
  readonly name: string;
  readonly ports: readonly { first: number; count: number }[];
  readonly state: IdeChannelState;
  readonly #base: number;
  readonly #control: number;
  readonly #disks: readonly (Disk | undefined)[];
  readonly #irq: IrqLine;
  readonly #clock: DeviceClock;

  constructor(parts: IdeChannelParts) {
    const place = IDE_CHANNELS[parts.index] as (typeof IDE_CHANNELS)[number];
    this.name = place.name;
    this.#base = place.base;
    this.#control = place.control;
    this.ports = [
      { first: place.base, count: 8 },
      { first: place.control, count: 1 },
    ];
    this.#disks = parts.disks;
    this.#irq = parts.irq;
    this.#clock = parts.clock;
    this.state = {
      features: 0,
      count: [1, 0],
      low: [1, 0],
      middle: [0, 0],
      high: [0, 0],
      device: 0,
      control: 0,
      status: Status.ready | Status.seekDone,
      error: DIAGNOSTIC_PASSED,
      interrupt: false,
      multiple: [0, 0],
      pendingCommand: undefined,
      buffer: new Uint8Array(0),
      at: 0,
      transfer: undefined,
    };
  }

  get isBusy(): boolean {
    return (this.state.status & Status.busy) !== 0;
  }
  get isTransferring(): boolean {
    return (this.state.status & Status.request) !== 0;
  }

  readPort(port: number, sizeBytes: number): number {
    if (port === this.#base + Reg.data && sizeBytes >= 2) return this.#readData(sizeBytes);
    let value = 0;
    for (let n = 0; n < sizeBytes; n++) value |= this.#readByte(port + n) << (8 * n);
    return value >>> 0;
  }

  writePort(port: number, sizeBytes: number, value: number): void {
    if (port === this.#base + Reg.data && sizeBytes >= 2) {
      this.#writeData(sizeBytes, value);
      return;
    }
    for (let n = 0; n < sizeBytes; n++) this.#writeByte(port + n, (value >>> (8 * n)) & 0xff);
  }

  /** The drive is done with what it was busy with. */
  alarm(): void {
    const { state } = this;
    const command = state.pendingCommand;
    state.pendingCommand = undefined;
    if (command !== undefined) this.#execute(command);
    else if (state.transfer !== undefined) this.#nextBlock();
  }

  get #disk(): Disk | undefined {
    return this.#disks[this.#selected];
  }
  get #selected(): 0 | 1 {
    return this.state.device & DEVICE_SECOND ? 1 : 0;
  }

  #readByte(port: number): number {
    const { state } = this;
    if (this.#disk === undefined) return 0;
    if (port === this.#control) return state.status;
    const previous = state.control & Control.previous ? 1 : 0;
    switch (port - this.#base) {
      case Reg.data:
        return this.#readData(1);
      case Reg.error:
        return state.error;
      case Reg.count:
        return state.count[previous];
      case Reg.low:
        return state.low[previous];
      case Reg.middle:
        return state.middle[previous];
      case Reg.high:
        return state.high[previous];
      case Reg.device:
        return state.device | DEVICE_ONES;
      case Reg.status:
        this.#setInterrupt(false);
        return state.status;
      default:
        return allOnes(1);
    }
  }

  #writeByte(port: number, byte: number): void {
    const { state } = this;
    if (port === this.#control) {
      this.#writeControl(byte);
      return;
    }
    // Busy drives take nothing, but for the device register's choice of another one.
    if (this.isBusy) return;
    state.control &= ~Control.previous;
    switch (port - this.#base) {
      case Reg.error:
        state.features = byte;
        break;
      case Reg.count:
        state.count = [byte, state.count[0]];
        break;
      case Reg.low:
        state.low = [byte, state.low[0]];
        break;
      case Reg.middle:
        state.middle = [byte, state.middle[0]];
        break;
      case Reg.high:
        state.high = [byte, state.high[0]];
        break;
      case Reg.device:
        state.device = byte & ~DEVICE_ONES;
        break;
      case Reg.status:
        this.#command(byte);
        break;
      default:
    }
  }

  #writeControl(byte: number): void {
    const { state } = this;
    const was = state.control;
    state.control = byte;
    if ((byte & Control.reset) !== 0) {
      state.status = Status.busy;
      state.pendingCommand = undefined;
      state.transfer = undefined;
      this.#clock.cancel(READY_ALARM);
      this.#setInterrupt(false);
    } else if ((was & Control.reset) !== 0) this.#signature();
    this.#setInterrupt(state.interrupt);
  }

  /** After a reset: registers that tell a disk, and a diagnosis without findings. */
  #signature(): void {
    const { state } = this;
    state.count = [1, 0];
    state.low = [1, 0];
    state.middle = [0, 0];
    state.high = [0, 0];
    state.device = 0;
    state.error = DIAGNOSTIC_PASSED;
    state.status = Status.ready | Status.seekDone;
  }

  #command(command: number): void {
    const { state } = this;
    // EXECUTE DEVICE DIAGNOSTIC is for both drives; else one that is not there hears nothing.
    if (this.#disk === undefined && command !== 0x90) return;
    this.#setInterrupt(false);
    state.transfer = undefined;
    state.error = 0;
    state.status = Status.busy;
    state.pendingCommand = command;
    this.#clock.arm(READY_ALARM, this.#clock.nowNs() + COMMAND_NS);
  }

  #execute(command: number): void {
    const disk = this.#disk;
    if (command === 0x90) {
      this.#signature();
      this.#setInterrupt(true);
      return;
    }
    if (disk === undefined) return;
    const { state } = this;
    const multiple = state.multiple[this.#selected];
    switch (command) {
      case 0x20:
      case 0x21:
        this.#begin("in", false, 1);
        return;
      case 0x24:
        this.#begin("in", true, 1);
        return;
      case 0x30:
      case 0x31:
        this.#begin("out", false, 1);
        return;
      case 0x34:
        this.#begin("out", true, 1);
        return;
      case 0xc4:
        this.#begin("in", false, multiple);
        return;
      case 0x29:
        this.#begin("in", true, multiple);
        return;
      case 0xc5:
        this.#begin("out", false, multiple);
        return;
      case 0x39:
        this.#begin("out", true, multiple);
        return;
      case 0x40:
      case 0x41:
        this.#verify(false);
        return;
      case 0x42:
        this.#verify(true);
        return;
      case 0xc6:
        this.#setMultiple(state.count[0]);
        return;
      case 0xec:
        state.buffer = identify(disk, `UMBRA-${this.name}-${this.#selected}`, multiple);
        state.transfer = { direction: "in", sector: -1, left: 0, perBlock: 1 };
        this.#offer();
        return;
      case 0xe7:
      case 0xea:
        disk.flush();
        {
          this.#done();
          return;
        }
      // RECALIBRATE, SEEK, INITIALIZE DEVICE PARAMETERS, power management, SET FEATURES without a choice that there is.
      case 0x10:
      case 0x70:
      case 0x91:
      case 0xe0:
      case 0xe1:
      case 0xe2:
      case 0xe3:
      case 0xe6:
        this.#done();
        return;
      case 0xe5:
        state.count[0] = 0xff;
        this.#done();
        return;
      case 0xef:
        this.#setFeatures();
        return;
      case 0xf8:
        this.#setAddress(disk.sectors - 1, false);
        this.#done();
        return;
      case 0x27:
        this.#setAddress(disk.sectors - 1, true);
        {
          this.#done();
          return;
        }
      default: {
        this.#fail(Failure.aborted);
        return;
      }
    }
  }

  #setMultiple(count: number): void {
    // A power of two.
    if (count > MOST_MULTIPLE || (count & (count - 1)) !== 0) {
      this.#fail(Failure.aborted);
      return;
    }
    this.state.multiple[this.#selected] = count;
    this.#done();
  }

  #setFeatures(): void {
    const { features } = this.state;
    const transferMode = 0x03;
    const harmless = [0x02, 0x55, 0x66, 0x82, 0xaa, 0xcc];
    // PIO modes are all the same here.
    const pio = features === transferMode && this.state.count[0] <= 0x0f;
    if (pio || harmless.includes(features)) this.#done();
    else this.#fail(Failure.aborted);
  }

  /** Address and number of sectors of a command, if they are on the disk. */
  #range(extended: boolean): { sector: number; count: number } | undefined {
    const { count, low, middle, high, device } = this.state;
    const disk = this.#disk as Disk;
    let sector: number;
    let sectors: number;
    if (extended) {
      sectors = (count[1] << 8) | count[0] || 0x10000;
      sector =
        low[0] +
        middle[0] * 2 ** 8 +
        high[0] * 2 ** 16 +
        low[1] * 2 ** 24 +
        middle[1] * 2 ** 32 +
        high[1] * 2 ** 40;
    } else {
      sectors = count[0] || 0x100;
      if (device & DEVICE_LBA)
        sector = low[0] + middle[0] * 2 ** 8 + high[0] * 2 ** 16 + (device & 15) * 2 ** 24;
      else {
        const cylinder = middle[0] | (high[0] << 8);
        if (low[0] === 0 || low[0] > SECTORS_PER_TRACK) return undefined;
        sector = (cylinder * HEADS + (device & 15)) * SECTORS_PER_TRACK + low[0] - 1;
      }
    }
    return sector + sectors <= disk.sectors ? { sector, count: sectors } : undefined;
  }

  #begin(direction: "in" | "out", extended: boolean, perBlock: number): void {
    if (perBlock === 0) {
      this.#fail(Failure.aborted);
      return;
    }
    const range = this.#range(extended);
    if (range === undefined) {
      this.#fail(Failure.notFound);
      return;
    }
    const { state } = this;
    state.transfer = { direction, sector: range.sector, left: range.count, perBlock };
    if (direction === "in") {
      this.#nextBlock();
      return;
    }
    // The first block is asked for without an interrupt.
    this.#prepareBlock();
    state.status = Status.ready | Status.seekDone | Status.request;
  }

  #verify(extended: boolean): void {
    if (this.#range(extended) === undefined) this.#fail(Failure.notFound);
    else this.#done();
  }

  /** Fills or empties the buffer for the next block of the transfer. */
  #prepareBlock(): void {
    const { state } = this;
    const transfer = state.transfer as Transfer;
    const count = Math.min(transfer.perBlock, transfer.left);
    transfer.left -= count;
    if (transfer.direction === "in") {
      state.buffer = (this.#disk as Disk).read(transfer.sector, count);
      transfer.sector += count;
    } else state.buffer = new Uint8Array(count * SECTOR_BYTES);
    state.at = 0;
  }

  #nextBlock(): void {
    this.#prepareBlock();
    this.#offer();
  }

  /** The block in the buffer is to be moved. */
  #offer(): void {
    this.state.at = 0;
    this.state.status = Status.ready | Status.seekDone | Status.request;
    this.#setInterrupt(true);
  }

  #readData(sizeBytes: number): number {
    const { state } = this;
    if (!this.isTransferring || state.transfer?.direction !== "in") return 0;
    let value = 0;
    for (let n = 0; n < sizeBytes; n++) value += (state.buffer[state.at++] ?? 0) * 2 ** (8 * n);
    if (state.at >= state.buffer.length) this.#blockMoved();
    return value;
  }

  #writeData(sizeBytes: number, value: number): void {
    const { state } = this;
    if (!this.isTransferring || state.transfer?.direction !== "out") return;
    for (let n = 0; n < sizeBytes && state.at < state.buffer.length; n++)
      state.buffer[state.at++] = (value >>> (8 * n)) & 0xff;
    if (state.at >= state.buffer.length) this.#blockMoved();
  }

  #blockMoved(): void {
    const { state } = this;
    const transfer = state.transfer as Transfer;
    if (transfer.direction === "out") {
      (this.#disk as Disk).write(transfer.sector, state.buffer);
      transfer.sector += state.buffer.length / SECTOR_BYTES;
      if (transfer.left === 0) {
        state.transfer = undefined;
        this.#done();
        return;
      }
    } else if (transfer.left === 0) {
      // The last block of a read has had its interrupt.
      state.transfer = undefined;
      state.status = Status.ready | Status.seekDone;
      return;
    }
    state.status = Status.busy;
    this.#clock.arm(READY_ALARM, this.#clock.nowNs() + BLOCK_NS);
  }

  #setAddress(sector: number, extended: boolean): void {
    const { state } = this;
    const byte = (n: number): number => Math.floor(sector / 2 ** (8 * n)) & 0xff;
    state.low = [byte(0), extended ? byte(3) : 0];
    state.middle = [byte(1), extended ? byte(4) : 0];
    state.high = [byte(2), extended ? byte(5) : 0];
    if (!extended)
      state.device = (state.device & ~15) | (Math.floor(Math.min(sector, 0x0fffffff) / 2 ** 24) & 15);
  }

  #done(): void {
    this.state.status = Status.ready | Status.seekDone;
    this.#setInterrupt(true);
  }

  #fail(error: number): void {
    const { state } = this;
    state.error = error;
    state.status = Status.ready | Status.seekDone | Status.error;
    this.#setInterrupt(true);
  }

  #setInterrupt(pending: boolean): void {
    this.state.interrupt = pending;
    this.#irq.set(pending && (this.state.control & Control.noInterrupt) === 0);
  }
}
