/** Sectors between memory and a disk, by the data register or by the bus master. */
import { type Disk, SECTOR_BYTES } from "../../disk/disk.ts";
import { rangeOf } from "./address.ts";
import type { ChannelSide } from "./channel-side.ts";
import type { TransferCommand } from "./commands.ts";
import { BLOCK_NS, COMMAND_NS, Failure, IDLE, Status, type Transfer } from "./registers.ts";

/** Of a block that the bus master moves: 64 KiB. */
const DMA_SECTORS = 128;

export class DiskTransfers {
  readonly #channel: ChannelSide;
  readonly #disk: (number: 0 | 1) => Disk;

  constructor(channel: ChannelSide, disk: (number: 0 | 1) => Disk) {
    this.#channel = channel;
    this.#disk = disk;
  }

  /** A command of a drive. `multiple`: sectors of a block, as SET MULTIPLE MODE has them. */
  begin(drive: 0 | 1, { direction, width, by }: TransferCommand, multiple: number): void {
    const { state, fail } = this.#channel;
    const perBlock = by === "dma" ? DMA_SECTORS : by === "multiple" ? multiple : 1;
    if (perBlock === 0) {
      fail(Failure.aborted);
      return;
    }
    const range = rangeOf(state, width, this.#disk(drive).sectors);
    if (range === undefined) {
      fail(Failure.notFound);
      return;
    }
    const dma = by === "dma";
    const { first: sector, count: left } = range;
    const transfer: Transfer = { drive, direction, sector, left, perBlock, dma };
    state.transfer = transfer;
    if (dma) this.#beginDma(transfer);
    else if (direction === "in") this.#nextBlock(transfer);
    // The first block is asked for without an interrupt.
    else if (this.#prepareBlock(transfer)) state.status = IDLE | Status.request;
  }

  #beginDma(transfer: Transfer): void {
    const { state, busMaster, workFor } = this.#channel;
    state.at = 0;
    state.buffer = [];
    if (transfer.direction === "in") this.#moveByDma(transfer);
    else if (busMaster.isActive) workFor(BLOCK_NS);
    else state.status = IDLE | Status.request;
  }

  /** Fills or empties the buffer for the next block of the transfer. False when the disk has failed. */
  #prepareBlock(transfer: Transfer): boolean {
    const { state, fail } = this.#channel;
    const { direction, sector, left, perBlock } = transfer;
    const count = Math.min(perBlock, left);
    if (direction === "in") {
      const disk = this.#disk(transfer.drive);
      const isRead = tries(() => {
        state.buffer = [...disk.read(sector, count)];
      });
      if (!isRead) {
        fail(Failure.uncorrectable);
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
    const { state, busMaster, workFor, end, fail } = this.#channel;
    const { direction, sector, left, perBlock } = transfer;
    const disk = this.#disk(transfer.drive);
    const count = Math.min(perBlock, left);
    const isIn = direction === "in";
    let block = new Uint8Array(count * SECTOR_BYTES);
    if (!isIn) block.set(state.buffer);
    else if (
      !tries(() => {
        block = Uint8Array.from(disk.read(sector, count));
      })
    ) {
      fail(Failure.uncorrectable);
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
      end(IDLE | Status.fault);
      return;
    }
    state.at = 0;
    state.buffer = [];
    transfer.sector += count;
    transfer.left -= count;
    if (transfer.left > 0) workFor(BLOCK_NS);
    else if (isIn) end(IDLE);
    else {
      state.transfer = null;
      workFor(COMMAND_NS);
    }
  }

  /** The drive is done with what it did between two blocks. */
  next(transfer: Transfer): void {
    if (transfer.dma) this.#moveByDma(transfer);
    else this.#nextBlock(transfer);
  }

  /** The bus master has been started; a drive that is busy comes to it by itself. */
  started(transfer: Transfer): void {
    if (transfer.dma) this.#channel.workFor(BLOCK_NS);
  }

  #nextBlock(transfer: Transfer): void {
    if (this.#prepareBlock(transfer)) this.#offer();
  }

  /** The block in the buffer is to be moved. */
  #offer(): void {
    const { state, interrupt } = this.#channel;
    state.at = 0;
    state.status = IDLE | Status.request;
    interrupt();
  }

  /** A sector of the drive's own is to be read. */
  tell(drive: 0 | 1, bytes: Uint8Array): void {
    const { state } = this.#channel;
    state.buffer = [...bytes];
    state.transfer = {
      drive,
      direction: "in",
      sector: -1,
      left: 0,
      perBlock: 1,
      dma: false,
    };
    this.#offer();
  }

  /** The host has moved all of the block through the data register. */
  moved(transfer: Transfer): void {
    const { state, workFor, end } = this.#channel;
    if (transfer.direction === "out") {
      const disk = this.#disk(transfer.drive);
      if (!tries(() => disk.write(transfer.sector, Uint8Array.from(state.buffer)))) {
        end(IDLE | Status.fault);
        return;
      }
      transfer.sector += state.buffer.length / SECTOR_BYTES;
      if (transfer.left === 0) {
        state.transfer = null;
        workFor(COMMAND_NS);
        return;
      }
    } else if (transfer.left === 0) {
      // The last block of a read has had its interrupt.
      state.transfer = null;
      state.status = IDLE;
      return;
    }
    workFor(BLOCK_NS);
  }
}

/** The host may fail (it has no room left, the file is gone): the guest is told, as of a disk with a defect. */
export function tries(work: () => void): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}
