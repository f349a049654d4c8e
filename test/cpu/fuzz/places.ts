import { Sel } from "../engine/support/guest.ts";

/** Where random programs run, and what lies where in their memory. */

export const PAGE = 4096;
/** The program's own pages: code, data and stack are all over them. */
export const FIRST = 0x10000;
export const PAGES = 48;
export const SIZE = PAGES * PAGE;
/** Pages below FIRST, all of them the guest's tables. */
export const TABLE_PAGES = 0x10;

export type Mode = "real" | "unreal" | "vm86" | "16 bits" | "32 bits";
export type Paging = "off" | "on" | "pae";

export interface Place {
  readonly mode: Mode;
  readonly ring: 0 | 3;
  readonly paging: Paging;
}

const PAGINGS: readonly Paging[] = ["off", "on", "pae"];
export const PLACES: readonly Place[] = [
  { mode: "real", ring: 0, paging: "off" },
  { mode: "unreal", ring: 0, paging: "off" },
  ...PAGINGS.map((paging) => ({ mode: "vm86", ring: 3, paging }) as const),
  ...PAGINGS.flatMap((paging) =>
    ([0, 3] as const).flatMap((ring) =>
      (["16 bits", "32 bits"] as const).map((mode) => ({ mode, ring, paging })),
    ),
  ),
];

export const placeName = ({ mode, ring, paging }: Place): string => `${mode}, ring ${ring}, paging ${paging}`;

/** No interrupt table but a vector table, and no selectors. */
export const isReal = ({ mode }: Place): boolean => mode === "real" || mode === "unreal";
/** Segments are named as in real mode. */
export const hasRealSegments = (place: Place): boolean => isReal(place) || place.mode === "vm86";

/** Selectors that descriptor tables have besides those of every guest; their DPL is 3 where the processor lets it be. */
export const Select = {
  code16: 0x38,
  data16: 0x40,
  task32: 0x48,
  task16: 0x50,
  taskGate: 0x58,
  otherTaskGate: 0x60,
  callGate: 0x68,
  callGate16: 0x70,
  ldt: 0x78,
  conforming: 0x80,
  expandDown: 0x88,
  notPresent: 0x90,
} as const;

/** What programs are made to load and to jump to. */
export const SELECTORS: readonly number[] = [
  ...Object.values(Sel),
  ...Object.values(Select),
  0,
  Sel.code3 & ~3,
  Sel.data3 & ~3,
  Sel.data0 | 3,
  Select.data16 | 3,
  // Of the local descriptor table.
  4,
  7,
  0xf,
];
