/** Sectors as the registers of a channel name them (ATA/ATAPI-6, 6.2): by cylinder, head and sector, or linear in 28 or 48 bits. */
import { HEADS, SECTORS_PER_TRACK } from "./identify.ts";
import { Device, type IdeChannelState } from "./registers.ts";

export type AddressWidth = 28 | 48;
type Addressing = Pick<IdeChannelState, "count" | "low" | "middle" | "high" | "device">;

const MOST_LINEAR_28 = 0x0fffffff;

/** The sectors that a command is for; undefined when they are not all on a disk of `sectors`. */
export function rangeOf(
  state: Addressing,
  width: AddressWidth,
  sectors: number,
): { first: number; count: number } | undefined {
  const first =
    width === 48 ? linear48(state) : state.device & Device.lba ? linear28(state) : geometric(state);
  const count = countOf(state, width);
  return first !== undefined && first + count <= sectors ? { first, count } : undefined;
}

/** 0 is as many as there can be. */
function countOf({ count }: Addressing, width: AddressWidth): number {
  return width === 48 ? (count[1] << 8) | count[0] || 0x10000 : count[0] || 0x100;
}

const linear28 = ({ low, middle, high, device }: Addressing): number =>
  low[0] + middle[0] * 2 ** 8 + high[0] * 2 ** 16 + (device & Device.address) * 2 ** 24;

const linear48 = ({ low, middle, high }: Addressing): number =>
  low[0] +
  middle[0] * 2 ** 8 +
  high[0] * 2 ** 16 +
  low[1] * 2 ** 24 +
  middle[1] * 2 ** 32 +
  high[1] * 2 ** 40;

/** Sectors of a track count from 1. */
function geometric({ low, middle, high, device }: Addressing): number | undefined {
  if (low[0] === 0 || low[0] > SECTORS_PER_TRACK) return undefined;
  const cylinder = middle[0] | (high[0] << 8);
  return (cylinder * HEADS + (device & Device.address)) * SECTORS_PER_TRACK + low[0] - 1;
}

/** Has the registers name a sector, as the READ NATIVE MAX commands answer. */
export function setAddress(state: Addressing, sector: number, width: AddressWidth): void {
  const byte = (n: number): number => Math.floor(sector / 2 ** (8 * n)) & 0xff;
  const wide = width === 48;
  state.low = [byte(0), wide ? byte(3) : 0];
  state.middle = [byte(1), wide ? byte(4) : 0];
  state.high = [byte(2), wide ? byte(5) : 0];
  if (wide) return;
  const top = Math.floor(Math.min(sector, MOST_LINEAR_28) / 2 ** 24);
  state.device = (state.device & ~Device.address) | (top & Device.address);
}
