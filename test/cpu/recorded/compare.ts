import { Decoder, DecoderOptions, Formatter, FormatterSyntax } from "iced-x86";
import type { Case, Outcome } from "./case.ts";
import type { Form } from "./forms.ts";
import { close, type Ignored, ignoredOf } from "./undefined.ts";

/** What of an outcome is compared, and how a difference is told. */

const EFLAGS_COMPARED = 0x40cd5;
const PAGE_MASK = 0xfffff000;
const ST = 32;
const XMM = 160;
const hex = (value: number): string => (value >>> 0).toString(16);
const hexBytes = (bytes: Iterable<number>): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
const NAMES = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"] as const;

/** The parts in which two outcomes of a case differ, as text; empty: none. */
export function differences(
  form: Form,
  one: Case,
  expected: Outcome,
  actual: Outcome,
  oracle: string,
): string[] {
  const ignored = ignoredOf(form, one, expected, oracle);
  if (ignored.all) return [];
  const found: string[] = [];
  const tell = (name: string, a: string, b: string) => {
    if (a !== b) found.push(`${name}: expected ${a}, got ${b}`);
  };
  const number = (name: string, a: number, b: number) => tell(name, hex(a), hex(b));
  number("exception", expected.vector, actual.vector);
  if (!ignored.errorCode) number("error code", expected.errorCode, actual.errorCode);
  const cr2Mask = ignored.offsetInPage ? PAGE_MASK : 0xffffffff;
  number("cr2", expected.cr2 & cr2Mask, actual.cr2 & cr2Mask);
  number("eip", expected.eip, actual.eip);
  const flags = EFLAGS_COMPARED & ~(ignored.flags ?? 0);
  number("eflags", expected.eflags & flags, actual.eflags & flags);
  if (!ignored.partial) {
    NAMES.forEach((name, n) => {
      number(name, expected.regs[n] as number, actual.regs[n] as number);
    });
    compareMemory(one, expected.content, actual.content, ignored, tell);
  }
  compareFloating(expected.fx, actual.fx, ignored, tell);
  return found;
}

type Tell = (name: string, expected: string, actual: string) => void;

function compareMemory(
  one: Case,
  expected: Uint8Array,
  actual: Uint8Array,
  ignored: Ignored,
  tell: Tell,
): void {
  const [from, to] = ignored.memory ?? [0, 0];
  const at = expected.findIndex((byte, n) => byte !== actual[n] && !(n >= from && n < to));
  if (at < 0) return;
  const address = one.windows[(at >> 7) as 0] + (at & 127);
  tell(
    `memory at ${hex(address)}`,
    hexBytes(expected.subarray(at, at + 16)),
    hexBytes(actual.subarray(at, at + 16)),
  );
}

/** The pointers to the last x87 instruction and its operand, and the mask of MXCSR, are not compared. */
function compareFloating(expected: Uint8Array, actual: Uint8Array, ignored: Ignored, tell: Tell): void {
  const [a, b] = [expected, actual].map((fx) => new DataView(fx.buffer, fx.byteOffset, fx.length)) as [
    DataView,
    DataView,
  ];
  tell("x87 control word", hex(a.getUint16(0, true)), hex(b.getUint16(0, true)));
  const status = ~(ignored.status ?? 0);
  tell("x87 status word", hex(a.getUint16(2, true) & status), hex(b.getUint16(2, true) & status));
  tell("x87 tags", hex(a.getUint8(4)), hex(b.getUint8(4)));
  tell("mxcsr", hex(a.getUint32(24, true)), hex(b.getUint32(24, true)));
  for (let n = 0; n < 8; n++) {
    const st = ST + 16 * n;
    if (!ignored.units || !close(expected, actual, n, ignored.units))
      tell(
        `st${n}`,
        hexBytes(expected.slice(st, st + 10).reverse()),
        hexBytes(actual.slice(st, st + 10).reverse()),
      );
    const xmm = XMM + 16 * n;
    if (ignored.estimates && closeElements(a, b, xmm)) continue;
    tell(
      `xmm${n}`,
      hexBytes(expected.slice(xmm, xmm + 16).reverse()),
      hexBytes(actual.slice(xmm, xmm + 16).reverse()),
    );
  }
}

const MOST_APART = 3 * 2 ** -12;

/** Whether four single elements are as close as two estimates can be. */
function closeElements(a: DataView, b: DataView, at: number): boolean {
  return [0, 4, 8, 12].every((k) => {
    if (a.getUint32(at + k, true) === b.getUint32(at + k, true)) return true;
    const [x, y] = [a.getFloat32(at + k, true), b.getFloat32(at + k, true)];
    return Math.abs(x - y) <= MOST_APART * Math.abs(x);
  });
}

const formatter = new Formatter(FormatterSyntax.Nasm);

function disassembly(one: Case): string {
  const decoder = new Decoder(one.codeBits, Uint8Array.from(one.code), DecoderOptions.None);
  const instruction = decoder.decode();
  const text = formatter.format(instruction);
  instruction.free();
  decoder.free();
  return text;
}

/** A case as a person wants to see it. */
export function describeCase(form: Form, n: number, one: Case): string {
  const regs = NAMES.map((name, r) => `${name}=${hex(one.regs[r] as number)}`).join(" ");
  const registers = (from: number, bytes: number) =>
    Array.from({ length: 8 }, (_, k) =>
      hexBytes(one.fx.slice(from + 16 * k, from + 16 * k + bytes).reverse()),
    ).join(" | ");
  const { kind } = one;
  return [
    `${form.name}, case ${n}: ${hexBytes(one.code)}  ${disassembly(one)} (${one.codeBits}-bit code, segment base ${hex(one.base)})`,
    `  ${regs} eflags=${hex(one.eflags)} windows at ${one.windows.map(hex).join(", ")}`,
    ...(kind === "integer"
      ? []
      : [
          `  fcw, fsw, ftw ${hexBytes(one.fx.subarray(0, 5))}, mxcsr ${hexBytes(one.fx.slice(24, 28).reverse())}`,
        ]),
    ...(kind === "x87" || kind === "mmx" ? [`  st ${registers(ST, 10)}`] : []),
    ...(kind === "sse" || kind === "mmx" ? [`  xmm ${registers(XMM, 16)}`] : []),
  ].join("\n");
}
