/** The bus master of one IDE channel (Intel 82371AB PIIX4 datasheet, 5.2; SFF-8038i, "Programming Interface for Bus Master IDE Controllers"). */
import type { DmaMemory } from "../dma.ts";

/** Registers of a channel in the window of BAR 4: 8 bytes. */
export const BUS_MASTER_BYTES = 8;
const Register = { command: 0, status: 2, table: 4 } as const;
const Command = { start: 0x01, toMemory: 0x08 } as const;
export const BusMasterStatus = { active: 0x01, error: 0x02, interrupt: 0x04, capable: 0x60 } as const;

/** A physical region descriptor: address, bytes, and in bit 31 of the second word whether it is the last. */
const DESCRIPTOR_BYTES = 8;
const LAST = 0x80000000;
const MOST_BYTES = 0x10000;
/** The counter of a table's address; what is above it stays. */
const TABLE_SPAN = 0x10000;

/** Where the bus master is in its table. */
export interface RegionPlace {
  /** Of the next byte. */
  gpa: number;
  left: number;
  last: boolean;
  /** Of the descriptor behind. */
  next: number;
}

export interface BusMasterState {
  command: number;
  status: number;
  table: number;
  region: RegionPlace | null;
}

export const newBusMasterState = (): BusMasterState => ({ command: 0, status: 0, table: 0, region: null });

export interface BusMasterParts {
  readonly state: BusMasterState;
  readonly dma: DmaMemory;
  /** The function may master the bus (PCI command register). */
  readonly enabled: () => boolean;
  /** Software has started it: the drive may have waited for that. */
  readonly started: () => void;
}

/**
 * Moves bytes between a drive and the regions of a table in memory. It is active from when software starts it until the last region is done, an address where
 * no memory is, or until software stops it; whatever the drive still has then waits.
 */
export class BusMaster {
  readonly state: BusMasterState;
  readonly #dma: DmaMemory;
  readonly #enabled: () => boolean;
  readonly #started: () => void;

  constructor({ state, dma, enabled, started }: BusMasterParts) {
    this.state = state;
    this.#dma = dma;
    this.#enabled = enabled;
    this.#started = started;
  }

  get isActive(): boolean {
    return (this.state.status & BusMasterStatus.active) !== 0;
  }

  /** `offset` is 0 to 7. */
  read(offset: number, sizeBytes: number): number {
    let value = 0;
    for (let n = 0; n < sizeBytes; n++) value += this.#readByte(offset + n) * 2 ** (8 * n);
    return value;
  }

  write(offset: number, sizeBytes: number, value: number): void {
    for (let n = 0; n < sizeBytes; n++) this.#writeByte(offset + n, (value >>> (8 * n)) & 0xff);
  }

  /** The drive has asserted its line. */
  interrupted(): void {
    this.state.status |= BusMasterStatus.interrupt;
  }

  /** The drive has these bytes for memory. How many have got there. */
  toMemory(bytes: Uint8Array): number {
    if ((this.state.command & Command.toMemory) === 0) return 0;
    return this.#move(bytes.length, (gpa, at, count) => this.#dma.write(gpa, bytes.subarray(at, at + count)));
  }

  /** The drive wants bytes from memory: how many have come. */
  fromMemory(bytes: Uint8Array): number {
    if ((this.state.command & Command.toMemory) !== 0) return 0;
    return this.#move(bytes.length, (gpa, at, count) => {
      const read = this.#dma.read(gpa, count);
      if (read !== undefined) bytes.set(read, at);
      return read !== undefined;
    });
  }

  #move(count: number, step: (gpa: number, at: number, count: number) => boolean): number {
    let done = 0;
    while (done < count && this.isActive && this.#enabled()) {
      const { region: current } = this.state;
      const region = current !== null && current.left > 0 ? current : this.#fetch();
      if (region === undefined) break;
      const bytes = Math.min(count - done, region.left);
      if (!step(region.gpa, done, bytes)) {
        this.#fail();
        break;
      }
      done += bytes;
      region.gpa += bytes;
      region.left -= bytes;
      if (region.left === 0 && region.last) this.#stop();
    }
    return done;
  }

  /** The next descriptor of the table. Low bits of address and count are not there; a count of 0 is 64 KiB. */
  #fetch(): RegionPlace | undefined {
    const { state } = this;
    const at = state.region?.next ?? state.table;
    const bytes = this.#dma.read(at, DESCRIPTOR_BYTES);
    if (bytes === undefined) {
      this.#fail();
      return undefined;
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const second = view.getUint32(4, true);
    const next = at - (at % TABLE_SPAN) + ((at + DESCRIPTOR_BYTES) % TABLE_SPAN);
    const region = {
      gpa: (view.getUint32(0, true) & ~1) >>> 0,
      left: second & 0xfffe || MOST_BYTES,
      last: (second & LAST) !== 0,
      next,
    };
    state.region = region;
    return region;
  }

  #fail(): void {
    this.state.status |= BusMasterStatus.error;
    this.#stop();
  }

  #stop(): void {
    this.state.status &= ~BusMasterStatus.active;
    this.state.region = null;
  }

  #readByte(offset: number): number {
    const { command, status, table } = this.state;
    if (offset === Register.command) return command;
    if (offset === Register.status) return status;
    const at = offset - Register.table;
    return at >= 0 && at < 4 ? (table >>> (8 * at)) & 0xff : 0;
  }

  #writeByte(offset: number, byte: number): void {
    const { state } = this;
    const at = offset - Register.table;
    if (at >= 0 && at < 4)
      state.table = ((state.table & ~(0xff << (8 * at))) | ((byte << (8 * at)) & ~3)) >>> 0;
    else if (offset === Register.status) {
      const { error, interrupt, capable } = BusMasterStatus;
      const kept = state.status & ~capable & ~(byte & (error | interrupt));
      state.status = kept | (byte & capable);
    } else if (offset === Register.command) this.#writeCommand(byte & (Command.start | Command.toMemory));
  }

  #writeCommand(command: number): void {
    const { state } = this;
    const changed = state.command ^ command;
    state.command = command;
    if ((changed & Command.start) === 0) return;
    // It always begins with the first descriptor: what was stopped does not go on.
    this.#stop();
    if ((command & Command.start) === 0) return;
    state.status |= BusMasterStatus.active;
    this.#started();
  }
}
