import { median } from "../support/statistics.ts";

const BATCH_NS = 1_000_000;
const WARM_UP_NS = 20_000_000;

const now = (): number => Number(process.hrtime.bigint());

/** How often things are measured. */
export interface Patience {
  readonly rounds: number;
  /** Work of more list reads than this is not repeated, and of more than `most` not done at all. */
  readonly once: number;
  readonly most: number;
}

/** Nanoseconds of one `work` that leaves the lists as they are: median of batches long enough for the clock, after a warm-up. */
export function repeatedNs(work: () => void, rounds: number): number {
  let batch = 1;
  const start = now();
  for (;;) {
    const from = now();
    for (let i = 0; i < batch; i++) work();
    const spent = now() - from;
    if (spent >= BATCH_NS && now() - start >= WARM_UP_NS) break;
    if (spent < BATCH_NS) batch *= 2;
  }
  return median(
    Array.from({ length: rounds }, () => {
      const from = now();
      for (let i = 0; i < batch; i++) work();
      return (now() - from) / batch;
    }),
  );
}

/** Nanoseconds of work on something that is made anew each time, which is not timed; the first two runs are for the compiler. */
export function freshNs<Subject>(
  make: () => Subject,
  work: (subject: Subject) => void,
  rounds: number,
): number {
  const samples: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const subject = make();
    const from = now();
    work(subject);
    if (round >= 0) samples.push(now() - from);
  }
  return median(samples);
}

/** Nanoseconds of a single run. */
export function onceNs(work: () => void): number {
  const from = now();
  work();
  return now() - from;
}

/** "12.3 ns", "4.56 µs", "7.89 ms", "1.2 s". */
export function duration(ns: number | undefined): string | undefined {
  if (ns === undefined) return undefined;
  const units: readonly [number, string][] = [
    [1e9, "s"],
    [1e6, "ms"],
    [1e3, "µs"],
  ];
  const [scale, unit] = units.find(([scale]) => ns >= scale) ?? [1, "ns"];
  return `${(ns / scale).toPrecision(3)} ${unit}`;
}

/** Slope of the straight line through (log x, log y), by least squares. */
export function logLogSlope(points: readonly (readonly [number, number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const mean = (pick: (point: readonly [number, number]) => number): number =>
    logs.reduce((sum, point) => sum + pick(point), 0) / logs.length;
  const mx = mean(([x]) => x);
  const my = mean(([, y]) => y);
  const up = logs.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  return up / logs.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}
