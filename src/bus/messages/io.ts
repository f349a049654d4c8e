/** Switcher → the device behind the port. Answered by `io.data`. */
export interface IoRead {
  readonly type: "io.read";
  /** The processor that executes the instruction, and that the answer is for. */
  readonly vcpu: number;
  readonly port: number;
  /** 1, 2 or 4 bytes. */
  readonly size: number;
}

/** Switcher → the device behind the port. Answered by `io.done`. */
export interface IoWrite {
  readonly type: "io.write";
  /** The processor that executes the instruction, and that the answer is for. */
  readonly vcpu: number;
  readonly port: number;
  readonly size: number;
  /** Zero-extended. */
  readonly value: number;
}

/** Device → Switcher: what was read, zero-extended. */
export interface IoData {
  readonly type: "io.data";
  readonly vcpu: number;
  readonly value: number;
}

/** Device → Switcher: the write is done. */
export interface IoDone {
  readonly type: "io.done";
  readonly vcpu: number;
}

export type IoMessage = IoRead | IoWrite | IoData | IoDone;
