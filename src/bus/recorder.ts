/** Writes the bus's messages down, one JSON object per line, and reads such a record again. */

import type { Envelope, Message } from "./envelope.ts";
import type { TapFilter, TapHandle } from "./taps.ts";

interface Tappable<M extends Message> {
  tap(tap: (envelope: Envelope<M>) => void, filter?: TapFilter): TapHandle;
}

/** What JSON cannot say, in a form that {@link parseRecord} turns back. */
function encode(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return { $bigint: value.toString() };
  if (value instanceof Uint8Array) return { $bytes: [...value] };
  if (value instanceof Error) return { $error: `${value.name}: ${value.message}` };
  if (typeof value === "number" && !Number.isFinite(value)) return { $number: String(value) };
  return value;
}

function decode(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { $bigint, $bytes, $error, $number } = value as {
    $bigint?: string;
    $bytes?: number[];
    $error?: string;
    $number?: string;
  };
  if ($bigint !== undefined) return BigInt($bigint);
  if ($bytes !== undefined) return Uint8Array.from($bytes);
  if ($error !== undefined) return new Error($error);
  if ($number !== undefined) return Number($number);
  return value;
}

/**
 * Writes every envelope (of the wanted types or families) as one line.
 * @param write gets a line with its newline at the end, in order.
 * @returns detach it to stop recording.
 */
export function record<M extends Message>(
  bus: Tappable<M>,
  write: (line: string) => void,
  filter?: TapFilter,
): TapHandle {
  return bus.tap((envelope) => write(`${JSON.stringify(envelope, encode)}\n`), filter);
}

/** A line of a record that is not an envelope. */
export class RecordFormatError extends Error {
  override readonly name = "RecordFormatError";
  constructor(line: number, reason: string) {
    super(`Line ${line} of the record is not an envelope: ${reason}`);
  }
}

/**
 * The envelopes of a record, in order.
 * @throws RecordFormatError
 */
export function parseRecord<M extends Message>(text: string): Envelope<M>[] {
  return text
    .split("\n")
    .map((line, at) => ({ line, number: at + 1 }))
    .filter(({ line }) => line.trim() !== "")
    .map(({ line, number }) => {
      let parsed: Partial<Envelope<M>> | null;
      try {
        parsed = JSON.parse(line, decode) as Partial<Envelope<M>> | null;
      } catch (error) {
        throw new RecordFormatError(number, (error as Error).message);
      }
      if (typeof parsed?.seq !== "number" || typeof parsed.message?.type !== "string")
        throw new RecordFormatError(number, "it has no 'seq' or no 'message.type'");
      return parsed as Envelope<M>;
    });
}
