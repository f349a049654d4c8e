/** Embedder → Uart: bytes typed at the console. The only input from outside; recorded with the envelope's virtual time. */
export interface ConsoleInput {
  readonly type: "console.input";
  readonly bytes: Uint8Array;
}

/** Uart → Vm: a byte that the guest has sent. */
export interface ConsoleOutput {
  readonly type: "console.output";
  readonly byte: number;
}

export type ConsoleMessage = ConsoleInput | ConsoleOutput;
