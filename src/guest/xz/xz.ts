import { crc32 } from "node:zlib";
import { undoX86Filter } from "./bcj-x86.ts";
import { checkOf } from "./checks.ts";
import { LzmaDataError } from "./lzma.ts";
import { decodeLzma2 } from "./lzma2.ts";

/** The data are not an .xz stream that this decoder knows, or they are damaged. */
export class XzError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "XzError";
  }
}

const MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
const STREAM_HEADER_SIZE = 12;
const FILTER_X86 = 0x04;
const FILTER_LZMA2 = 0x21;

export function isXz(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, index) => bytes[index] === byte);
}

interface BlockHeader {
  readonly sizeBytes: number;
  /** Start offset of the x86 filter, or undefined when the block has none. */
  readonly x86Offset: number | undefined;
}

/** A variable-length integer: seven bits a byte, low ones first. Values beyond 2^53 are refused. */
function readInteger(bytes: Uint8Array, start: number): { value: number; at: number } {
  let value = 0;
  for (let index = 0; index < 8; index++) {
    const byte = bytes[start + index];
    if (byte === undefined) throw new XzError("the stream ends inside a number");
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return { value, at: start + index + 1 };
  }
  throw new XzError("a number is too large");
}

function readBlockHeader(bytes: Uint8Array, start: number): BlockHeader {
  const sizeBytes = ((bytes[start] as number) + 1) * 4;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (start + sizeBytes > bytes.length) throw new XzError("the stream ends inside a block header");
  const header = bytes.subarray(start, start + sizeBytes - 4);
  if (crc32(header) !== view.getUint32(start + sizeBytes - 4, true))
    throw new XzError("a block header is damaged");
  const flags = header[1] as number;
  if (flags & 0x3c) throw new XzError("the block header has flags that are not known");
  let at = 2;
  for (const present of [flags & 0x40, flags & 0x80]) if (present) at = readInteger(header, at).at;
  let x86Offset: number | undefined;
  const count = (flags & 3) + 1;
  for (let index = 0; index < count; index++) {
    const id = readInteger(header, at);
    const size = readInteger(header, id.at);
    at = size.at + size.value;
    const isLast = index === count - 1;
    if (id.value === FILTER_LZMA2 && isLast) continue;
    if (
      id.value === FILTER_X86 &&
      !isLast &&
      x86Offset === undefined &&
      (size.value === 0 || size.value === 4)
    ) {
      x86Offset = size.value === 4 ? view.getUint32(start + size.at, true) : 0;
      continue;
    }
    throw new XzError(`the filter ${id.value} is not supported (only LZMA2, alone or behind the x86 filter)`);
  }
  return { sizeBytes, x86Offset };
}

/**
 * Decompresses the first stream in `bytes`; what follows it is ignored (a Linux payload has its size there).
 *
 * Shapes: "The .xz File Format" 1.2. Block headers and the data's own check are verified; the index at the end, which only
 * repeats the sizes, is not read.
 *
 * @throws XzError
 */
export function decompressXz(bytes: Uint8Array): Uint8Array {
  if (!isXz(bytes)) throw new XzError("the data do not begin as an .xz stream");
  if (bytes.length < STREAM_HEADER_SIZE) throw new XzError("the stream ends inside its header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (crc32(bytes.subarray(6, 8)) !== view.getUint32(8, true))
    throw new XzError("the stream's header is damaged");
  const check = checkOf((bytes[7] as number) & 0xf);
  const blocks: Uint8Array[] = [];
  let at = STREAM_HEADER_SIZE;
  for (;;) {
    if (at >= bytes.length) throw new XzError("the stream ends too early");
    if (bytes[at] === 0) break;
    const header = readBlockHeader(bytes, at);
    const block = decodeBlock(bytes, at + header.sizeBytes);
    if (header.x86Offset !== undefined) undoX86Filter(block.output, header.x86Offset);
    const padded = at + header.sizeBytes + Math.ceil((block.end - at - header.sizeBytes) / 4) * 4;
    const stored = bytes.subarray(padded, padded + check.sizeBytes);
    if (stored.length < check.sizeBytes) throw new XzError("the stream ends inside a check");
    if (check.compute && !check.compute(block.output).every((byte, index) => byte === stored[index])) {
      throw new XzError("the data are damaged: their check does not agree");
    }
    at = padded + check.sizeBytes;
    blocks.push(block.output);
  }
  if (blocks.length === 1) return blocks[0] as Uint8Array;
  const output = new Uint8Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let offset = 0;
  for (const block of blocks) {
    output.set(block, offset);
    offset += block.length;
  }
  return output;
}

function decodeBlock(bytes: Uint8Array, start: number): { output: Uint8Array; end: number } {
  try {
    return decodeLzma2(bytes, start);
  } catch (error) {
    if (error instanceof LzmaDataError) throw new XzError(error.message, { cause: error });
    throw error;
  }
}
