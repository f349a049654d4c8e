import type { DataMemory } from "./interpreter.ts";

/** Thrown for an access outside the memory. */
export class MemoryFault extends Error {
  readonly address: number;
  constructor(address: number) {
    super(`no memory at ${address.toString(16)}`);
    this.address = address;
  }
}

/** A small range of bytes at a base address, all there is. */
export class WordsMemory implements DataMemory {
  readonly base: number;
  readonly bytes: Uint8Array;
  /** With writes refused it is a read-only page. */
  writable = true;
  readonly #view: DataView;

  constructor(base: number, words: readonly number[]) {
    this.base = base;
    this.bytes = new Uint8Array(Uint32Array.from(words).buffer);
    this.#view = new DataView(this.bytes.buffer);
  }

  get words(): number[] {
    return [...new Uint32Array(this.bytes.buffer)];
  }

  read(address: number, bytes: 1 | 2 | 4): number {
    const at = this.#place(address, bytes);
    if (bytes === 1) return this.#view.getUint8(at);
    return bytes === 2 ? this.#view.getUint16(at, true) : this.#view.getUint32(at, true);
  }

  write(address: number, bytes: 1 | 2 | 4, value: number): void {
    this.probe(address, bytes);
    const at = address - this.base;
    if (bytes === 1) this.#view.setUint8(at, value);
    else if (bytes === 2) this.#view.setUint16(at, value, true);
    else this.#view.setUint32(at, value, true);
  }

  probe(address: number, bytes: 1 | 2 | 4): void {
    this.#place(address, bytes);
    if (!this.writable) throw new MemoryFault(address);
  }

  #place(address: number, bytes: number): number {
    const at = address - this.base;
    if (at < 0 || at + bytes > this.bytes.length) throw new MemoryFault(address);
    return at;
  }
}
