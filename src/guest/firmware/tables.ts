/** Little-endian bytes of a table, appended one after the other. */
export class TableWriter {
  readonly #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }
  u8(...values: readonly number[]): this {
    for (const value of values) this.#bytes.push(value & 0xff);
    return this;
  }
  u16(value: number): this {
    return this.u8(value, value >>> 8);
  }
  u32(value: number): this {
    return this.u16(value & 0xffff).u16(value >>> 16);
  }
  /** ASCII, padded with spaces or cut off at `length`. */
  text(text: string, length = text.length): this {
    return this.u8(...Buffer.from(text.padEnd(length).slice(0, length), "latin1"));
  }
  zeros(count: number): this {
    return this.u8(...new Array<number>(count).fill(0));
  }
  bytes(more: Uint8Array): this {
    return this.u8(...more);
  }
  build(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/** Makes the sum of `length` bytes from `from` on zero, by the byte at `at`. */
export function checksum(bytes: Uint8Array, at: number, from = 0, length = bytes.length - from): void {
  bytes[at] = 0;
  const sum = bytes.subarray(from, from + length).reduce((total, byte) => total + byte, 0);
  bytes[at] = -sum & 0xff;
}
