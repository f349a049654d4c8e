import { type Gpa, type Mfn, NO_FRAME, OFFSET_MASK, PAGE_SHIFT, PAGE_SIZE } from "./address.ts";
import type { MachineMemory } from "./machine-memory.ts";
import type { P2m } from "./p2m.ts";

/** Guest-physical memory was accessed (by a loader, a device or the monitor) where no frame backs it. */
export class GuestAddressError extends Error {
  override readonly name = "GuestAddressError";
  readonly gpa: number;
  constructor(gpa: number, memoryBytes: number) {
    super(
      `guest-physical address 0x${gpa.toString(16)} is not backed by memory: the guest has 0x${memoryBytes.toString(16)} bytes, without 0xa0000-0xfffff`,
    );
    this.gpa = gpa;
  }
}

/** Bytes were written at a host-physical address; never crosses a frame. */
export type WriteHook = (hpa: number, sizeBytes: number) => void;

/**
 * A guest's physical memory, as loaders, devices and walkers see it: by gpa, through the p2m. Every access may cross pages and be
 * unaligned. What is written to ROM is lost. Throws GuestAddressError where no frame backs the address; a bulk write has then changed nothing.
 */
export class GuestMemory {
  readonly machine: MachineMemory;
  readonly p2m: P2m;
  /** Called after every write, so that the CPU drops code decoded from those bytes. */
  onWrite: WriteHook = () => {};

  constructor(machine: MachineMemory, p2m: P2m) {
    this.machine = machine;
    this.p2m = p2m;
  }

  get sizeBytes(): number {
    return this.p2m.sizeBytes;
  }

  /** True exactly when frames back all the bytes. */
  isBacked(gpa: Gpa, sizeBytes = 1): boolean {
    const last = gpa + Math.max(sizeBytes, 1) - 1;
    for (let gfn = gpa >>> PAGE_SHIFT; gfn * PAGE_SIZE <= last; gfn++)
      if (this.p2m.lookup(gfn) === NO_FRAME) return false;
    return true;
  }

  /** Host-physical address of a byte. */
  hpa(gpa: Gpa): number {
    const mfn = this.p2m.lookup(Math.floor(gpa / PAGE_SIZE));
    if (mfn === NO_FRAME) throw new GuestAddressError(gpa, this.sizeBytes);
    return mfn * PAGE_SIZE + (gpa & OFFSET_MASK);
  }

  read8(gpa: Gpa): number {
    return this.machine.u8[this.hpa(gpa)] as number;
  }

  read16(gpa: Gpa): number {
    return this.read8(gpa) | (this.read8((gpa + 1) as Gpa) << 8);
  }

  /** Unsigned. */
  read32(gpa: Gpa): number {
    if ((gpa & 3) === 0) return this.machine.u32[this.hpa(gpa) >>> 2] as number;
    return (this.read16(gpa) | (this.read16((gpa + 2) as Gpa) << 16)) >>> 0;
  }

  write8(gpa: Gpa, value: number): void {
    const hpa = this.#writtenAt(this.hpa(gpa));
    if (hpa < 0) return;
    this.machine.u8[hpa] = value;
    this.onWrite(hpa, 1);
  }

  write16(gpa: Gpa, value: number): void {
    if ((gpa & 1) === 0) {
      const hpa = this.#writtenAt(this.hpa(gpa));
      if (hpa < 0) return;
      this.machine.u16[hpa >>> 1] = value;
      this.onWrite(hpa, 2);
    } else this.writeBytes(gpa, Uint8Array.of(value, value >>> 8));
  }

  write32(gpa: Gpa, value: number): void {
    if ((gpa & 3) === 0) {
      const hpa = this.#writtenAt(this.hpa(gpa));
      if (hpa < 0) return;
      this.machine.u32[hpa >>> 2] = value;
      this.onWrite(hpa, 4);
    } else this.writeBytes(gpa, Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24));
  }

  /** A copy. */
  readBytes(gpa: Gpa, sizeBytes: number): Uint8Array {
    const bytes = new Uint8Array(sizeBytes);
    for (let done = 0; done < sizeBytes; ) {
      const hpa = this.hpa((gpa + done) as Gpa);
      const length = Math.min(sizeBytes - done, PAGE_SIZE - (hpa & OFFSET_MASK));
      bytes.set(this.machine.u8.subarray(hpa, hpa + length), done);
      done += length;
    }
    return bytes;
  }

  writeBytes(gpa: Gpa, bytes: Uint8Array): void {
    this.#demandBacked(gpa, bytes.length);
    for (let done = 0; done < bytes.length; ) {
      const hpa = this.hpa((gpa + done) as Gpa);
      const length = Math.min(bytes.length - done, PAGE_SIZE - (hpa & OFFSET_MASK));
      const at = this.#writtenAt(hpa);
      if (at >= 0) {
        this.machine.u8.set(bytes.subarray(done, done + length), at);
        this.onWrite(at, length);
      }
      done += length;
    }
  }

  fill(gpa: Gpa, sizeBytes: number, value: number): void {
    this.#demandBacked(gpa, sizeBytes);
    for (let done = 0; done < sizeBytes; ) {
      const hpa = this.hpa((gpa + done) as Gpa);
      const length = Math.min(sizeBytes - done, PAGE_SIZE - (hpa & OFFSET_MASK));
      const at = this.#writtenAt(hpa);
      if (at >= 0) {
        this.machine.u8.fill(value, at, at + length);
        this.onWrite(at, length);
      }
      done += length;
    }
  }

  /** Makes the pages that hold these bytes ROM from now on, or RAM again. */
  setReadOnly(gpa: Gpa, sizeBytes: number, readOnly: boolean): void {
    for (let at = Math.floor(gpa / PAGE_SIZE) * PAGE_SIZE; at < gpa + sizeBytes; at += PAGE_SIZE) {
      const mfn = Math.floor(this.hpa(at as Gpa) / PAGE_SIZE) as Mfn;
      if (readOnly) this.machine.protectFrame(mfn);
      else this.machine.openFrame(mfn);
    }
  }

  /** Gives every frame back. */
  dispose(): void {
    for (const mfn of this.p2m.frames()) this.machine.openFrame(mfn);
    this.p2m.dispose();
  }

  /**
   * A paging-structure entry (or one word of an 8-byte one) at an aligned gpa, unsigned. Memory that does not exist reads as all ones, as on a bus where nobody
   * answers; the hardware walker does the same.
   */
  readEntry32(gpa: number): number {
    const mfn = this.p2m.lookup(Math.floor(gpa / PAGE_SIZE));
    if (mfn === NO_FRAME) return 0xffffffff;
    return this.machine.u32[((mfn << PAGE_SHIFT) | (gpa & OFFSET_MASK)) >>> 2] as number;
  }

  /** Writes an entry; a write to memory that does not exist is lost. */
  writeEntry32(gpa: number, value: number): void {
    if (this.p2m.lookup(Math.floor(gpa / PAGE_SIZE)) !== NO_FRAME) this.write32(gpa as Gpa, value);
  }

  /** Where a write to that place lands; -1 when it is lost. */
  #writtenAt(hpa: number): number {
    return this.machine.readOnly[Math.floor(hpa / PAGE_SIZE)] === 0 ? hpa : this.machine.writtenAt(hpa);
  }

  #demandBacked(gpa: number, sizeBytes: number): void {
    for (let at = gpa; at < gpa + sizeBytes; at = (Math.floor(at / PAGE_SIZE) + 1) * PAGE_SIZE)
      this.hpa(at as Gpa);
  }
}
