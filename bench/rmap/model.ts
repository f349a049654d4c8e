/** What removals cost, worked out on plain arrays: a second opinion where no formula says it. */

/** Sum of positions counted from the newest, of those that are still there. */
export function siblingRemovals(added: readonly number[], leaving: readonly number[]): number {
  const present = added.toReversed();
  let visits = 0;
  for (const g of leaving) {
    const index = present.indexOf(g);
    visits += index + 1;
    present.splice(index, 1);
  }
  return visits;
}

/** Descriptors as arrays of up to four; the last of a descriptor fills the gap in it, and an empty one goes. */
export function descriptorRemovals(
  added: readonly number[],
  leaving: readonly number[],
): { visits: number; hops: number } {
  const descriptors: number[][] = [];
  for (let n = 0; n < added.length; n += 4) descriptors.push(added.slice(n, n + 4));
  let visits = 0;
  let hops = 0;
  for (const g of leaving) {
    const which = descriptors.findIndex((entries) => entries.includes(g));
    const entries = descriptors[which] as number[];
    const index = entries.indexOf(g);
    for (const before of descriptors.slice(0, which)) visits += before.length;
    visits += index + 1;
    hops += which;
    const last = entries.pop() as number;
    if (index < entries.length) entries[index] = last;
    if (entries.length === 0) descriptors.splice(which, 1);
  }
  return { visits, hops };
}
