import type { Burst } from "./burst.ts";
import type { PortRun } from "./core.ts";
import type { CpuState } from "./state.ts";
import {
  advance,
  ECX,
  goesDown,
  loadElement,
  readIndex,
  storeElement,
  writeIndex,
} from "./system/string-op.ts";

/**
 * Elements of a REP INS or OUTS that leave the guest together. Of those that are answered all but the last are done here, registers as after each; the last
 * one is answered like a single access, so that what follows finds the instruction exactly as if every element had left by itself.
 */
export class PortRuns {
  private readonly state: CpuState;
  private readonly burst: Burst;
  private run: PortRun | undefined;

  constructor(state: CpuState, burst: Burst) {
    this.state = state;
    this.burst = burst;
  }

  /** The exit record is filled for the first element: it tells of the others, too. */
  offer(run: PortRun): void {
    const { exitRecord } = this.burst;
    this.run = run;
    exitRecord.count = run.count;
    if (!exitRecord.write) return;
    const values: number[] = [];
    for (let n = 1; n < run.count; n++)
      values.push(loadElement(this.state.u8, this.byteOf(run, n), run.size));
    exitRecord.more = values;
  }

  /**
   * The first `count` have been answered, with `values` if they are inputs; does all but the last of them.
   * Throws RangeError when not so many have left.
   */
  finish(count: number, values: readonly number[]): void {
    const { state, run } = this;
    const { exitRecord } = this.burst;
    if (!(count >= 1 && count <= exitRecord.count))
      throw new RangeError(`${count} accesses to a port are answered, of ${exitRecord.count} that have left`);
    if (count === 1 || run === undefined) return;
    const done = count - 1;
    if (!exitRecord.write)
      for (let n = 0; n < done; n++)
        storeElement(state.u8, this.byteOf(run, n), run.size, values[n] as number);
    advance(state, run, run.index, done * run.size);
    writeIndex(state, run, ECX, readIndex(state, run, ECX) - done);
  }

  private byteOf({ host, size }: PortRun, n: number): number {
    return goesDown(this.state) ? host - n * size : host + n * size;
  }
}
