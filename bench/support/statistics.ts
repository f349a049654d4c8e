/** The middle value; of an even count, the mean of the two middle ones. Throws RangeError for an empty list. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("there is no median of no values");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/** Rounds for a report: `digits` behind the point. */
export function rounded(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}

/** The median of what `pick` takes out of each, rounded; undefined when no item has it. */
export function medianOf<Item>(
  items: readonly Item[],
  pick: (item: Item) => number | undefined,
  digits = 2,
): number | undefined {
  const values = items.map(pick).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : rounded(median(values), digits);
}
