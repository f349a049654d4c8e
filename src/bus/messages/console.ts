/** Embedder → Uart: bytes typed at the console. An input from outside; recorded with the envelope's virtual time. */
export interface ConsoleInput {
  readonly type: "console.input";
  readonly bytes: Uint8Array;
}

/** Embedder → KeyboardController: keys pressed and released, one after the other. An input from outside, as `console.input` is. */
export interface ConsoleKeys {
  readonly type: "console.keys";
  /** Of each, the scan codes of set 2. */
  readonly strokes: readonly (readonly number[])[];
}

/** Uart → Vm: a byte that the guest has sent. */
export interface ConsoleOutput {
  readonly type: "console.output";
  readonly byte: number;
}

/** Ports → Vm: a byte of the log that firmware keeps at port 0x402. */
export interface ConsoleLog {
  readonly type: "console.log";
  readonly byte: number;
}

export type ConsoleMessage = ConsoleInput | ConsoleKeys | ConsoleOutput | ConsoleLog;
