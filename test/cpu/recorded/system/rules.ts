import type { Form } from "../forms.ts";
import { At, RECORD_BYTES, type SystemRecord, TABLES, WINDOW } from "./record.ts";

/** What of system code's outcomes is not compared, and why: the same table is in docs/instructions.md. */

export interface SystemRule {
  /** For people: of which forms, what. */
  readonly forms: string;
  readonly ignored: string;
  readonly why: string;
  /** Ranges of bytes of a record, or bits of one. */
  readonly of: (form: Form, one: SystemRecord, expected: SystemRecord) => readonly Mask[];
}

/** Bytes from `from` up to `to` that are not compared, but for the bits of `compared` (default: none of them is). */
export interface Mask {
  readonly from: number;
  readonly to: number;
  readonly compared?: number;
}

const PAGE_FAULT = 14;
const RF_BYTE = At.eflags + 2;
const IMAGE_ST = 32;
const IMAGE_OPCODE = 6;

const windowMask: Mask = { from: At.window, to: At.stack };
const isPageFault = (record: SystemRecord): boolean => record.get(At.vector) === PAGE_FAULT;
const helperOf = (form: Form): string => form.line.helper ?? "";

export const SYSTEM_RULES: readonly SystemRule[] = [
  {
    forms: "all",
    ignored: "RF of the EFLAGS image that an exception pushes",
    why: "Set by a fault (SDM vol. 3, 17.3.1.1), which QEMU does not do; test/cpu/engine/breakpoints.test.ts has it.",
    of: () => [{ from: RF_BYTE, to: RF_BYTE + 1, compared: 0xfe }],
  },
  {
    forms: "SGDT SIDT FXSAVE that end in a page fault",
    ignored: "memory",
    why: "QEMU has written a part by then; a processor, and the engine, nothing.",
    of: (form, _one, expected) =>
      /^(sgdt|sidt|fxsave)$/.test(helperOf(form)) && isPageFault(expected) ? [windowMask] : [],
  },
  {
    forms: "FXRSTOR that ends in a page fault",
    ignored: "x87 and SSE state",
    why: "QEMU has loaded a part by then; the engine loads all or nothing (SDM vol. 2 leaves it open).",
    of: (form, _one, expected) =>
      helperOf(form) === "fxrstor" && isPageFault(expected) ? [{ from: At.floating, to: RECORD_BYTES }] : [],
  },
  {
    forms: "FXSAVE",
    ignored: "the last opcode, and the six bytes behind each ST register in the image",
    why: "Processors write the opcode, and zeros where it is reserved, as the engine does, QEMU nothing.",
    of: (form, one) => (helperOf(form) === "fxsave" ? paddingOf(one) : []),
  },
];

/** Where QEMU leaves out something of an FXSAVE image. */
function paddingOf(one: SystemRecord): Mask[] {
  const image = one.get(At.operand) - WINDOW + At.window;
  const padding = Array.from({ length: 8 }, (_, n) => {
    const from = image + IMAGE_ST + 16 * n + 10;
    return { from, to: from + 6 };
  });
  return [{ from: image + IMAGE_OPCODE, to: image + IMAGE_OPCODE + 2 }, ...padding];
}

/** For each byte of a record which bits are compared. */
function comparedBits(form: Form, one: SystemRecord, expected: SystemRecord): Uint8Array {
  const bits = new Uint8Array(RECORD_BYTES).fill(0xff);
  for (const rule of SYSTEM_RULES)
    for (const { from, to, compared = 0 } of rule.of(form, one, expected)) bits.fill(compared, from, to);
  return bits;
}

const NAMES = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs"];
const hex = (value: number): string => (value >>> 0).toString(16);

/** What a byte of a record belongs to, as people call it. */
function nameOf(at: number): string {
  if (at < At.eip) return NAMES[at >> 2] as string;
  if (at < At.eflags) return "eip";
  if (at < At.segments) return "eflags";
  if (at < At.vector) return SEGMENTS[(at - At.segments) >> 2] as string;
  if (at < At.errorCode) return "exception";
  if (at < At.cr2) return "error code";
  if (at < At.page) return "cr2";
  if (at < At.code) return `register at offset ${at & ~3} of the record`;
  if (at >= At.window && at < At.stack) return `memory at ${hex(WINDOW + at - At.window)}`;
  if (at >= At.stack && at < At.tables) return "the stack of ring 0";
  if (at >= At.tables && at < At.floating) return `table at ${hex(TABLES + at - At.tables)}`;
  return `x87 or SSE state at ${at - At.floating}`;
}

/** In what an outcome differs from the recorded one, as text; empty: nothing. */
export function systemDifferences(
  form: Form,
  one: SystemRecord,
  expected: SystemRecord,
  actual: SystemRecord,
): string[] {
  const bits = comparedBits(form, one, expected);
  const found = new Map<string, string>();
  expected.bytes.forEach((byte, at) => {
    if (((byte ^ (actual.bytes[at] as number)) & (bits[at] as number)) === 0) return;
    const name = nameOf(at);
    const [from, size] = at < At.code ? [at & ~3, 4] : [at, 1];
    const value = (record: SystemRecord) =>
      hex(size === 4 ? record.get(from) : (record.bytes[from] as number));
    if (!found.has(name)) found.set(name, `${name}: expected ${value(expected)}, got ${value(actual)}`);
  });
  return [...found.values()].slice(0, 8);
}

/** A case as a person wants to see it. */
export function describeSystemCase(form: Form, n: number, one: SystemRecord): string {
  const code = [...one.bytes.subarray(At.code, At.code + one.get(At.length))];
  const registers = NAMES.map((name, r) => `${name}=${hex(one.reg(r))}`).join(" ");
  const segments = SEGMENTS.map((name, r) => `${name}=${hex(one.segment(r))}`).join(" ");
  return `${form.name}, system case ${n}: ${code.map((byte) => byte.toString(16).padStart(2, "0")).join(" ")}
  at ${hex(one.get(At.eip))}, eflags ${hex(one.get(At.eflags))}, ${registers}
  ${segments}`;
}
