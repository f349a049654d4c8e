/** Files of recorded instruction tests as collections lay them out, and what lies beside them. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { UsageError } from "../flags.ts";
import { CaseFileError, type RecordedFile } from "./cases.ts";
import { readJson } from "./json.ts";
import { isMoo, readMoo } from "./moo.ts";

const CASE_FILE = /\.(moo|json)(\.gz)?$/i;
const METADATA = "metadata.json";
const REVOKED = "revocation_list.txt";

/** Files named, and those of folders named, in their order. @throws UsageError */
export function caseFiles(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) throw new UsageError(`there is no ${path}`);
    if (!stat.isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => CASE_FILE.test(name) && name !== METADATA);
    if (names.length === 0) throw new UsageError(`no .MOO or .json file is in ${path}`);
    return names.sort().map((name) => join(path, name));
  });
}

/** @throws CaseFileError, with the path in its message */
export function readCases(path: string): RecordedFile {
  try {
    const stored = readFileSync(path);
    const bytes = /\.gz$/i.test(path) ? gunzipSync(stored) : stored;
    return isMoo(bytes) ? readMoo(bytes) : readJson(bytes.toString("utf8"));
  } catch (error) {
    throw new CaseFileError(`${path}: ${(error as Error).message}`);
  }
}

/** The nearest file of that name beside the tests or in the folder above. */
function beside(path: string, name: string): string | undefined {
  const folder = dirname(path);
  return [join(folder, name), join(dirname(folder), name)].find((candidate) => existsSync(candidate));
}

/** Hashes of tests that have been withdrawn. */
export function revokedHashes(path: string): ReadonlySet<string> {
  const list = beside(path, REVOKED);
  if (list === undefined) return new Set();
  const lines = readFileSync(list, "utf8").split("\n");
  return new Set(lines.map((line) => line.trim().toLowerCase()).filter((line) => line !== ""));
}

interface OpcodeMetadata {
  readonly "flags-mask"?: number;
  readonly reg?: Readonly<Record<string, OpcodeMetadata>>;
}

/** Flags that the instruction of a file, such as F7.6.json.gz, defines; all, where nothing beside it says otherwise. */
export function definedFlags(path: string): number {
  const list = beside(path, METADATA);
  if (list === undefined) return 0xffffffff;
  let known: { opcodes?: Readonly<Record<string, OpcodeMetadata>> };
  try {
    known = JSON.parse(readFileSync(list, "utf8"));
  } catch (error) {
    throw new CaseFileError(`${list}: ${(error as Error).message}`);
  }
  const [opcode = "", extension] = basename(path).replace(CASE_FILE, "").toUpperCase().split(".");
  const entry = known.opcodes?.[opcode];
  const own = extension === undefined ? entry : (entry?.reg?.[extension] ?? entry);
  return own?.["flags-mask"] ?? 0xffffffff;
}
