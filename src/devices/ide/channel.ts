import type { Disk } from "../../disk/disk.ts";
import { type AlarmedDevice, allOnes, type DeviceClock, type IrqLine, type PortDevice } from "../device.ts";
import type { DmaMemory } from "../dma.ts";
import { BusMaster } from "./bus-master.ts";
import { CdDrive } from "./cd-drive.ts";
import { CD_COMMANDS, COMMANDS, DEVICE_RESET, DIAGNOSE, PACKET } from "./commands.ts";
import { DiskTransfers } from "./disk-transfers.ts";
import { DriveCommands } from "./drive-commands.ts";
import { PacketPhases } from "./packet-phases.ts";
import {
  CD_SIGNATURE,
  COMMAND_NS,
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

const READY_ALARM = "ready";

export interface IdeChannelParts {
  /** 0 or 1. */
  readonly index: number;
  /** Master and slave. */
  readonly disks: readonly (Disk | undefined)[];
  /** Discs in CD drives, which are there in place of a disk. */
  readonly discs?: readonly (Disk | undefined)[];
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
  readonly #cds: readonly (CdDrive | undefined)[];
  readonly #transfers: DiskTransfers;
  readonly #packets: PacketPhases;
  readonly #commands: DriveCommands;
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
    this.#cds = ([0, 1] as const).map((n) => {
      const disc = parts.discs?.[n];
      return disc && new CdDrive(disc, this.state.cds[n]);
    });
    this.#irq = parts.irq;
    this.#clock = parts.clock;
    this.busMaster = new BusMaster({
      state: this.state.busMaster,
      dma: parts.dma,
      enabled: parts.mastersBus ?? (() => true),
      started: () => {
        // A drive that is busy comes to it by itself.
        if (this.isBusy) return;
        const { transfer, packet } = this.state;
        if (packet !== null) this.#packets.started(packet);
        else if (transfer !== null) this.#transfers.started(transfer);
      },
    });
    const side = {
      state: this.state,
      busMaster: this.busMaster,
      workFor: (ns: number) => this.#workFor(ns),
      interrupt: () => this.#setInterrupt(true),
      end: (status: number) => this.#end(status),
      fail: (error: number) => this.#fail(error),
    };
    this.#transfers = new DiskTransfers(side, (number) => this.#disks[number] as Disk);
    this.#packets = new PacketPhases(side, (number) => this.#cds[number] as CdDrive);
    this.#commands = new DriveCommands(side, this.#transfers, this.name);
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
    const { buffer, at } = this.state;
    if (port !== this.#base + Reg.data || !this.#movesByPort(direction)) return 1;
    return Math.max(1, Math.min(count, Math.ceil((buffer.length - at) / sizeBytes)));
  }

  /** The drive is done with what it was busy with. */
  alarm(): void {
    const { state } = this;
    const command = state.pendingCommand;
    state.pendingCommand = null;
    if (command !== null) this.#execute(command);
    else if (state.packet !== null) this.#packets.alarm(state.packet);
    else if (state.transfer !== null) this.#transfers.next(state.transfer);
    else this.#done();
  }

  get #disk(): Disk | undefined {
    return this.#disks[this.#selected];
  }
  get #cd(): CdDrive | undefined {
    return this.#cds[this.#selected];
  }
  get #isThere(): boolean {
    return this.#disk !== undefined || this.#cd !== undefined;
  }
  get #selected(): 0 | 1 {
    return this.state.device & Device.second ? 1 : 0;
  }

  #readByte(port: number): number {
    const { state } = this;
    if (!this.#isThere) return 0;
    if (port === this.#control) return this.#status;
    if (state.signed && this.#cd !== undefined) {
      const name = SIGNED_REGISTERS[port - this.#base];
      if (name !== undefined) return CD_SIGNATURE[name];
    }
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
        return this.#status;
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
    // Busy drives take nothing, but for a reset of a CD drive.
    if (this.isBusy && !(port === this.#base + Reg.status && byte === DEVICE_RESET && this.#cd !== undefined))
      return;
    state.control &= ~Control.previous;
    if (SIGNED_REGISTERS[port - this.#base] !== undefined || port - this.#base === Reg.status)
      state.signed = false;
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
      state.packet = null;
      for (const cd of this.#cds) cd?.reset();
      this.#clock.cancel(READY_ALARM);
      this.#setInterrupt(false);
    } else if ((was & Control.reset) !== 0) Object.assign(state, signature());
    this.#setInterrupt(state.interrupt);
  }

  #command(command: number): void {
    const { state } = this;
    if (!this.#isThere && command !== DIAGNOSE) return;
    this.#setInterrupt(false);
    state.transfer = null;
    state.packet = null;
    state.error = 0;
    if (this.#cd !== undefined && command === PACKET) {
      this.#packets.begin(this.#selected);
      return;
    }
    // A drive has a buffer for what is written, and asks for it at once: there are drivers that do not wait until it does (xv6).
    if (this.#cd === undefined && isWrite(command)) this.#execute(command);
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
    } else if (this.#cd !== undefined) this.#commands.onCd(this.#selected, this.#cd, CD_COMMANDS.get(code));
    else if (disk !== undefined) {
      if (command === undefined) this.#fail(Failure.aborted);
      else this.#commands.onDisk(this.#selected, disk, command);
    }
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
    const { transfer, packet } = this.state;
    if (!this.isTransferring) return false;
    if (packet !== null)
      return direction === "out" ? packet.phase === "command" : !packet.dma && packet.phase === "data";
    return transfer?.direction === direction && !transfer.dma;
  }

  #blockMoved(): void {
    const { state } = this;
    if (state.packet !== null) this.#packets.moved(state.packet);
    else if (state.transfer !== null) this.#transfers.moved(state.transfer);
  }

  /** A CD drive that has been reset is not ready in the sense of a disk. */
  get #status(): number {
    const { signed, status } = this.state;
    return signed && this.#cd !== undefined && (status & Status.error) === 0 ? status & ~IDLE : status;
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

/** By offset from the base. */
const SIGNED_REGISTERS: Readonly<Record<number, keyof typeof CD_SIGNATURE>> = {
  [Reg.count]: "count",
  [Reg.low]: "low",
  [Reg.middle]: "middle",
  [Reg.high]: "high",
};

function isWrite(code: number): boolean {
  const command = COMMANDS.get(code);
  return command?.does === "transfer" && command.direction === "out";
}
