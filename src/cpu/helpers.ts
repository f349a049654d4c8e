import type { HelperNumbers } from "./cold/translator.ts";
import { type Helper, Outcome, Vector } from "./core.ts";
import { ExitControl, ExitReason } from "./exit.ts";
import { fpu, fwait } from "./fpu/index.ts";
import type { OpcodeLine } from "./instructions/line.ts";
import { SSE_HELPERS } from "./sse/index.ts";
import { HELPERS } from "./system/index.ts";

const undefinedOpcode: Helper = (core) => core.raise(Vector.UD);
/** More than 15 bytes. */
const tooLong: Helper = (core) => core.raise(Vector.GP, 0);

/** PAUSE; elsewhere it does nothing. */
const pause: Helper = (core, op) => {
  if ((core.controls & ExitControl.pause) === 0) return Outcome.next;
  core.beginExit(ExitReason.pause, op);
  return Outcome.exit;
};

/** Numbers the TypeScript helpers that the opcode table names. */
export class HelperRegistry implements HelperNumbers {
  readonly table: readonly Helper[];
  readonly undefinedOpcode: number;
  readonly tooLong: number;
  readonly pause: number;
  private readonly numbers = new Map<OpcodeLine, number>();
  private readonly numbersBefore486 = new Map<OpcodeLine, number>();

  /** Throws when a line names a helper that does not exist. */
  constructor(lines: readonly OpcodeLine[]) {
    const table: Helper[] = [];
    const byName = new Map<string, number>();
    const all: Readonly<Record<string, Helper>> = { ...HELPERS, ...SSE_HELPERS, fpu, fwait };
    const numberOf = (line: OpcodeLine, name: string): number => {
      const known = byName.get(name);
      if (known !== undefined) return known;
      const helper = all[name];
      if (helper === undefined) throw new Error(`opcode ${line.mnemonic} names no helper: "${name}"`);
      const number = table.push(helper) - 1;
      byName.set(name, number);
      return number;
    };
    for (const line of lines) {
      if (line.helper !== undefined) this.numbers.set(line, numberOf(line, line.helper));
      if (line.before486 !== undefined) this.numbersBefore486.set(line, numberOf(line, line.before486));
    }
    this.undefinedOpcode = table.push(undefinedOpcode) - 1;
    this.tooLong = table.push(tooLong) - 1;
    this.pause = table.push(pause) - 1;
    this.table = table;
  }

  of(line: OpcodeLine): number | undefined {
    return this.numbers.get(line);
  }

  before486(line: OpcodeLine): number | undefined {
    return this.numbersBefore486.get(line);
  }
}
