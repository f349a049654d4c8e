/** The commands of a disk (ATA/ATAPI-6, 8) by their codes. One that is not here is aborted. */
import type { AddressWidth } from "./address.ts";

export type IdeCommand =
  /** READ and WRITE: `multiple` by blocks of as many sectors as SET MULTIPLE MODE says, else sector by sector. */
  | { does: "transfer"; direction: "in" | "out"; width: AddressWidth; multiple: boolean }
  | { does: "verify"; width: AddressWidth }
  /** READ NATIVE MAX ADDRESS. */
  | { does: "tellLast"; width: AddressWidth }
  | {
      does: "diagnose" | "identify" | "flush" | "setMultiple" | "setFeatures" | "checkPower" | "nothing";
    };

const transfer =
  (direction: "in" | "out") =>
  (width: AddressWidth, multiple = false): IdeCommand => ({ does: "transfer", direction, width, multiple });
const read = transfer("in");
const write = transfer("out");
const NOTHING: IdeCommand = { does: "nothing" };

/** Which is for both drives, and heard even if the one that is selected is not there. */
export const DIAGNOSE = 0x90;

export const COMMANDS: ReadonlyMap<number, IdeCommand> = new Map<number, IdeCommand>([
  // RECALIBRATE.
  [0x10, NOTHING],
  [0x20, read(28)],
  [0x21, read(28)],
  [0x24, read(48)],
  [0x27, { does: "tellLast", width: 48 }],
  [0x29, read(48, true)],
  [0x30, write(28)],
  [0x31, write(28)],
  [0x34, write(48)],
  [0x39, write(48, true)],
  [0x40, { does: "verify", width: 28 }],
  [0x41, { does: "verify", width: 28 }],
  [0x42, { does: "verify", width: 48 }],
  // SEEK.
  [0x70, NOTHING],
  [DIAGNOSE, { does: "diagnose" }],
  // INITIALIZE DEVICE PARAMETERS.
  [0x91, NOTHING],
  [0xc4, read(28, true)],
  [0xc5, write(28, true)],
  [0xc6, { does: "setMultiple" }],
  // STANDBY IMMEDIATE, IDLE IMMEDIATE, STANDBY, IDLE; SLEEP.
  [0xe0, NOTHING],
  [0xe1, NOTHING],
  [0xe2, NOTHING],
  [0xe3, NOTHING],
  [0xe5, { does: "checkPower" }],
  [0xe6, NOTHING],
  [0xe7, { does: "flush" }],
  [0xea, { does: "flush" }],
  [0xec, { does: "identify" }],
  [0xef, { does: "setFeatures" }],
  [0xf8, { does: "tellLast", width: 28 }],
]);
