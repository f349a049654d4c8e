import { readFileSync, writeFileSync } from "node:fs";
import { deflateSync, inflateSync } from "node:zlib";
import { Flag } from "../../../src/cpu/state.ts";
import { CASES_PER_FORM, casesOf, type Form } from "./cases.ts";
import type { Case, Outcome } from "./native.ts";

/** What the real processor did: a header that people can read, and the outcomes as differences from their cases, compressed. */
const HEADER = new URL("./recorded.json", import.meta.url);
const OUTCOMES = new URL("./recorded.bin", import.meta.url);

export interface Header {
  /** Of the processor that was asked. */
  readonly processor: string;
  readonly casesPerForm: number;
  /** Names, in the order of the outcomes, with the number of cases that raised an exception. */
  readonly forms: readonly { readonly name: string; readonly faults: number }[];
}

/** Flags that are compared. */
export const COMPARED_FLAGS = Flag.CF | Flag.PF | Flag.AF | Flag.ZF | Flag.SF | Flag.OF | Flag.DF;
const NO_EXCEPTION = 0xff;
const TAKEN = 0xfe;
const PAGE_FAULT = 14;

export function readHeader(): Header {
  return JSON.parse(readFileSync(HEADER, "utf8")) as Header;
}

/** Per case: vector; address of a page fault; mask of changed registers and their values; flags; changed data words by index. */
export function writeFixture(
  processor: string,
  recorded: readonly { form: Form; outcomes: readonly Outcome[] }[],
): void {
  const bytes: number[] = [];
  const word = (value: number): void =>
    void bytes.push(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
  for (const { form, outcomes } of recorded)
    for (const [n, one] of casesOf(form).entries()) {
      const { vector, taken, address, regs, eflags, data } = outcomes[n] as Outcome;
      bytes.push(taken ? TAKEN : vector < 0 ? NO_EXCEPTION : vector);
      if (vector === PAGE_FAULT) word(address);
      const changed = regs.map((value, r) => value !== one.regs[r]);
      bytes.push(changed.reduce((mask, is, r) => mask | (is ? 1 << r : 0), 0));
      for (const [r, is] of changed.entries()) if (is) word(regs[r] as number);
      bytes.push(eflags & 0xff, (eflags >>> 8) & 0xff);
      const words = data.flatMap((value, k) => (value === one.data[k] ? [] : [[k, value] as const]));
      bytes.push(words.length);
      for (const [k, value] of words) {
        bytes.push(k);
        word(value);
      }
    }
  const forms = recorded.map(({ form, outcomes }) => ({
    name: form.name,
    faults: outcomes.filter(({ vector }) => vector >= 0).length,
  }));
  const header: Header = { processor, casesPerForm: CASES_PER_FORM, forms };
  writeFileSync(HEADER, `${JSON.stringify(header, undefined, 1)}\n`);
  writeFileSync(OUTCOMES, deflateSync(Uint8Array.from(bytes), { level: 9 }));
}

/** Reads the outcomes form by form, in the order in which they were written. */
export class FixtureReader {
  readonly #bytes = inflateSync(readFileSync(OUTCOMES));
  #at = 0;

  /** Outcomes of the next form's cases. */
  next(cases: readonly Case[]): Outcome[] {
    return cases.map((one) => this.#outcome(one));
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  #byte(): number {
    return this.#bytes[this.#at++] as number;
  }
  #word(): number {
    this.#at += 4;
    return this.#bytes.readUInt32LE(this.#at - 4);
  }

  #outcome(one: Case): Outcome {
    const first = this.#byte();
    const vector = first >= TAKEN ? -1 : first;
    const address = vector === PAGE_FAULT ? this.#word() : 0;
    const mask = this.#byte();
    const regs = one.regs.map((value, r) => (mask & (1 << r) ? this.#word() : value));
    const eflags = this.#byte() | (this.#byte() << 8);
    const data = [...one.data];
    for (let left = this.#byte(); left > 0; left--) {
      const k = this.#byte();
      data[k] = this.#word();
    }
    return { vector, taken: first === TAKEN, address, regs, eflags, data };
  }
}
