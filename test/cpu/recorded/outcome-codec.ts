import type { Case, Outcome } from "./case.ts";

/** Outcomes as bytes: only what differs from the case itself. */

class Writer {
  readonly bytes: number[] = [];
  u8(value: number): void {
    this.bytes.push(value & 0xff);
  }
  u16(value: number): void {
    this.bytes.push(value & 0xff, (value >>> 8) & 0xff);
  }
  u32(value: number): void {
    this.u16(value);
    this.u16(value >>> 16);
  }
}

class Reader {
  private readonly bytes: Uint8Array;
  at = 0;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  u8(): number {
    return this.bytes[this.at++] as number;
  }
  u16(): number {
    return this.u8() | (this.u8() << 8);
  }
  u32(): number {
    return (this.u16() | (this.u16() << 16)) >>> 0;
  }
}

const THROUGH = 0xff;
const startOf = (one: Case): number => one.end - one.code.length;

function writeRuns(out: Writer, before: Uint8Array, after: Uint8Array): void {
  const runs: [from: number, to: number][] = [];
  for (let at = 0; at < after.length; at++) {
    if (before[at] === after[at]) continue;
    const last = runs[runs.length - 1];
    if (last && at - last[1] < 3) last[1] = at + 1;
    else runs.push([at, at + 1]);
  }
  out.u8(runs.length);
  for (const [from, to] of runs) {
    out.u16(from);
    out.u8(to - from);
    for (let at = from; at < to; at++) out.u8(after[at] as number);
  }
}

function readRuns(reader: Reader, before: Uint8Array): Uint8Array {
  const after = before.slice();
  for (let runs = reader.u8(); runs > 0; runs--) {
    const from = reader.u16();
    const length = reader.u8();
    for (let n = 0; n < length; n++) after[from + n] = reader.u8();
  }
  return after;
}

const EFLAGS_SEEN = 0x40cd5;

function writeOne(out: Writer, one: Case, o: Outcome): void {
  const through = o.vector === 3 && o.eip === one.end + 1;
  out.u8(through ? THROUGH : o.vector);
  if (!through) {
    out.u32(o.eip - startOf(one));
    if (o.vector === 13 || o.vector === 14) out.u16(o.errorCode);
    if (o.vector === 14) out.u32(o.cr2);
  }
  let changed = 0;
  for (let n = 0; n < 8; n++) if (o.regs[n] !== one.regs[n]) changed |= 1 << n;
  out.u8(changed);
  for (let n = 0; n < 8; n++) if (changed & (1 << n)) out.u32(o.regs[n] as number);
  const flags = (o.eflags ^ one.eflags) & EFLAGS_SEEN;
  out.u16((flags & 0xffff) | ((flags >>> 3) & 0x8000));
  writeRuns(out, one.content, o.content);
  writeRuns(out, one.fx, o.fx);
}

function readOne(reader: Reader, one: Case): Outcome {
  const first = reader.u8();
  const o = { vector: first, eip: 0, errorCode: 0, cr2: 0 };
  if (first === THROUGH) {
    o.vector = 3;
    o.eip = one.end + 1;
  } else {
    o.eip = (startOf(one) + reader.u32()) >>> 0;
    if (first === 13 || first === 14) o.errorCode = reader.u16();
    if (first === 14) o.cr2 = reader.u32();
  }
  const changed = reader.u8();
  const regs = one.regs.slice();
  for (let n = 0; n < 8; n++) if (changed & (1 << n)) regs[n] = reader.u32();
  const flags = reader.u16();
  const eflags = (one.eflags & EFLAGS_SEEN) ^ ((flags & 0x7fff) | ((flags & 0x8000) << 3));
  const content = readRuns(reader, one.content);
  return { ...o, regs, eflags, content, fx: readRuns(reader, one.fx) };
}

export function encodeOutcomes(cases: readonly Case[], outcomes: readonly Outcome[]): Uint8Array {
  const out = new Writer();
  cases.forEach((one, n) => {
    writeOne(out, one, outcomes[n] as Outcome);
  });
  return Uint8Array.from(out.bytes);
}

export function decodeOutcomes(cases: readonly Case[], bytes: Uint8Array): Outcome[] {
  const reader = new Reader(bytes);
  const outcomes = cases.map((one) => readOne(reader, one));
  if (reader.at !== bytes.length) throw new Error("an outcome's bytes do not end where they should");
  return outcomes;
}
