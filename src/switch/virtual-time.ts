/**
 * The virtual time of one vm, in whole nanoseconds since power-on. It is made of retired instructions, of port accesses and of
 * the jumps of an idle processor; exits and messages cost nothing. So it is the same in every run, and under every pager.
 */

export interface TimeScale {
  /** Length of one retired instruction. */
  readonly nsPerInstruction: number;
  /** Length of one port access: a cycle of the ISA bus. Guests poll ports in delay loops and count on it. */
  readonly ioNs: number;
  /** Frequency of the time-stamp counter. */
  readonly tscMHz: number;
}

/**
 * A processor of 100 MIPS, about what the engine reaches, with a time-stamp counter of 1 GHz. Guests wait by the clock: at 1 ns an
 * instruction half of a Linux boot would be delay loops.
 */
export const DEFAULT_TIME_SCALE: TimeScale = { nsPerInstruction: 10, ioNs: 1000, tscMHz: 1000 };

/** A setting of the time scale is not a whole number in its range. */
export class TimeScaleError extends Error {
  override readonly name = "TimeScaleError";
  constructor(setting: string, value: number, lowest: number) {
    super(
      `${setting} must be a whole number of at least ${lowest}, not ${value}: virtual time is exact integer arithmetic`,
    );
  }
}

export class VirtualTime {
  readonly scale: TimeScale;
  readonly #retired: () => number;
  /** Nanoseconds that no instruction accounts for. */
  #extraNs = 0;

  /** `retired` tells how many instructions the vcpu has retired, now. Throws TimeScaleError. */
  constructor(retired: () => number, scale: TimeScale = DEFAULT_TIME_SCALE) {
    this.#retired = retired;
    this.scale = scale;
    demandWhole("nsPerInstruction", scale.nsPerInstruction, 1);
    demandWhole("ioNs", scale.ioNs, 0);
    demandWhole("tscMHz", scale.tscMHz, 1);
  }

  nowNs(): number {
    return this.#retired() * this.scale.nsPerInstruction + this.#extraNs;
  }

  /** So many port accesses have taken place. */
  spendIo(accesses: number): void {
    this.#extraNs += accesses * this.scale.ioNs;
  }

  /** The processor has idled until `atNs`; a time that has passed changes nothing. */
  jumpTo(atNs: number): void {
    const ahead = atNs - this.nowNs();
    if (ahead > 0) this.#extraNs += ahead;
  }

  /** How many instructions must still retire until it is `atNs` or later; 0 or less when it is. */
  instructionsUntil(atNs: number): number {
    return Math.ceil((atNs - this.nowNs()) / this.scale.nsPerInstruction);
  }

  /** How many port accesses can begin before it is `atNs`; 0 when it is. */
  accessesUntil(atNs: number): number {
    const ahead = atNs - this.nowNs();
    if (ahead <= 0) return 0;
    return this.scale.ioNs === 0 ? Number.POSITIVE_INFINITY : Math.ceil(ahead / this.scale.ioNs);
  }

  /** Time-stamp counter when `retired` instructions have retired (and nothing else has happened since). */
  timestamp(retired: number): bigint {
    const ns = BigInt(retired * this.scale.nsPerInstruction + this.#extraNs);
    return this.scale.tscMHz === 1000 ? ns : (ns * BigInt(this.scale.tscMHz)) / 1000n;
  }
}

function demandWhole(setting: string, value: number, lowest: number): void {
  if (!Number.isSafeInteger(value) || value < lowest) throw new TimeScaleError(setting, value, lowest);
}
