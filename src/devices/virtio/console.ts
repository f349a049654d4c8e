/** The virtio console with its one port (Virtual I/O Device Specification 1.2, 5.3). */
import type { ByteSink } from "../device.ts";
import type { DmaMemory } from "../dma.ts";
import type { VirtioDevice } from "./device.ts";
import { BrokenRing, gather, scatter, totalBytes, type VirtQueue } from "./queue.ts";

const FEATURE_SIZE = 1 << 0;
const FEATURE_EMERGENCY_WRITE = 1 << 2;
const RECEIVE = 0;
const TRANSMIT = 1;
const QUEUE_SIZE = 64;
const CONFIG_BYTES = 12;
const EMERGENCY_WRITE = 8;
const COLUMNS = 80;
const ROWS = 25;
/** Of one buffer, so much is taken at most at a time. */
const PIECE_BYTES = 4096;
/** Of one request; the driver's buffers are pages. */
const REQUEST_BYTES = 1 << 20;

export interface VirtioConsoleOptions {
  readonly dma: DmaMemory;
  /** Gets every byte that the guest sends. */
  readonly transmit: ByteSink;
}

export interface VirtioConsoleState {
  /** From outside, in order; waits until the driver gives buffers. */
  waiting: number[];
}

export class VirtioConsole implements VirtioDevice {
  readonly name = "virtio-console";
  readonly deviceId = 3;
  readonly classCode = [7, 0x80, 0] as const;
  readonly features = FEATURE_SIZE | FEATURE_EMERGENCY_WRITE;
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE];
  readonly state: VirtioConsoleState = { waiting: [] };
  readonly #options: VirtioConsoleOptions;

  constructor(options: VirtioConsoleOptions) {
    this.#options = options;
  }

  /** Bytes from outside; the receive queue must be served after it. */
  receive(bytes: Iterable<number>): void {
    for (const byte of bytes) this.state.waiting.push(byte & 0xff);
  }

  config(): Uint8Array {
    const bytes = new Uint8Array(CONFIG_BYTES);
    bytes[0] = COLUMNS;
    bytes[2] = ROWS;
    return bytes;
  }

  /** A write of the emergency field sends its lowest byte, even without queues. */
  writeConfig(offset: number, byte: number): void {
    if (offset === EMERGENCY_WRITE) this.#options.transmit(byte);
  }

  reset(): void {}

  serve(index: number, queue: VirtQueue): BrokenRing | undefined {
    if (index === RECEIVE) return this.#fill(queue);
    return index === TRANSMIT ? this.#drain(queue) : undefined;
  }

  #fill(queue: VirtQueue): BrokenRing | undefined {
    const { waiting } = this.state;
    while (waiting.length > 0) {
      const chain = queue.take();
      if (chain === undefined || chain instanceof BrokenRing) return chain;
      const bytes = Uint8Array.from(waiting.slice(0, Math.min(totalBytes(chain.writable), PIECE_BYTES)));
      if (!scatter(this.#options.dma, chain.writable, 0, bytes)) return NOT_IN_MEMORY;
      waiting.splice(0, bytes.length);
      const broken = queue.give(chain.head, bytes.length);
      if (broken !== undefined) return broken;
    }
    return undefined;
  }

  #drain(queue: VirtQueue): BrokenRing | undefined {
    for (;;) {
      const chain = queue.take();
      if (chain === undefined || chain instanceof BrokenRing) return chain;
      const total = totalBytes(chain.readable);
      if (total > REQUEST_BYTES) return new BrokenRing(`${total} bytes in one piece for the console`);
      const bytes = gather(this.#options.dma, chain.readable, 0, total);
      if (bytes === undefined) return NOT_IN_MEMORY;
      for (const byte of bytes) this.#options.transmit(byte);
      const broken = queue.give(chain.head, 0);
      if (broken !== undefined) return broken;
    }
  }
}

const NOT_IN_MEMORY = new BrokenRing("a buffer of the console is not in memory");
