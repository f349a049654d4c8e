import type { BusMaster } from "./bus-master.ts";
import type { IdeChannelState } from "./registers.ts";

/** What a channel lends to those that move data for its drives. */
export interface ChannelSide {
  readonly state: IdeChannelState;
  readonly busMaster: BusMaster;
  /** BSY, and an alarm after so long. */
  workFor(ns: number): void;
  /** Asserts the drive's interrupt. */
  interrupt(): void;
  /** The command of a disk ends with this status, and an interrupt. */
  end(status: number): void;
  /** The same, with this in the error register. */
  fail(error: number): void;
}
