/** A CD-ROM drive as its packets see it (INF-8020i / MMC-3, SPC-2): what it answers, and what it remembers to have gone wrong. */
import { type Disk, SECTOR_BYTES } from "../../disk/disk.ts";

/** Of a CD. */
export const CD_SECTOR_BYTES = 2048;
export const PACKET_BYTES = 12;
const SECTORS_OF_DISK = CD_SECTOR_BYTES / SECTOR_BYTES;

const Code = {
  testUnitReady: 0x00,
  requestSense: 0x03,
  inquiry: 0x12,
  startStopUnit: 0x1b,
  preventAllow: 0x1e,
  readCapacity: 0x25,
  read10: 0x28,
  readToc: 0x43,
  getConfiguration: 0x46,
  modeSense10: 0x5a,
  read12: 0xa8,
} as const;

export interface Sense {
  readonly key: number;
  readonly code: number;
}
const NO_SENSE: Sense = { key: 0, code: 0 };
const MEDIUM_ERROR: Sense = { key: 3, code: 0x11 };
const INVALID_COMMAND: Sense = { key: 5, code: 0x20 };
const OUT_OF_RANGE: Sense = { key: 5, code: 0x21 };
const INVALID_FIELD: Sense = { key: 5, code: 0x24 };
/** Power on, or reset. */
const ATTENTION: Sense = { key: 6, code: 0x29 };

export interface CdDriveState {
  sense: Sense;
  /** To be told at the next command that can tell it. */
  attention: boolean;
}

export const newCdDriveState = (): CdDriveState => ({ sense: NO_SENSE, attention: true });

/** What a packet leads to: bytes, sectors of 512 bytes from the disc, nothing, or an error, about which sense tells. */
export type PacketOutcome =
  | { readonly kind: "bytes"; readonly bytes: readonly number[] }
  | { readonly kind: "sectors"; readonly first: number; readonly count: number }
  | { readonly kind: "done" }
  | { readonly kind: "error"; readonly sense: Sense };

const DONE: PacketOutcome = { kind: "done" };
const word = (value: number): number[] => [(value >>> 8) & 0xff, value & 0xff];
const double = (value: number): number[] => [...word(value >>> 16), ...word(value)];
const text = (value: string, length: number): number[] => [
  ...Buffer.from(value.padEnd(length).slice(0, length), "latin1"),
];

/** A drive with a disc in it, which cannot be taken out. */
export class CdDrive {
  readonly disc: Disk;
  readonly state: CdDriveState;

  constructor(disc: Disk, state: CdDriveState) {
    this.disc = disc;
    this.state = state;
  }

  /** Sectors of 2048 bytes. */
  get sectors(): number {
    return Math.floor(this.disc.sectors / SECTORS_OF_DISK);
  }

  reset(): void {
    Object.assign(this.state, newCdDriveState());
  }

  /** Does what the twelve bytes of a packet say. */
  execute(packet: readonly number[]): PacketOutcome {
    const { state } = this;
    const [code] = packet;
    const view = new DataView(Uint8Array.from(packet).buffer);
    if (state.attention && code !== Code.inquiry && code !== Code.requestSense) {
      state.attention = false;
      return this.fail(ATTENTION);
    }
    if (code === Code.requestSense) return reply(this.#takeSense(), view.getUint8(4));
    state.sense = NO_SENSE;
    switch (code) {
      case Code.inquiry:
        return reply(INQUIRY, view.getUint8(4));
      case Code.testUnitReady:
      case Code.startStopUnit:
      case Code.preventAllow:
        return DONE;
      case Code.readCapacity:
        return reply([...double(this.sectors - 1), ...double(CD_SECTOR_BYTES)]);
      case Code.read10:
        return this.#read(view.getUint32(2), view.getUint16(7));
      case Code.read12:
        return this.#read(view.getUint32(2), view.getUint32(6));
      case Code.readToc:
        return this.#toc(view);
      case Code.getConfiguration:
        return reply(CONFIGURATION, view.getUint16(7));
      case Code.modeSense10:
        return this.#modeSense(view);
      default:
        return this.fail(INVALID_COMMAND);
    }
  }

  /** The host could not read the disc. */
  readFailed(): PacketOutcome {
    return this.fail(MEDIUM_ERROR);
  }

  private fail(sense: Sense): PacketOutcome {
    this.state.sense = sense;
    return { kind: "error", sense };
  }

  /** Fixed format; what has been told is forgotten. */
  #takeSense(): number[] {
    const { state } = this;
    const { key, code } = state.attention ? ATTENTION : state.sense;
    state.attention = false;
    state.sense = NO_SENSE;
    return [0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, 0, 0, 0, 0, 0];
  }

  #read(first: number, count: number): PacketOutcome {
    if (first + count > this.sectors) return this.fail(OUT_OF_RANGE);
    if (count === 0) return DONE;
    return { kind: "sectors", first: first * SECTORS_OF_DISK, count: count * SECTORS_OF_DISK };
  }

  /** One data track, and where it leads out. */
  #toc(view: DataView): PacketOutcome {
    const asTime = (view.getUint8(1) & 2) !== 0;
    // Drives of the first hour had the format in the control byte.
    const format = view.getUint8(2) & 0x0f || view.getUint8(9) >>> 6;
    const start = view.getUint8(6);
    const length = view.getUint16(7);
    const address = (sector: number) => (asTime ? [0, ...timeOf(sector)] : double(sector));
    const track = (number: number, sector: number) => [0, 0x14, number, 0, ...address(sector)];
    if (format === 1) return reply([...word(10), 1, 1, ...track(1, 0)], length);
    if (format !== 0 || (start > 1 && start !== LEAD_OUT)) return this.fail(INVALID_FIELD);
    const tracks = [...(start <= 1 ? track(1, 0) : []), ...track(LEAD_OUT, this.sectors)];
    return reply([...word(tracks.length + 2), 1, 1, ...tracks], length);
  }

  #modeSense(view: DataView): PacketOutcome {
    const page = view.getUint8(2) & 0x3f;
    // Saved values there are none of; what can be changed is nothing.
    const control = view.getUint8(2) >>> 6;
    const wanted = page === ALL_PAGES ? MODE_PAGES : MODE_PAGES.filter(([number]) => number === page);
    if (wanted.length === 0 || control === 3) return this.fail(INVALID_FIELD);
    const pages = wanted.flatMap((bytes) =>
      control === 1 ? bytes.map((byte, at) => (at < 2 ? byte : 0)) : bytes,
    );
    return reply([...word(pages.length + 6), 0, 0, 0, 0, 0, 0, ...pages], view.getUint16(7));
  }
}

const LEAD_OUT = 0xaa;
const ALL_PAGES = 0x3f;
const INQUIRY = [
  5,
  0x80,
  0,
  0x21,
  31,
  0,
  0,
  0,
  ...text("UMBRA", 8),
  ...text("CD-ROM", 16),
  ...text("1.0", 4),
];
/** Current profile: CD-ROM. */
const CONFIGURATION = [
  ...double(16),
  0,
  0,
  ...word(8),
  ...word(0),
  0x03,
  8,
  ...word(8),
  1,
  0,
  ...word(0),
  0,
  0,
];
/** Read error recovery; capabilities: reads discs, locked in its tray, 4 x speed. */
const MODE_PAGES: readonly (readonly number[])[] = [
  [0x01, 6, 0, 5, 0, 0, 0, 0],
  [0x2a, 18, 0x03, 0, 0, 0, 0x21, 0, ...word(706), ...word(0), ...word(128), ...word(706), 0, 0, 0, 0],
];

/** No more than the host has room for. */
const reply = (bytes: readonly number[], room = bytes.length): PacketOutcome =>
  room === 0 ? DONE : { kind: "bytes", bytes: bytes.slice(0, room) };

/** Minutes, seconds and frames; the first two seconds come before sector 0. */
function timeOf(sector: number): number[] {
  const frames = sector + 150;
  return [Math.floor(frames / 4500), Math.floor(frames / 75) % 60, frames % 75];
}
