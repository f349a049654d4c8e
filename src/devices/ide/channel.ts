import { type Disk, SECTOR_BYTES } from "../../disk/disk.ts";
import { type AlarmedDevice, allOnes, type DeviceClock, type IrqLine, type PortDevice } from "../device.ts";
import type { DmaMemory } from "../dma.ts";
import { rangeOf, setAddress } from "./address.ts";
import { BusMaster } from "./bus-master.ts";
import { COMMANDS, DIAGNOSE, type IdeCommand, type TransferCommand } from "./commands.ts";
import { identify, MOST_MULTIPLE, MULTIWORD_DMA, ULTRA_DMA } from "./identify.ts";
import {
  Control,
  Device,
  Failure,
  IDE_CHANNELS,
  IDLE,
  type IdeChannelState,
  newState,
  Reg,
  Status,
  signature,
  type Transfer,
} from "./registers.ts";

/** A drive takes so long for a command, and for each further block of sectors. Virtual time; a real one takes longer. */
const COMMAND_NS = 20_000;
const BLOCK_NS = 5_000;
const READY_ALARM = "ready";
/** Sectors of a block that the bus master moves: 64 KiB. */
const DMA_SECTORS = 128;

export interface IdeChannelParts {
  /** 0 or 1. */
  readonly index: number;
  /** Master and slave. */
  readonly disks: readonly (Disk | undefined)[];
  readonly irq: IrqLine;
  readonly clock: DeviceClock;
  /** Memory for the bus master. */
  readonly dma: DmaMemory;
  /** It may be used. Default: yes. */
  readonly mastersBus?: () => boolean;
}

/**
 * One channel of an ATA host adapter with up to two disks (ATA/ATAPI-6), by programmed I/O or DMA: CHS, 28- and 48-bit addresses. A register read from
 * a drive that is not there gives 0, as the other one answers.
 */
export class IdeChannel implements PortDevice, AlarmedDevice {
  readonly name: string;
  readonly ports: readonly { first: number; count: number }[];
  readonly state: IdeChannelState = newState();
  readonly busMaster: BusMaster;
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
    this.busMaster = new BusMaster({
      state: this.state.busMaster,
      dma: parts.dma,
      enabled: parts.mastersBus ?? (() => true),
      started: () => {
        // A drive that is busy comes to it by itself.
        if (this.state.transfer?.dma === true && !this.isBusy) this.#workFor(BLOCK_NS);
      },
    });
  }

  get isBusy(): boolean {
    return (this.state.status & Status.busy) !== 0;
  }
  get isTransferring(): boolean {
    return (this.state.status & Status.request) !== 0;
  }

  /** It is one of the ISA ports. */
  hasPort(port: number): boolean {
    return this.ports.some(({ first, count }) => port >= first && port < first + count);
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

  readsTogether(port: number, sizeBytes: number, count: number): number {
    return this.#movesTogether("in", port, sizeBytes, count);
  }

  writesTogether(port: number, sizeBytes: number, count: number): number {
    return this.#movesTogether("out", port, sizeBytes, count);
  }

  /** Up to the end of the block. */
  #movesTogether(direction: Transfer["direction"], port: number, sizeBytes: number, count: number): number {
    const { transfer, buffer, at } = this.state;
    if (port !== this.#base + Reg.data || transfer === null || !this.#movesByPort(direction)) return 1;
    return Math.max(1, Math.min(count, Math.ceil((buffer.length - at) / sizeBytes)));
  }

  /** The drive is done with what it was busy with. */
  alarm(): void {
    const { state } = this;
    const command = state.pendingCommand;
    state.pendingCommand = null;
    if (command !== null) this.#execute(command);
    else if (state.transfer?.dma === true) this.#moveByDma(state.transfer);
    else if (state.transfer !== null) this.#nextBlock(state.transfer);
    else this.#done();
  }

  get #disk(): Disk | undefined {
    return this.#disks[this.#selected];
  }
  get #selected(): 0 | 1 {
    return this.state.device & Device.second ? 1 : 0;
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
        return state.device | Device.ones;
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
        state.device = byte & ~Device.ones;
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
      state.pendingCommand = null;
      state.transfer = null;
      this.#clock.cancel(READY_ALARM);
      this.#setInterrupt(false);
    } else if ((was & Control.reset) !== 0) Object.assign(state, signature());
    this.#setInterrupt(state.interrupt);
  }

  #command(command: number): void {
    const { state } = this;
    if (this.#disk === undefined && command !== DIAGNOSE) return;
    this.#setInterrupt(false);
    state.transfer = null;
    state.error = 0;
    // A drive has a buffer for what is written, and asks for it at once: there are drivers that do not wait until it does (xv6).
    if (isWrite(command)) this.#execute(command);
    else {
      state.pendingCommand = command;
      this.#workFor(COMMAND_NS);
    }
  }

  #workFor(ns: number): void {
    this.state.status = Status.busy;
    this.#clock.arm(READY_ALARM, this.#clock.nowNs() + ns);
  }

  #execute(code: number): void {
    const { state } = this;
    const disk = this.#disk;
    const command = COMMANDS.get(code);
    if (command?.does === "diagnose") {
      Object.assign(state, signature());
      this.#setInterrupt(true);
    } else if (disk !== undefined) {
      if (command === undefined) this.#fail(Failure.aborted);
      else this.#do(command, disk);
    }
  }

  #do(command: Exclude<IdeCommand, { does: "diagnose" }>, disk: Disk): void {
    const { state } = this;
    const multiple = state.multiple[this.#selected];
    switch (command.does) {
      case "transfer":
        this.#begin(disk, command, BLOCK_SECTORS[command.by] ?? multiple);
        return;
      case "verify":
        if (rangeOf(state, command.width, disk.sectors) === undefined) this.#fail(Failure.notFound);
        else this.#done();
        return;
      case "tellLast":
        setAddress(state, disk.sectors - 1, command.width);
        this.#done();
        return;
      case "identify":
        state.buffer = [
          ...identify(disk, {
            serial: `UMBRA-${this.name}-${this.#selected}`,
            multiple,
            dmaMode: state.dmaMode[this.#selected],
          }),
        ];
        state.transfer = {
          drive: this.#selected,
          direction: "in",
          sector: -1,
          left: 0,
          perBlock: 1,
          dma: false,
        };
        this.#offer();
        return;
      case "flush":
        if (tries(() => disk.flush())) this.#done();
        else this.#end(IDLE | Status.fault);
        return;
      case "setMultiple":
        this.#setMultiple(state.count[0]);
        return;
      case "setFeatures":
        this.#setFeatures();
        return;
      case "checkPower":
        state.count[0] = 0xff;
        this.#done();
        return;
      case "nothing":
        this.#done();
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
    const { state } = this;
    const transferMode = 0x03;
    const harmless = [0x02, 0x55, 0x66, 0x82, 0xaa, 0xcc];
    if (state.features === transferMode) {
      const [mode] = state.count;
      if (isDmaMode(mode)) state.dmaMode[this.#selected] = mode;
      // PIO modes are all the same here.
      if (isDmaMode(mode) || mode <= 0x0f) this.#done();
      else this.#fail(Failure.aborted);
    } else if (harmless.includes(state.features)) this.#done();
    else this.#fail(Failure.aborted);
  }

  #begin(disk: Disk, { direction, width, by }: TransferCommand, perBlock: number): void {
    if (perBlock === 0) {
      this.#fail(Failure.aborted);
      return;
    }
    const range = rangeOf(this.state, width, disk.sectors);
    if (range === undefined) {
      this.#fail(Failure.notFound);
      return;
    }
    const dma = by === "dma";
    const { first: sector, count: left } = range;
    const transfer: Transfer = { drive: this.#selected, direction, sector, left, perBlock, dma };
    this.state.transfer = transfer;
    if (dma) this.#beginDma(transfer);
    else if (direction === "in") this.#nextBlock(transfer);
    // The first block is asked for without an interrupt.
    else if (this.#prepareBlock(transfer)) this.state.status = IDLE | Status.request;
  }

  #beginDma(transfer: Transfer): void {
    const { state, busMaster } = this;
    state.at = 0;
    state.buffer = [];
    if (transfer.direction === "in") this.#moveByDma(transfer);
    else if (busMaster.isActive) this.#workFor(BLOCK_NS);
    else state.status = IDLE | Status.request;
  }

  /** Fills or empties the buffer for the next block of the transfer. False when the disk has failed. */
  #prepareBlock(transfer: Transfer): boolean {
    const { state } = this;
    const { direction, sector, left, perBlock } = transfer;
    const count = Math.min(perBlock, left);
    if (direction === "in") {
      const disk = this.#disks[transfer.drive] as Disk;
      const isRead = tries(() => {
        state.buffer = [...disk.read(sector, count)];
      });
      if (!isRead) {
        this.#fail(Failure.uncorrectable);
        return false;
      }
      transfer.sector += count;
    } else state.buffer = new Array<number>(count * SECTOR_BYTES).fill(0);
    transfer.left -= count;
    state.at = 0;
    return true;
  }

  /** As much of the block as the bus master takes or has; with what is left the drive waits for it. */
  #moveByDma(transfer: Transfer): void {
    const { state, busMaster } = this;
    const { direction, sector, left, perBlock } = transfer;
    const disk = this.#disks[transfer.drive] as Disk;
    const count = Math.min(perBlock, left);
    const isIn = direction === "in";
    let block = new Uint8Array(count * SECTOR_BYTES);
    if (!isIn) block.set(state.buffer);
    else if (
      !tries(() => {
        block = Uint8Array.from(disk.read(sector, count));
      })
    ) {
      this.#fail(Failure.uncorrectable);
      return;
    }
    const rest = block.subarray(state.at);
    state.at += isIn ? busMaster.toMemory(rest) : busMaster.fromMemory(rest);
    if (state.at < block.length) {
      if (!isIn) state.buffer = [...block.subarray(0, state.at)];
      state.status = IDLE | Status.request;
      return;
    }
    if (!isIn && !tries(() => disk.write(sector, block))) {
      this.#end(IDLE | Status.fault);
      return;
    }
    state.at = 0;
    state.buffer = [];
    transfer.sector += count;
    transfer.left -= count;
    if (transfer.left > 0) this.#workFor(BLOCK_NS);
    else if (isIn) this.#done();
    else {
      state.transfer = null;
      this.#workFor(COMMAND_NS);
    }
  }

  #nextBlock(transfer: Transfer): void {
    if (this.#prepareBlock(transfer)) this.#offer();
  }

  /** The block in the buffer is to be moved. */
  #offer(): void {
    this.state.at = 0;
    this.state.status = IDLE | Status.request;
    this.#setInterrupt(true);
  }

  #readData(sizeBytes: number): number {
    const { state } = this;
    if (!this.#movesByPort("in")) return 0;
    let value = 0;
    for (let n = 0; n < sizeBytes; n++) value += (state.buffer[state.at++] ?? 0) * 2 ** (8 * n);
    if (state.at >= state.buffer.length) this.#blockMoved();
    return value;
  }

  #writeData(sizeBytes: number, value: number): void {
    const { state } = this;
    if (!this.#movesByPort("out")) return;
    for (let n = 0; n < sizeBytes && state.at < state.buffer.length; n++)
      state.buffer[state.at++] = (value >>> (8 * n)) & 0xff;
    if (state.at >= state.buffer.length) this.#blockMoved();
  }

  #movesByPort(direction: Transfer["direction"]): boolean {
    const { transfer } = this.state;
    return this.isTransferring && transfer?.direction === direction && !transfer.dma;
  }

  #blockMoved(): void {
    const { state } = this;
    const transfer = state.transfer as Transfer;
    if (transfer.direction === "out") {
      const disk = this.#disks[transfer.drive] as Disk;
      if (!tries(() => disk.write(transfer.sector, Uint8Array.from(state.buffer)))) {
        this.#end(IDLE | Status.fault);
        return;
      }
      transfer.sector += state.buffer.length / SECTOR_BYTES;
      if (transfer.left === 0) {
        state.transfer = null;
        this.#workFor(COMMAND_NS);
        return;
      }
    } else if (transfer.left === 0) {
      // The last block of a read has had its interrupt.
      state.transfer = null;
      state.status = IDLE;
      return;
    }
    this.#workFor(BLOCK_NS);
  }

  #done(): void {
    this.#end(IDLE);
  }

  #fail(error: number): void {
    this.state.error = error;
    this.#end(IDLE | Status.error);
  }

  /** The command ends, with an interrupt. */
  #end(status: number): void {
    this.state.transfer = null;
    this.state.status = status;
    this.#setInterrupt(true);
  }

  #setInterrupt(pending: boolean): void {
    const { state } = this;
    const level = pending && (state.control & Control.noInterrupt) === 0;
    if (level && !state.line) this.busMaster.interrupted();
    state.interrupt = pending;
    state.line = level;
    this.#irq.set(level);
  }
}

const BLOCK_SECTORS: Readonly<Record<TransferCommand["by"], number | undefined>> = {
  sector: 1,
  multiple: undefined,
  dma: DMA_SECTORS,
};

const isDmaMode = (mode: number): boolean =>
  [MULTIWORD_DMA, ULTRA_DMA].some(({ first, modes }) => mode >= first && mode < first + modes);

function isWrite(code: number): boolean {
  const command = COMMANDS.get(code);
  return command?.does === "transfer" && command.direction === "out";
}

/** The host may fail (it has no room left, the file is gone): the guest is told, as of a disk with a defect. */
function tries(work: () => void): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}
