import { LzmaDataError, LzmaDecoder } from "./lzma.ts";

/** LZMA2: LZMA and stored chunks behind one another, each with its sizes ("The .xz File Format", 5.3.1). */
interface Chunk {
  readonly control: number;
  /** Properties byte, or -1 to keep those in force. */
  readonly properties: number;
  readonly from: number;
  readonly packedBytes: number;
  readonly sizeBytes: number;
}

const STORED_RESET = 1;
const STORED = 2;
const LZMA = 0x80;
/** Bits 5 and 6 of an LZMA chunk's control byte: how much is reset, each including the ones before. */
const RESET_STATE = 1;
const RESET_PROPERTIES = 2;
const RESET_DICTIONARY = 3;

function readChunks(input: Uint8Array, start: number): { chunks: Chunk[]; end: number } {
  const chunks: Chunk[] = [];
  const byte = (at: number): number => {
    if (at >= input.length) throw new LzmaDataError("the data ends too early");
    return input[at] as number;
  };
  const word = (at: number): number => (byte(at) << 8) | byte(at + 1);
  let at = start;
  for (;;) {
    const control = byte(at);
    if (control === 0) return { chunks, end: at + 1 };
    let chunk: Chunk;
    if (control >= LZMA) {
      const sizeBytes = ((control & 0x1f) << 16) + word(at + 1) + 1;
      const packedBytes = word(at + 3) + 1;
      const hasProperties = ((control >> 5) & 3) >= RESET_PROPERTIES;
      const from = at + (hasProperties ? 6 : 5);
      chunk = { control, properties: hasProperties ? byte(at + 5) : -1, from, packedBytes, sizeBytes };
    } else if (control <= STORED) {
      const sizeBytes = word(at + 1) + 1;
      chunk = { control, properties: -1, from: at + 3, packedBytes: sizeBytes, sizeBytes };
    } else {
      throw new LzmaDataError(`bad LZMA2 control byte ${control}`);
    }
    at = chunk.from + chunk.packedBytes;
    if (at > input.length) throw new LzmaDataError("the data ends inside a chunk");
    chunks.push(chunk);
  }
}

/**
 * Decodes one LZMA2 stream that begins at `start`. Chunks carry their sizes, so the output is allocated once.
 *
 * @throws LzmaDataError
 */
export function decodeLzma2(input: Uint8Array, start: number): { output: Uint8Array; end: number } {
  const { chunks, end } = readChunks(input, start);
  const output = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.sizeBytes, 0));
  const decoder = new LzmaDecoder(input, output);
  let hasDictionary = false;
  let hasProperties = false;
  let hasState = false;
  for (const { control, properties, from, packedBytes, sizeBytes } of chunks) {
    const reset = control >= LZMA ? (control >> 5) & 3 : 0;
    if (control === STORED_RESET || reset === RESET_DICTIONARY) {
      decoder.resetDictionary();
      hasDictionary = true;
    }
    if (!hasDictionary) throw new LzmaDataError("the first chunk does not reset the dictionary");
    if (control <= STORED) {
      decoder.copy(from, sizeBytes);
      continue;
    }
    if (properties >= 0) {
      decoder.setProperties(properties);
      hasProperties = true;
    }
    if (reset >= RESET_STATE && hasProperties) {
      decoder.resetState();
      hasState = true;
    }
    if (!hasState) throw new LzmaDataError("a chunk comes before its properties");
    decoder.decode(from, packedBytes, sizeBytes);
  }
  return { output, end };
}
