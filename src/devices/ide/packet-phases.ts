/** The PACKET command (ATA/ATAPI-6, 9.8 and 9.9): twelve bytes to the drive, data from it in blocks or by the bus master, and its end. */
import { SECTOR_BYTES } from "../../disk/disk.ts";
import { type CdDrive, PACKET_BYTES, type PacketOutcome, type Sense } from "./cd-drive.ts";
import type { ChannelSide } from "./channel-side.ts";
import { BLOCK_NS, COMMAND_NS, Failure, IDLE, Status } from "./registers.ts";

/** The count register, as interrupt reason. */
const Reason = { command: 1, toHost: 2, end: 3 } as const;
const BY_DMA = 1;
const LARGEST_BLOCK = 0xfffe;
const DMA_BYTES = 0x10000;

export interface PacketState {
  readonly drive: 0 | 1;
  /** The packet is awaited, or done; its data are moved; all of them have been. */
  phase: "command" | "execute" | "data" | "end";
  readonly dma: boolean;
  /** Bytes of a block at most. */
  readonly limit: number;
  /** The data, unless they are sectors of the disc, from this one on; -1: no sectors. */
  reply: number[];
  first: number;
  /** Bytes that are through, and all. */
  offset: number;
  total: number;
}

export class PacketPhases {
  readonly #channel: ChannelSide;
  readonly #drive: (number: 0 | 1) => CdDrive;

  constructor(channel: ChannelSide, drive: (number: 0 | 1) => CdDrive) {
    this.#channel = channel;
    this.#drive = drive;
  }

  /** The command is written: the drive wants the packet, at once and without an interrupt. */
  begin(drive: 0 | 1): void {
    const { state } = this.#channel;
    const limit = state.middle[0] | (state.high[0] << 8);
    state.packet = {
      drive,
      phase: "command",
      dma: (state.features & BY_DMA) !== 0,
      // Blocks before the last one have an even number of bytes.
      limit: limit & LARGEST_BLOCK || LARGEST_BLOCK,
      reply: [],
      first: -1,
      offset: 0,
      total: 0,
    };
    state.buffer = new Array<number>(PACKET_BYTES).fill(0);
    state.at = 0;
    this.#ask(Reason.command);
  }

  /** The host has moved all of the block through the data register. */
  moved(packet: PacketState): void {
    const { state, workFor } = this.#channel;
    if (packet.phase === "command") {
      packet.phase = "execute";
      workFor(COMMAND_NS);
      return;
    }
    packet.offset += state.buffer.length;
    if (packet.offset >= packet.total) packet.phase = "end";
    workFor(BLOCK_NS);
  }

  /** The bus master has been started. */
  started(packet: PacketState): void {
    if (packet.dma && packet.phase === "data") this.#channel.workFor(BLOCK_NS);
  }

  alarm(packet: PacketState): void {
    if (packet.phase === "end") this.#end();
    else if (packet.phase === "data") this.#next(packet);
    else this.#execute(packet);
  }

  #execute(packet: PacketState): void {
    const { state } = this.#channel;
    const outcome = this.#drive(packet.drive).execute(state.buffer);
    if (outcome.kind === "done") this.#end();
    else if (outcome.kind === "error") this.#fail(outcome.sense);
    else {
      packet.phase = "data";
      if (outcome.kind === "bytes") {
        packet.reply = [...outcome.bytes];
        packet.total = outcome.bytes.length;
      } else {
        packet.first = outcome.first;
        packet.total = outcome.count * SECTOR_BYTES;
      }
      state.at = 0;
      this.#next(packet);
    }
  }

  #next(packet: PacketState): void {
    const most = packet.dma ? DMA_BYTES : packet.limit;
    const count = Math.min(most, packet.total - packet.offset);
    const block = this.#source(packet, count);
    if (!(block instanceof Uint8Array)) {
      if (block.kind === "error") this.#fail(block.sense);
    } else if (packet.dma) this.#move(packet, block);
    else this.#offer(block);
  }

  #source(packet: PacketState, count: number): Uint8Array | PacketOutcome {
    const { offset, reply, first } = packet;
    if (first < 0) return Uint8Array.from(reply.slice(offset, offset + count));
    const drive = this.#drive(packet.drive);
    const from = Math.floor(offset / SECTOR_BYTES);
    const to = Math.ceil((offset + count) / SECTOR_BYTES);
    try {
      const sectors = drive.disc.read(first + from, to - from);
      return Uint8Array.from(sectors.subarray(offset - from * SECTOR_BYTES).subarray(0, count));
    } catch {
      return drive.readFailed();
    }
  }

  #offer(block: Uint8Array): void {
    const { state } = this.#channel;
    state.buffer = [...block];
    state.at = 0;
    state.middle = [block.length & 0xff, 0];
    state.high = [block.length >>> 8, 0];
    this.#ask(Reason.toHost);
    this.#channel.interrupt();
  }

  #move(packet: PacketState, block: Uint8Array): void {
    const { state, busMaster, workFor } = this.#channel;
    state.at += busMaster.toMemory(block.subarray(state.at));
    if (state.at < block.length) {
      this.#ask(Reason.toHost);
      return;
    }
    state.at = 0;
    packet.offset += block.length;
    if (packet.offset >= packet.total) this.#end();
    else workFor(BLOCK_NS);
  }

  #ask(reason: number): void {
    const { state } = this.#channel;
    state.count = [reason, 0];
    state.status = IDLE | Status.request;
  }

  #fail({ key }: Sense): void {
    this.#channel.state.error = (key << 4) | Failure.aborted;
    this.#end(IDLE | Status.error);
  }

  #end(status: number = IDLE): void {
    const { state } = this.#channel;
    state.packet = null;
    state.count = [Reason.end, 0];
    state.status = status;
    this.#channel.interrupt();
  }
}
