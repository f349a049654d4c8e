/** What operations on lists must cost, from the design note's formulas alone: nothing here looks at a list. */

/** Hops from descriptor to descriptor until the k-th entry of a list that was never removed from. */
const hopsTo = (k: number): number => Math.ceil(k / 4) - 1;

const triangle = (n: number): number => (n * (n + 1)) / 2;

/** Sum of ceil(k/4) for k = 1 … n. */
function quarters(n: number): number {
  const whole = Math.floor(n / 4);
  return 4 * triangle(whole) + (n - 4 * whole) * (whole + 1);
}

export const expected = {
  /** Walking from entry to entry: slot visits with descriptors, which search for each entry from the beginning. */
  walkVisits: (n: number): number => (n < 2 ? 0 : (n * (n + 3)) / 2),
  /** The same with links: the cell, and each link once. */
  walkLoads: (n: number): number => n + 1,
  /** One pass of filter: slot visits with descriptors. The single entry of a cell is in no slot. */
  passVisits: (n: number): number => (n < 2 ? 0 : n),
  passHops: (n: number): number => (n < 2 ? 0 : hopsTo(n)),
  /** Adding with n entries present, hops or loads beyond that of the cell. */
  addHops: (n: number): number => (n < 2 ? 0 : hopsTo(n)),
  countLoads: (n: number, cap: number): number => Math.min(n, cap),
  /** Building a list of n, hops beyond the loads of the cell. */
  buildHops: (n: number): number => quarters(n - 1) - (n - 1),
  /** Building a list of n with a count up to the cap at each add, loads of cells included. */
  buildLoads: (n: number, cap: number): number =>
    n + (n - 1 <= cap ? triangle(n - 1) : triangle(cap) + (n - 1 - cap) * cap),
  /** Descriptors that building a list of n takes. */
  descriptors: (n: number): number => (n < 2 ? 0 : Math.ceil(n / 4)),
  /** Removing all of n, newest first with descriptors, oldest first with sibling links. */
  worstRemovals: (n: number): number => triangle(n),
  worstRemovalHops: (n: number): number => quarters(n) - n,
  /** Removing all of n, oldest first, with descriptors: 1 + 2 + 2 + 1 visits for each full one. */
  oldestFirstVisits: (n: number): number => {
    const rest = [0, 1, 2, 4][n % 4] as number;
    return 6 * Math.floor(n / 4) + rest;
  },
  /** Taking 512 entries out, each out of a list of n, where the positions lie evenly about the middle. */
  zapLoads: (n: number): number => (512 * (n + 1)) / 2,
  /** Dropping every second of n (n even), the first of the list among them, beginning again after each drop. */
  restartVisits: (n: number): number => triangle(n / 2) + n / 2,
  restartRemovals: (n: number): number => triangle(n / 2),
};
