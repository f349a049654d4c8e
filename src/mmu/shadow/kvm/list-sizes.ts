/** How much a set of lists is made for. */
export interface ListSizes {
  /** Global indices of sptes are below this. */
  readonly sptes: number;
  /** Cells are below this; cell 0 is not used. */
  readonly cells: number;
  /** Cells from this one on hold the parents of shadow pages, the lower ones the leaves of a gfn. */
  readonly firstParentCell: number;
}
