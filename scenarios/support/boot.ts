/** Runs a vm until its console shows something, with audits on the way, and reports. */
import type { RunResult } from "../../src/vm/options.ts";
import type { Vm } from "../../src/vm/vm.ts";
import { Audits } from "./audits.ts";
import { ConsoleMatch } from "./console-match.ts";
import { type Send, Sender } from "./sends.ts";
import type { Terminal } from "./terminal.ts";

export interface BootOptions {
  /** What is waited for on the console; without it the vm runs until it ends or the user leaves. */
  readonly until?: RegExp | undefined;
  /** Asked after every exit: it is reached by something else than the console. */
  readonly also?: () => boolean;
  /** What is sent to the console on the way; then `until` is looked for behind the last. */
  readonly sends?: readonly Send[];
  /** Exits between two audits; 0: one at the end only. */
  readonly auditExits: number;
  /** The run comes back after so many instructions, with the vm alive. */
  readonly maxInstructions: number;
  /** An idle guest's time passes as the wall clock's. */
  readonly paced?: boolean;
  readonly terminal?: Terminal | undefined;
}

export interface BootOutcome {
  readonly result: RunResult;
  readonly reached: boolean;
  /** What the console has not shown, with something still to be sent. */
  readonly waitsFor: RegExp | undefined;
  readonly audits: Audits;
  readonly wallMs: number;
}

export async function runBoot(vm: Vm, options: BootOptions): Promise<BootOutcome> {
  const { until, terminal, maxInstructions } = options;
  const audits = new Audits(vm, options.auditExits);
  const match = new ConsoleMatch(vm, undefined);
  const sender = new Sender(vm, options.sends ?? [], match);
  let allSent = false;
  let found = false;
  const startMs = performance.now();
  let result: RunResult;
  do {
    result = await vm.runAsync({
      ...(terminal && { signal: terminal.left }),
      paced: options.paced ?? false,
      until: () => {
        audits.exit();
        terminal?.afterExit();
        found = options.also?.() === true;
        if (!allSent && sender.afterExit()) {
          allSent = true;
          match.expect(until);
        }
        return (allSent && match.reached()) || found;
      },
      ...(Number.isFinite(maxInstructions) && { budget: maxInstructions - vm.stats().instructions }),
    });
  } while (result.status === "waiting" && (await terminal?.input()) === true);
  const wallMs = performance.now() - startMs;
  audits.run();
  const reached = (allSent && match.reachedAtEnd()) || found;
  return { result, reached, waitsFor: sender.left[0]?.after, audits, wallMs };
}

/** What --json tells of a boot. */
export interface BootReport {
  readonly ok: boolean;
  readonly pager: string;
  readonly reached: boolean;
  readonly status: RunResult["status"];
  readonly reason?: string;
  readonly wallMs: number;
  /** Resets after which the guest has begun anew. */
  readonly restarts: number;
  readonly instructions: number;
  readonly mips: number;
  readonly virtualMs: number;
  readonly exits: Readonly<Record<string, number>>;
  /** Delivered on the machine's bus. */
  readonly messages: number;
  readonly audit: {
    readonly runs: number;
    readonly violations: number;
    readonly examples: readonly object[];
  };
  /** SHA-256 of guest memory; null when the vm has ended and given it back. */
  readonly memoryHash: string | null;
}

export function bootReport(vm: Vm, ok: boolean, outcome: BootOutcome): BootReport {
  const { result, reached, audits, wallMs } = outcome;
  const { status, reason, instructions, virtualNs } = result;
  return {
    ok,
    pager: vm.pager,
    reached,
    status,
    ...(reason !== undefined && { reason }),
    wallMs: Math.round(wallMs),
    restarts: vm.restarts,
    instructions,
    mips: Math.round(instructions / 100 / wallMs) / 10,
    virtualMs: virtualNs / 1e6,
    exits: vm.stats().exits,
    messages: vm.machine.bus.lastSeq,
    audit: { runs: audits.runs, violations: audits.violations, examples: audits.examples },
    memoryHash: vm.reason === undefined ? vm.memoryHash() : null,
  };
}

const END_WORDS: Partial<Record<RunResult["status"], string>> = {
  stopped: "left by the user",
  budget: "--max-instructions is reached",
  waiting: "the guest waits for input",
};

/** Tells a person how the run ended: one line, and one for each example of a violation. */
export function tellEnd(scenario: string, vm: Vm, ok: boolean, outcome: BootOutcome): void {
  const { reached, waitsFor, audits, wallMs } = outcome;
  const { instructions, status, reason } = outcome.result;
  const end = reached ? "reached" : (reason ?? END_WORDS[status] ?? status);
  const mips = instructions / 1000 / wallMs;
  const restarts = vm.restarts === 0 ? "" : `${vm.restarts} restarts, `;
  process.stderr.write(
    `${scenario}: ${ok ? "" : "NOT OK: "}${end}; ` +
      `${restarts}${(instructions / 1e6).toFixed(1)} M instructions in ${(wallMs / 1000).toFixed(1)} s (${mips.toFixed(0)} MIPS), ` +
      `${vm.machine.bus.lastSeq} messages, ${audits.runs} audits with ${audits.violations} violations\n`,
  );
  if (waitsFor !== undefined)
    process.stderr.write(`${scenario}: the console has not shown ${waitsFor}, for which a --send waits\n`);
  for (const { rule, detail } of audits.examples) process.stderr.write(`${scenario}: ${rule}: ${detail}\n`);
}
