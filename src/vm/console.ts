/** The host's side of a vm's console: bytes that the guest has sent, gathered for whoever listens or searches. */

/** How much of the latest output is kept for `text` and for searching. */
const KEPT_CHARACTERS = 1 << 20;
const PENDING_BYTES = 4096;
const NEWLINE = 10;

export class ConsoleOutputBuffer {
  /** Bytes ever sent. */
  total = 0;
  readonly #emit: (bytes: Uint8Array) => void;
  readonly #pending = new Uint8Array(PENDING_BYTES);
  #length = 0;
  #text = "";

  /** `emit` gets the bytes in lines, or whatever there is when `flush` is called. */
  constructor(emit: (bytes: Uint8Array) => void) {
    this.#emit = emit;
  }

  put(byte: number): void {
    this.total++;
    this.#text += String.fromCharCode(byte);
    if (this.#text.length > 2 * KEPT_CHARACTERS) this.#text = this.#text.slice(-KEPT_CHARACTERS);
    this.#pending[this.#length++] = byte;
    if (byte === NEWLINE || this.#length === PENDING_BYTES) this.flush();
  }

  flush(): void {
    if (this.#length === 0) return;
    const bytes = this.#pending.slice(0, this.#length);
    this.#length = 0;
    this.#emit(bytes);
  }

  /** The latest output, a character a byte (at least the last MiB). */
  get text(): string {
    return this.#text;
  }

  /** What has been sent since `total` was `mark`, as far as it is kept. */
  since(mark: number): string {
    const count = this.total - mark;
    return count <= 0 ? "" : this.#text.slice(-count);
  }
}
