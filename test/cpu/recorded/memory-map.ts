/** The memory of cases, the same in harness.c and in the engine: see there. */

export const PAGE = 4096;
export const BASE = 0x10000000;
/** One letter a page from BASE on: . unmapped, W writable, R readable only. */
export const PAGE_KINDS = ".WW.WRR.WW.W.";
export const CODE = 0x10010000;
export const CODE_PAGES = 2;
/** A window lies half before and half behind the beginning of a page. */
export const HALF = 64;
export const WINDOW = 2 * HALF;
/** Bytes of the FXSAVE image that a case has: up to XMM7. */
export const FX_BYTES = 288;

/** Address of the first byte of the window around the beginning of a page. */
export const windowAt = (page: number): number => BASE + page * PAGE - HALF;

/** Kinds of the two pages that a window lies in. */
export const kindsAt = (page: number): string => PAGE_KINDS.slice(page - 1, page + 1);

/** Where XMM0 is in the FXSAVE format. */
export const XMM_AT = 160;
