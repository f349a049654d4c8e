import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync, inflateRawSync } from "node:zlib";

export interface FormRecord {
  readonly form: string;
  readonly cases: number;
  /** Cases that ended in an exception. */
  readonly faults: number;
  readonly oracle: string;
  /** CRC-32 of the cases as the generator made them then. */
  readonly inputs: number;
  readonly bytes: number;
}

interface Head {
  readonly generator: number;
  readonly forms: FormRecord[];
}

export interface Fixture {
  readonly record: FormRecord;
  readonly outcomes: Uint8Array;
}

/** Recorded outcomes: a file for every opcode, of a head in JSON and the forms' outcomes one after the other, compressed. */
export class FixtureFolder {
  readonly #folder: string;
  readonly #generator: number;
  readonly #files = new Map<string, ReadonlyMap<string, Fixture>>();

  /** What another version of the generator has recorded is as if it were not there. */
  constructor(folder: string, generator: number) {
    this.#folder = folder;
    this.#generator = generator;
  }

  /** Fixtures of one opcode, by the form's name. */
  of(group: string): ReadonlyMap<string, Fixture> {
    const known = this.#files.get(group);
    if (known) return known;
    const read = new Map<string, Fixture>();
    this.#files.set(group, read);
    const file = this.#fileOf(group);
    if (!existsSync(file)) return read;
    const bytes = inflateRawSync(readFileSync(file));
    const end = bytes.indexOf(10);
    const head = JSON.parse(bytes.toString("utf8", 0, end)) as Head;
    let at = end + 1;
    for (const record of head.forms) {
      if (head.generator === this.#generator)
        read.set(record.form, { record, outcomes: bytes.subarray(at, at + record.bytes) });
      at += record.bytes;
    }
    return read;
  }

  write(group: string, fixtures: readonly Fixture[]): void {
    mkdirSync(this.#folder, { recursive: true });
    const head: Head = { generator: this.#generator, forms: fixtures.map(({ record }) => record) };
    const parts = [Buffer.from(`${JSON.stringify(head)}\n`), ...fixtures.map(({ outcomes }) => outcomes)];
    writeFileSync(this.#fileOf(group), deflateRawSync(Buffer.concat(parts), { level: 9 }));
    this.#files.delete(group);
  }

  /** Removes files of opcodes that have no form any more. */
  removeOthers(groups: ReadonlySet<string>): void {
    for (const file of readdirSync(this.#folder))
      if (!groups.has(file.replace(/\.bin$/, ""))) rmSync(join(this.#folder, file));
  }

  #fileOf(group: string): string {
    return join(this.#folder, `${group}.bin`);
  }
}
