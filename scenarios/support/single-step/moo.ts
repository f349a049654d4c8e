/** The MOO format, version 1 (github.com/dbalsom/moo, doc/moo_format_v1.md): chunks of a name, a length and contents, nested. */
import {
  CaseFileError,
  type RecordedCase,
  type RecordedCpu,
  type RecordedFile,
  type RecordedRegisters,
  type RecordedState,
} from "./cases.ts";

const NAMES_16 = "ax bx cx dx cs ss ds es sp bp si di ip flags".split(" ");
const NAMES_32 = "cr0 cr3 eax ebx ecx edx esi edi ebp esp cs ds es fs gs ss eip eflags dr6 dr7".split(" ");
const MAJOR_VERSION = 1;
/** Processors by their identifiers in the file's header. */
const CPUS: Readonly<Record<string, RecordedCpu>> = {
  "8088": "8086",
  "8086": "8086",
  V20: "8086",
  V30: "8086",
  "186": "8086",
  C286: "80286",
  "386E": "80386",
};
const CHUNK_HEAD = 8;

interface Chunk {
  readonly type: string;
  readonly data: DataView;
}

export const isMoo = (bytes: Uint8Array): boolean =>
  text(viewOf(bytes), 0, Math.min(4, bytes.length)) === "MOO ";

/** @throws CaseFileError */
export function readMoo(bytes: Uint8Array): RecordedFile {
  const [head, ...chunks] = [...chunksOf(viewOf(bytes), 0)];
  if (head?.type !== "MOO " || head.data.byteLength < 12)
    throw new CaseFileError("no MOO file: it does not begin with a header chunk");
  const major = head.data.getUint8(0);
  if (major !== MAJOR_VERSION)
    throw new CaseFileError(`MOO version ${major}.${head.data.getUint8(1)}: only version 1 is known`);
  const cpuName = text(head.data, 8, 4).trim();
  const cpu = CPUS[cpuName];
  if (cpu === undefined)
    throw new CaseFileError(`recorded on "${cpuName}": known are ${Object.keys(CPUS).join(", ")}`);
  const cases: RecordedCase[] = [];
  let masks: RecordedRegisters = {};
  for (const { type, data } of chunks) {
    if (type === "TEST") cases.push(readCase(data));
    else masks = { ...masks, ...readMasks(type, data) };
  }
  const count = head.data.getUint32(4, true);
  if (count !== cases.length)
    throw new CaseFileError(
      `the header tells of ${count} tests, ${cases.length} are there: the file is cut short`,
    );
  return { cpu, cpuName, untilHalt: cpu !== "8086", cases, masks };
}

function readCase(view: DataView): RecordedCase {
  const found: { -readonly [Key in keyof RecordedCase]?: RecordedCase[Key] } = {};
  for (const { type, data } of chunksOf(view, 4)) {
    if (type === "NAME") found.name = text(data, 4, data.getUint32(0, true));
    else if (type === "BYTS") found.bytes = [...bytesOf(data, 4, data.getUint32(0, true))];
    else if (type === "INIT") found.before = readState(data).state;
    else if (type === "FINA") {
      const { state, masks } = readState(data);
      found.after = state;
      found.masks = masks;
    } else if (type === "EXCP")
      found.exception = { vector: data.getUint8(0), flagsAddress: data.getUint32(1, true) };
    else if (type === "HASH") found.hash = Buffer.from(bytesOf(data, 0, data.byteLength)).toString("hex");
  }
  const index = view.getUint32(0, true);
  const { before, after, name = "", bytes = [], ...others } = found;
  if (before === undefined || after === undefined)
    throw new CaseFileError(`test ${index} lacks its state before or after`);
  return { ...others, index, name, bytes, before, after };
}

function readState(view: DataView): { state: RecordedState; masks: RecordedRegisters } {
  let registers: RecordedRegisters = {};
  let masks: RecordedRegisters = {};
  const memory: [number, number][] = [];
  for (const { type, data } of chunksOf(view, 0)) {
    if (type === "REGS") registers = listed16(data);
    else if (type === "RG32") registers = listed32(data);
    else if (type === "RAM ") {
      const count = data.getUint32(0, true);
      for (let k = 0; k < count; k++)
        memory.push([data.getUint32(4 + 5 * k, true), data.getUint8(8 + 5 * k)]);
    } else masks = { ...masks, ...readMasks(type, data) };
  }
  return { state: { registers, memory }, masks };
}

function readMasks(type: string, data: DataView): RecordedRegisters {
  if (type === "RMSK") return listed16(data);
  return type === "RM32" ? listed32(data) : {};
}

/** A set of register numbers, then a word for each that is in it. */
function listed16(data: DataView): RecordedRegisters {
  const present = data.getUint16(0, true);
  const names = NAMES_16.filter((_, k) => present & (1 << k));
  return Object.fromEntries(names.map((name, k) => [name, data.getUint16(2 + 2 * k, true)]));
}

function listed32(data: DataView): RecordedRegisters {
  const present = data.getUint32(0, true);
  const names = NAMES_32.filter((_, k) => present & (1 << k));
  return Object.fromEntries(names.map((name, k) => [name, data.getUint32(4 + 4 * k, true)]));
}

function* chunksOf(view: DataView, from: number): Generator<Chunk> {
  for (let at = from; at < view.byteLength; ) {
    const length = at + CHUNK_HEAD <= view.byteLength ? view.getUint32(at + 4, true) : Number.NaN;
    if (!(at + CHUNK_HEAD + length <= view.byteLength))
      throw new CaseFileError("a chunk is longer than what is around it: the file is cut short or damaged");
    const data = new DataView(view.buffer, view.byteOffset + at + CHUNK_HEAD, length);
    yield { type: text(view, at, 4), data };
    at += CHUNK_HEAD + length;
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

const bytesOf = (view: DataView, at: number, length: number): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + at, length);

const text = (view: DataView, at: number, length: number): string =>
  String.fromCharCode(...bytesOf(view, at, length));
