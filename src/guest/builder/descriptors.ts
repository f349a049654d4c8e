/** Bytes of IA-32 system structures (Intel SDM vol. 3, 3.4.5, 3.5, 6.11, 7.2.1). */

export interface SegmentOptions {
  /** Default: 0. */
  readonly base?: number;
  /** Last valid offset (expand-down data: last offset that is NOT valid), bytes; from 1 MiB on rounded up to a page's end. Default: 4 GiB - 1. */
  readonly limit?: number;
  /** Default: 0. */
  readonly dpl?: number;
  /** D or B: 32-bit code, stack or limit. Default: true. */
  readonly is32?: boolean;
  /** Default: true. */
  readonly isPresent?: boolean;
}

export interface CodeOptions extends SegmentOptions {
  /** Default: true. */
  readonly isReadable?: boolean;
  readonly isConforming?: boolean;
}

export interface DataOptions extends SegmentOptions {
  /** Default: true. */
  readonly isWritable?: boolean;
  readonly isExpandDown?: boolean;
}

const GRANULARITY = 0x80;
const SIZE_32 = 0x40;
const PRESENT = 0x80;
/** S: a code or data segment, not a system one. */
const NOT_SYSTEM = 0x10;
const BYTE_LIMITS = 0x100000;

function segment(access: number, options: SegmentOptions): Uint8Array {
  const base = options.base ?? 0;
  const limit = options.limit ?? 0xffffffff;
  const byPages = limit >= BYTE_LIMITS;
  const field = byPages ? limit >>> 12 : limit;
  const flags = (byPages ? GRANULARITY : 0) | ((options.is32 ?? true) ? SIZE_32 : 0);
  const present = (options.isPresent ?? true) ? PRESENT : 0;
  return Uint8Array.of(
    field,
    field >>> 8,
    base,
    base >>> 8,
    base >>> 16,
    access | present | ((options.dpl ?? 0) << 5),
    flags | ((field >>> 16) & 0xf),
    base >>> 24,
  );
}

/** A code-segment descriptor, not yet accessed. */
export function codeSegment(options: CodeOptions = {}): Uint8Array {
  const type = 8 | (options.isConforming ? 4 : 0) | ((options.isReadable ?? true) ? 2 : 0);
  return segment(NOT_SYSTEM | type, options);
}

/** A data-segment descriptor, not yet accessed. */
export function dataSegment(options: DataOptions = {}): Uint8Array {
  const type = (options.isExpandDown ? 4 : 0) | ((options.isWritable ?? true) ? 2 : 0);
  return segment(NOT_SYSTEM | type, options);
}

/** The descriptor of a 32-bit TSS that is not busy. */
export function tssSegment(base: number, limit = TSS_SIZE - 1, dpl = 0): Uint8Array {
  return segment(0x9, { base, limit, dpl, is32: false });
}

export function ldtSegment(base: number, limit: number): Uint8Array {
  return segment(0x2, { base, limit, is32: false });
}

export const NULL_DESCRIPTOR: Uint8Array = new Uint8Array(8);

const GATE_TYPES = {
  task: 0x5,
  call16: 0x4,
  interrupt16: 0x6,
  trap16: 0x7,
  call: 0xc,
  interrupt: 0xe,
  trap: 0xf,
} as const;

export interface GateOptions {
  readonly kind: keyof typeof GATE_TYPES;
  readonly selector: number;
  readonly offset: number;
  /** Default: 0. */
  readonly dpl?: number;
  /** Call gates: words or double words to copy to the new stack. Default: 0. */
  readonly parameters?: number;
  /** Default: true. */
  readonly isPresent?: boolean;
}

export function gateBytes(options: GateOptions): Uint8Array {
  const { offset, selector } = options;
  const present = (options.isPresent ?? true) ? PRESENT : 0;
  return Uint8Array.of(
    offset,
    offset >>> 8,
    selector,
    selector >>> 8,
    options.parameters ?? 0,
    present | ((options.dpl ?? 0) << 5) | GATE_TYPES[options.kind],
    offset >>> 16,
    offset >>> 24,
  );
}

/** What LGDT and LIDT read: limit and base, six bytes. */
export function tableRegister(base: number, limit: number): Uint8Array {
  return Uint8Array.of(limit, limit >>> 8, base, base >>> 8, base >>> 16, base >>> 24);
}

/** A 32-bit TSS without an I/O permission map. */
export const TSS_SIZE = 104;

export interface TssFields {
  readonly esp0?: number;
  readonly ss0?: number;
  readonly esp1?: number;
  readonly ss1?: number;
  readonly esp2?: number;
  readonly ss2?: number;
  readonly cr3?: number;
  readonly eip?: number;
  readonly eflags?: number;
  readonly eax?: number;
  readonly ecx?: number;
  readonly edx?: number;
  readonly ebx?: number;
  readonly esp?: number;
  readonly ebp?: number;
  readonly esi?: number;
  readonly edi?: number;
  readonly es?: number;
  readonly cs?: number;
  readonly ss?: number;
  readonly ds?: number;
  readonly fs?: number;
  readonly gs?: number;
  readonly ldt?: number;
}

/** Double words of a TSS from offset 4 on, in order (Intel SDM vol. 3, figure 7-2). */
const TSS_ORDER: readonly (keyof TssFields)[] = [
  "esp0",
  "ss0",
  "esp1",
  "ss1",
  "esp2",
  "ss2",
  "cr3",
  "eip",
  "eflags",
  "eax",
  "ecx",
  "edx",
  "ebx",
  "esp",
  "ebp",
  "esi",
  "edi",
  "es",
  "cs",
  "ss",
  "ds",
  "fs",
  "gs",
  "ldt",
];

/** A 32-bit TSS; its I/O map lies beyond its limit, so that user code may use no port. */
export function tssBytes(fields: TssFields): Uint8Array {
  const view = new DataView(new ArrayBuffer(TSS_SIZE));
  TSS_ORDER.forEach((name, index) => {
    view.setUint32(4 + index * 4, fields[name] ?? 0, true);
  });
  view.setUint16(102, TSS_SIZE, true);
  return new Uint8Array(view.buffer);
}
