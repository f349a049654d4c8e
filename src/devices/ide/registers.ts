/** The registers of one channel of an ATA host adapter (ATA/ATAPI-6, 7): where they are, what their bits say, and what is in them. */
import { type BusMasterState, newBusMasterState } from "./bus-master.ts";
import { type CdDriveState, newCdDriveState } from "./cd-drive.ts";
import type { PacketState } from "./packet-phases.ts";

/** A drive takes so long for a command, and for each further block of sectors. Virtual time; a real one takes longer. */
export const COMMAND_NS = 20_000;
export const BLOCK_NS = 5_000;

/** Where a channel is on the ISA bus: eight command block registers, the control block register, and its line. */
export const IDE_CHANNELS = [
  { name: "ide0", base: 0x1f0, control: 0x3f6, line: 14 },
  { name: "ide1", base: 0x170, control: 0x376, line: 15 },
] as const;

/** Command block registers, from the base. */
export const Reg = { data: 0, error: 1, count: 2, low: 3, middle: 4, high: 5, device: 6, status: 7 } as const;
export const Status = {
  busy: 0x80,
  ready: 0x40,
  fault: 0x20,
  seekDone: 0x10,
  request: 0x08,
  error: 0x01,
} as const;
export const IDLE = Status.ready | Status.seekDone;
/** In the error register. */
export const Failure = { aborted: 0x04, notFound: 0x10, uncorrectable: 0x40 } as const;
/** `address`: head, or bits 24 to 27 of a linear address. */
export const Device = { ones: 0xa0, lba: 0x40, second: 0x10, address: 0x0f } as const;
export const Control = { noInterrupt: 0x02, reset: 0x04, previous: 0x80 } as const;
const DIAGNOSTIC_PASSED = 1;

/** A command that moves data between the guest and the disk. */
export interface Transfer {
  /** 0 is the master. The guest may select the other one meanwhile. */
  readonly drive: 0 | 1;
  readonly direction: "in" | "out";
  /** Next sector on the disk; -1: the data are the drive's own. By DMA: of the block under way. */
  sector: number;
  /** Sectors still to move after the block in the buffer. By DMA: with the block under way. */
  left: number;
  readonly perBlock: number;
  /** By the bus master, not by the data register. */
  readonly dma: boolean;
}

/** A register that 48-bit commands read twice: as written last, and before that. */
export type Twofold = [latest: number, previous: number];

export interface IdeChannelState {
  features: number;
  count: Twofold;
  low: Twofold;
  middle: Twofold;
  high: Twofold;
  device: number;
  control: number;
  status: number;
  error: number;
  /** The drive has something to tell; and INTRQ, which it drives high then unless it may not. */
  interrupt: boolean;
  line: boolean;
  /** Sectors a block of the MULTIPLE commands, by drive. */
  multiple: [number, number];
  /** What SET FEATURES has chosen for DMA, by drive: 0x20 to 0x22 multiword, 0x40 to 0x45 Ultra; 0 for nothing. */
  dmaMode: [number, number];
  /** What comes when the drive is no longer busy. */
  pendingCommand: number | null;
  /** The block that is being moved; of one that the bus master writes, what has come so far. */
  buffer: number[];
  /** Next byte in the block. */
  at: number;
  transfer: Transfer | null;
  busMaster: BusMasterState;
  /** A PACKET command under way. */
  packet: PacketState | null;
  /** Of the CD drives, by number. */
  cds: [CdDriveState, CdDriveState];
  /** Count and address are as a reset has left them: by them each drive tells what it is. */
  signed: boolean;
}

export function newState(): IdeChannelState {
  return {
    features: 0,
    ...signature(),
    control: 0,
    interrupt: false,
    line: false,
    multiple: [0, 0],
    dmaMode: [0, 0],
    pendingCommand: null,
    buffer: [],
    at: 0,
    transfer: null,
    busMaster: newBusMasterState(),
    packet: null,
    cds: [newCdDriveState(), newCdDriveState()],
  };
}

/** What a reset leaves: registers that tell a disk, and a diagnosis without findings. */
export function signature(): Pick<
  IdeChannelState,
  "count" | "low" | "middle" | "high" | "device" | "error" | "status" | "signed"
> {
  return {
    count: [1, 0],
    low: [1, 0],
    middle: [0, 0],
    high: [0, 0],
    device: 0,
    error: DIAGNOSTIC_PASSED,
    status: IDLE,
    signed: true,
  };
}

/** By which a CD drive tells what it is. */
export const CD_SIGNATURE = { count: 1, low: 1, middle: 0x14, high: 0xeb } as const;
