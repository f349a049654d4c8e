import { POISON } from "./pte-lists.ts";

/** No shadow page has sid 0, and a page has 512 sptes. */
export const FIRST_SPTE = 512;

/** How much a set of lists is made for. */
export interface ListSizes {
  /** Global indices of sptes are below this; those below FIRST_SPTE are not used. */
  readonly sptes: number;
  /** Cells are below this; cell 0 is not used. */
  readonly cells: number;
  /** Cells from this one on hold the parents of shadow pages, the lower ones the leaves of a gfn. */
  readonly firstParentCell: number;
}

/** Link of an index that is no spte: can neither be added nor followed. */
const NO_SPTE = 0xfffffffe;

/** A link for each spte, all poisoned. */
export function freshLinks({ sptes }: ListSizes): Uint32Array {
  return new Uint32Array(sptes).fill(POISON).fill(NO_SPTE, 0, FIRST_SPTE);
}

/** Whether this is the link of a listed spte (NIL at the end of a list). */
export const isLink = (link: number | undefined): link is number => link !== undefined && link < NO_SPTE;
