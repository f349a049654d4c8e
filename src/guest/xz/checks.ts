import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

/** The reflected ECMA-182 polynomial, as two 32-bit halves. */
const CRC64_LOW = 0xd7870f42;
const CRC64_HIGH = 0xc96c5795;

let tables: { low: Uint32Array; high: Uint32Array } | undefined;

function crc64Tables(): { low: Uint32Array; high: Uint32Array } {
  if (tables) return tables;
  const low = new Uint32Array(256);
  const high = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let l = byte;
    let h = 0;
    for (let bit = 0; bit < 8; bit++) {
      const carry = l & 1;
      l = (l >>> 1) | (h << 31);
      h >>>= 1;
      if (carry) {
        l ^= CRC64_LOW;
        h ^= CRC64_HIGH;
      }
    }
    low[byte] = l;
    high[byte] = h;
  }
  tables = { low, high };
  return tables;
}

function crc64(bytes: Uint8Array): Uint8Array {
  const { low, high } = crc64Tables();
  let l = 0xffffffff;
  let h = 0xffffffff;
  for (const byte of bytes) {
    const index = (l ^ byte) & 0xff;
    l = ((l >>> 8) | (h << 24)) ^ (low[index] as number);
    h = (h >>> 8) ^ (high[index] as number);
  }
  const result = new DataView(new ArrayBuffer(8));
  result.setUint32(0, ~l, true);
  result.setUint32(4, ~h, true);
  return new Uint8Array(result.buffer);
}

function crc32Bytes(bytes: Uint8Array): Uint8Array {
  const result = new DataView(new ArrayBuffer(4));
  result.setUint32(0, crc32(bytes), true);
  return new Uint8Array(result.buffer);
}

/** An integrity check that a stream may carry ("The .xz File Format", 2.1.1.2). */
export interface Check {
  readonly sizeBytes: number;
  /** Undefined for a kind that is only skipped. */
  readonly compute: ((bytes: Uint8Array) => Uint8Array) | undefined;
}

/** Sizes of the sixteen kinds of check, of which the format defines four. */
const SIZES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];

export function checkOf(id: number): Check {
  const sizeBytes = SIZES[id] as number;
  if (id === 1) return { sizeBytes, compute: crc32Bytes };
  if (id === 4) return { sizeBytes, compute: crc64 };
  if (id === 10) return { sizeBytes, compute: (bytes) => createHash("sha256").update(bytes).digest() };
  return { sizeBytes, compute: undefined };
}
