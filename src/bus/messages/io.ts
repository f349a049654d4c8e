/** Switcher → the device behind the port. Answered by `io.data`. */
export interface IoRead {
  readonly type: "io.read";
  /** The processor that executes the instruction, and that the answer is for. */
  readonly vcpu: number;
  readonly port: number;
  /** 1, 2 or 4 bytes. */
  readonly size: number;
  /** So many reads may be answered together, if more than one: elements of a REP INS that nothing comes between. */
  readonly count?: number;
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
  /** Of the writes after it that may be done together with it: elements of a REP OUTS that nothing comes between. */
  readonly more?: readonly number[];
}

/** Device → Switcher: what was read, zero-extended. */
export interface IoData {
  readonly type: "io.data";
  readonly vcpu: number;
  readonly value: number;
  /** What the reads after it gave, as far as the device has answered them together. */
  readonly more?: readonly number[];
}

/** Device → Switcher: the write is done. */
export interface IoDone {
  readonly type: "io.done";
  readonly vcpu: number;
  /** How many writes, if more than one. */
  readonly count?: number;
}

export type IoMessage = IoRead | IoWrite | IoData | IoDone;
