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
/** Of the later collections: a line for each opcode. */
const OPCODES = "80386.csv";
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

/** Flags that the instruction of a file, such as F7.6.json.gz or 66C1.4.MOO.gz, defines; all, where nothing beside it says otherwise. */
export function definedFlags(path: string): number {
  const name = basename(path).replace(CASE_FILE, "").toUpperCase();
  const metadata = beside(path, METADATA);
  if (metadata !== undefined) return flagsOfMetadata(metadata, name);
  const opcodes = beside(path, OPCODES);
  return opcodes === undefined ? ALL : flagsOfOpcodes(opcodes, name);
}

const ALL = 0xffffffff;

function flagsOfMetadata(list: string, name: string): number {
  let known: { opcodes?: Readonly<Record<string, OpcodeMetadata>> };
  try {
    known = JSON.parse(readFileSync(list, "utf8"));
  } catch (error) {
    throw new CaseFileError(`${list}: ${(error as Error).message}`);
  }
  const [opcode = "", extension] = name.split(".");
  const entry = known.opcodes?.[opcode];
  const own = extension === undefined ? entry : (entry?.reg?.[extension] ?? entry);
  return own?.["flags-mask"] ?? ALL;
}

/** Column f_umask: 16 bits in hexadecimal, those of defined flags being ones; nothing where all are. */
function flagsOfOpcodes(list: string, name: string): number {
  const [head = "", ...lines] = readFileSync(list, "utf8").split(/\r?\n/);
  const columns = head.split(",").map((cell) => cell.trim());
  const [opcode, extension, mask] = ["op", "ex", "f_umask"].map((column) => columns.indexOf(column));
  if (opcode === -1 || extension === -1 || mask === -1)
    throw new CaseFileError(`${list}: no columns op, ex and f_umask`);
  // Operand and address size make no difference.
  const [wanted = "", member = ""] = name.replace(/^(6[67])+(?=..)/, "").split(".");
  const rows = lines.map((line) => line.split(",").map((cell) => cell.trim().toUpperCase()));
  const ofOpcode = rows.filter((row) => row[opcode as number] === wanted);
  const of = (group: string) => ofOpcode.find((row) => row[extension as number] === group);
  const row = of(member) ?? of("");
  const text = row?.[mask as number] ?? "";
  if (text === "") return ALL;
  const value = Number.parseInt(text, 16);
  if (Number.isNaN(value)) throw new CaseFileError(`${list}: "${text}" of ${name} is no hexadecimal number`);
  return (value | 0xffff0000) >>> 0;
}
