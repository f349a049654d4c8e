/**
 * Ticks of a fixed-frequency oscillator in virtual time, in exact integer arithmetic: the same time always gives the
 * same tick, and the n-th tick comes at the same nanosecond however often anybody looked. Times in ns below 2^53,
 * frequencies up to 9 MHz (so that one second's product stays below 2^53).
 */

export const NS_PER_SECOND = 1_000_000_000;

/** How many whole periods of an oscillator of `hz` have passed at `ns` (`ns` not negative). */
export function ticksAt(ns: number, hz: number): number {
  const rest = ns % NS_PER_SECOND;
  const seconds = (ns - rest) / NS_PER_SECOND;
  const product = rest * hz;
  return seconds * hz + (product - (product % NS_PER_SECOND)) / NS_PER_SECOND;
}

/** The first nanosecond at which `ticksAt` is `tick`: the inverse of `ticksAt`, without drift. */
export function nsOfTick(tick: number, hz: number): number {
  const rest = tick % hz;
  const seconds = (tick - rest) / hz;
  const product = rest * NS_PER_SECOND;
  const whole = (product - (product % hz)) / hz;
  return seconds * NS_PER_SECOND + whole + (product % hz === 0 ? 0 : 1);
}
