/** Runs the same guest under two pagers, and finds the first instruction after which they differ. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Contestant } from "./contestant.ts";
import { compareMemory, withoutAccessedDirty } from "./memory.ts";
import { REGISTER_NAMES } from "./registers.ts";

export interface LockstepOptions {
  /** Makes both, fresh from reset and equal in everything but the pager. May be called several times. */
  readonly make: () => readonly [Contestant, Contestant];
  /** Instructions between two comparisons of the registers. */
  readonly every: number;
  /** Instructions between two comparisons of all memory; there is always one at the end. */
  readonly memoryEvery: number;
  /** Stop here at the latest. */
  readonly maxInstructions: number;
  /** Stop when the console of the first has shown this (looked for at comparisons). */
  readonly until?: RegExp;
  readonly onProgress?: (instructions: number) => void;
}

/** One thing that is not the same. */
export interface Discrepancy {
  /** A register (`cpu1 eax` of the second processor), `memory 0x…`, `written to disk 0`, or one of `status`, `instructions`, `virtual time`, `console`. */
  readonly what: string;
  readonly a: number | string;
  readonly b: number | string;
}

export interface Difference {
  /** The greatest count of instructions at which they were found equal. */
  readonly equalAt: number;
  /** The count at which they differ: one more, once narrowed down. */
  readonly differentAt: number;
  readonly discrepancies: readonly Discrepancy[];
  /** What each side's monitor did last. */
  readonly histories: readonly [string, string];
}

export interface LockstepReport {
  readonly end: "different" | "until" | "limit" | "waiting" | "ended";
  /** Why the guest ended, if it did. */
  readonly reason: string | undefined;
  readonly instructions: number;
  readonly comparisons: number;
  readonly memoryComparisons: number;
  /** Page-table entries that differ in A and D only, at the end. */
  readonly accessedDirtyOnly: number;
  readonly difference: Difference | undefined;
  /** SHA-256 of each side's memory at the end: as it is, and without A and D bits of page tables. Absent when the vms have ended. */
  readonly hashes:
    | { readonly exact: readonly [string, string]; readonly ignoringAD: readonly [string, string] }
    | undefined;
}

/** Differences are narrowed down by this factor a replay. */
const NARROWING = 10;
const TURN_MS = 50;

export async function lockstep(options: LockstepOptions): Promise<LockstepReport> {
  const pair = options.make();
  const [a, b] = pair;
  const look = { comparisons: 0, memoryComparisons: 0, accessedDirtyOnly: 0 };
  let equalAt = 0;
  let memoryEqualAt = 0;
  let nextMemory = options.memoryEvery;
  let turnEnds = performance.now() + TURN_MS;
  for (;;) {
    const target = Math.min(equalAt + options.every, options.maxInstructions);
    a.runTo(target);
    b.runTo(target);
    const reached = options.until?.test(a.vm.console.text.slice(-4096)) ?? false;
    const isLast = reached || target >= options.maxInstructions || !a.canGoOn || !b.canGoOn;
    const withMemory = isLast || target >= nextMemory;
    const discrepancies = compare(pair, withMemory, look);
    if (discrepancies.length > 0) {
      const difference = await narrow(options, {
        // Memory may have differed for long before anybody looked.
        equalAt: memoryEqualAt,
        differentAt: Math.max(a.instructions, b.instructions),
        discrepancies,
        histories: [a.history(), b.history()],
      });
      return report("different", pair, look, difference);
    }
    if (isLast) {
      const end = reached
        ? "until"
        : a.canGoOn
          ? "limit"
          : a.result?.status === "waiting"
            ? "waiting"
            : "ended";
      return report(end, pair, look, undefined);
    }
    equalAt = target;
    if (withMemory) {
      memoryEqualAt = target;
      nextMemory = target + options.memoryEvery;
    }
    if (performance.now() >= turnEnds) {
      options.onProgress?.(equalAt);
      await nextTurn();
      turnEnds = performance.now() + TURN_MS;
    }
  }
}

interface Looked {
  comparisons: number;
  memoryComparisons: number;
  accessedDirtyOnly: number;
}

function report(
  end: LockstepReport["end"],
  pair: readonly [Contestant, Contestant],
  looked: Looked,
  difference: Difference | undefined,
): LockstepReport {
  const [a, b] = pair;
  const alive = a.vm.reason === undefined && b.vm.reason === undefined;
  const hashesOf = () => {
    const pages = new Set([...a.tables.pages(a.vm.memory), ...b.tables.pages(b.vm.memory)]);
    const mask = withoutAccessedDirty(pages);
    return {
      exact: [a.vm.memoryHash(), b.vm.memoryHash()],
      ignoringAD: [a.vm.memoryHash(mask), b.vm.memoryHash(mask)],
    } as const;
  };
  return {
    end,
    reason: a.vm.reason,
    instructions: Math.max(a.instructions, b.instructions),
    ...looked,
    difference,
    hashes: alive ? hashesOf() : undefined,
  };
}

function compare(
  [a, b]: readonly [Contestant, Contestant],
  withMemory: boolean,
  looked: Looked,
): Discrepancy[] {
  looked.comparisons++;
  const found: Discrepancy[] = [];
  const check = (what: string, inA: number | string, inB: number | string) => {
    if (inA !== inB) found.push({ what, a: inA, b: inB });
  };
  check("status", a.result?.status ?? "", b.result?.status ?? "");
  const [statsA, statsB] = [a.vm.stats(), b.vm.stats()];
  for (const [cpu, { instructions }] of statsA.vcpus.entries())
    check(
      cpu === 0 ? "instructions" : `cpu${cpu} instructions`,
      instructions,
      statsB.vcpus[cpu]?.instructions ?? 0,
    );
  check("virtual time", statsA.virtualNs, statsB.virtualNs);
  if (a.vm.console.text !== b.vm.console.text) check("console", lastLine(a), lastLine(b));
  const registersA = a.registers();
  const registersB = b.registers();
  if (registersA === undefined || registersB === undefined) return found;
  for (const [cpu, inA] of registersA.entries()) {
    const inB = registersB[cpu] as Uint32Array;
    REGISTER_NAMES.forEach((name, at) => {
      check(cpu === 0 ? name : `cpu${cpu} ${name}`, inA[at] as number, inB[at] as number);
    });
  }
  if (!withMemory) return found;
  looked.memoryComparisons++;
  const memory = compareMemory(a.vm.memory, b.vm.memory, a.tables, b.tables);
  looked.accessedDirtyOnly = memory.accessedDirtyOnly;
  for (const { gpa, a: inA, b: inB } of memory.examples) check(`memory 0x${gpa.toString(16)}`, inA, inB);
  for (const [n, disk] of a.disks.entries())
    check(`written to disk ${n}`, disk.writtenHash(), b.disks[n]?.writtenHash() ?? "");
  return found;
}

const lastLine = ({ vm }: Contestant): string => vm.console.text.split("\n").at(-1) ?? "";

/** Replays from reset, comparing everything ever more often between the last equal and the first different count. */
async function narrow(options: LockstepOptions, found: Difference): Promise<Difference> {
  let difference = found;
  for (let { equalAt, differentAt } = found; differentAt - equalAt > 1; ) {
    options.onProgress?.(equalAt);
    await nextTurn();
    const step = Math.max(1, Math.floor((differentAt - equalAt) / NARROWING));
    const next = replay(options, equalAt, differentAt, step);
    // What does not come again has to do with how the run was cut up: report it as it was found.
    if (next === undefined) return difference;
    difference = next;
    ({ equalAt, differentAt } = next);
  }
  return difference;
}

function replay(options: LockstepOptions, from: number, to: number, step: number): Difference | undefined {
  const pair = options.make();
  const [a, b] = pair;
  a.runTo(from);
  b.runTo(from);
  for (let equalAt = from; equalAt < to; equalAt += step) {
    const target = Math.min(equalAt + step, to);
    a.runTo(target);
    b.runTo(target);
    const discrepancies = compare(pair, true, { comparisons: 0, memoryComparisons: 0, accessedDirtyOnly: 0 });
    if (discrepancies.length > 0)
      return { equalAt, differentAt: target, discrepancies, histories: [a.history(), b.history()] };
  }
  return undefined;
}
