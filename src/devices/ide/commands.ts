/** The commands of a disk (ATA/ATAPI-6, 8) by their codes. One that is not here is aborted. */
import type { AddressWidth } from "./address.ts";

export type IdeCommand =
  /** READ and WRITE, sector by sector, by blocks of as many as SET MULTIPLE MODE says, or by the bus master. */
  | { does: "transfer"; direction: "in" | "out"; width: AddressWidth; by: "sector" | "multiple" | "dma" }
  | { does: "verify"; width: AddressWidth }
  /** READ NATIVE MAX ADDRESS. */
  | { does: "tellLast"; width: AddressWidth }
  | {
      does: "diagnose" | "identify" | "flush" | "setMultiple" | "setFeatures" | "checkPower" | "nothing";
    };

export type TransferCommand = Extract<IdeCommand, { does: "transfer" }>;

const transfer =
  (direction: "in" | "out") =>
  (width: AddressWidth, by: TransferCommand["by"] = "sector"): IdeCommand => ({
    does: "transfer",
    direction,
    width,
    by,
  });
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
  [0x25, read(48, "dma")],
  [0x27, { does: "tellLast", width: 48 }],
  [0x29, read(48, "multiple")],
  [0x30, write(28)],
  [0x31, write(28)],
  [0x34, write(48)],
  [0x35, write(48, "dma")],
  [0x39, write(48, "multiple")],
  [0x40, { does: "verify", width: 28 }],
  [0x41, { does: "verify", width: 28 }],
  [0x42, { does: "verify", width: 48 }],
  // SEEK.
  [0x70, NOTHING],
  [DIAGNOSE, { does: "diagnose" }],
  // INITIALIZE DEVICE PARAMETERS.
  [0x91, NOTHING],
  [0xc4, read(28, "multiple")],
  [0xc5, write(28, "multiple")],
  [0xc6, { does: "setMultiple" }],
  [0xc8, read(28, "dma")],
  [0xc9, read(28, "dma")],
  [0xca, write(28, "dma")],
  [0xcb, write(28, "dma")],
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

/** PACKET, of drives that are no disks. */
export const PACKET = 0xa0;

/** Heard by a CD drive that is busy, too. */
export const DEVICE_RESET = 0x08;

/** The other commands of a CD drive. One that is not here is aborted; those that a disk would answer let it tell what it is. */
export type CdCommand = "reset" | "identify" | "setFeatures" | "nothing" | "tellSignature";

export const CD_COMMANDS: ReadonlyMap<number, CdCommand> = new Map<number, CdCommand>([
  [DEVICE_RESET, "reset"],
  // READ SECTORS, IDENTIFY DEVICE.
  [0x20, "tellSignature"],
  [0xec, "tellSignature"],
  // IDENTIFY PACKET DEVICE.
  [0xa1, "identify"],
  [0xe0, "nothing"],
  [0xe1, "nothing"],
  [0xe2, "nothing"],
  [0xe3, "nothing"],
  [0xe6, "nothing"],
  [0xe7, "nothing"],
  [0xef, "setFeatures"],
]);
