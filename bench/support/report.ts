import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describeMachine, type MachineInfo, machineInfo } from "./machine-info.ts";

/** What every benchmark ends with: tables for people, and one JSON object for programs. */
export class Report {
  readonly #bench: string;
  readonly #machine: MachineInfo = machineInfo();

  constructor(bench: string, title: string) {
    this.#bench = bench;
    process.stdout.write(`${title}\n${describeMachine(this.#machine)}\n\n`);
  }

  text(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  /** Something was left out, and why. */
  skipped(what: string, why: string): void {
    process.stdout.write(`skipped: ${what}: ${why}\n`);
  }

  /** Prints the results as one line of JSON, the last of stdout, and writes them to a file if one is named. */
  finish(results: object, file: string | undefined): void {
    const report = { bench: this.#bench, machine: this.#machine, ...results };
    if (file !== undefined) {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
    }
    process.stdout.write(`\n${JSON.stringify(report)}\n`);
  }
}

/** Says what is being measured, where it does not get into the report. */
export function progress(line: string): void {
  process.stderr.write(`  ${line}\n`);
}
