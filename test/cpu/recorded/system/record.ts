/** A case of system code and its outcome, as harness.asm reads and writes them: the same bytes for both, in the same places. */

/** Two pages of code for rings 1 to 3 and virtual-8086 mode, and one for ring 0: full of INT3. */
export const CODE = 0x40000;
export const KERNEL_CODE = 0x42000;
/** Data around the beginning of a page, which is there or not, writable or not, the user's or not. */
export const WINDOW = 0x50e80;
export const WINDOW_BYTES = 768;
export const WINDOW_MIDDLE = 0x51000;
/** A stack for ring 0. */
export const STACK = 0x53f00;
export const STACK_BYTES = 256;
export const TABLES = 0x60000;
export const GDT_ENTRIES = 64;
export const LDT_AT = TABLES + GDT_ENTRIES * 8;
export const LDT_ENTRIES = 16;
/** Of the interrupt table, vectors 30 to 3F are a case's own. */
export const FIRST_GATE = 0x30;
export const GATES = 16;
export const IDT = 0x61000;
export const TSS = 0x62000;

/** Offsets in a record. */
export const At = {
  regs: 0,
  eip: 32,
  eflags: 36,
  /** Selectors in encoding order. */
  segments: 40,
  vector: 64,
  errorCode: 68,
  cr2: 72,
  /** P, W and U of the page at WINDOW_MIDDLE. */
  page: 76,
  cr0: 80,
  cr4: 84,
  ldtr: 88,
  tr: 92,
  gdtr: 96,
  idtr: 102,
  /** ESP0, SS0, ESP1, SS1, ESP2, SS2. */
  stacks: 108,
  /** SYSENTER_CS, _ESP, _EIP. */
  sysenter: 132,
  length: 144,
  options: 148,
  /** Of a case: linear address of its operand in memory. */
  operand: 152,
  /** Of an outcome. */
  dr6: 152,
  dr7: 156,
  code: 160,
  window: 192,
  stack: 192 + WINDOW_BYTES,
  tables: 192 + WINDOW_BYTES + STACK_BYTES,
  ldt: 192 + WINDOW_BYTES + STACK_BYTES + GDT_ENTRIES * 8,
  gates: 192 + WINDOW_BYTES + STACK_BYTES + (GDT_ENTRIES + LDT_ENTRIES) * 8,
  floating: 192 + WINDOW_BYTES + STACK_BYTES + (GDT_ENTRIES + LDT_ENTRIES + GATES) * 8,
} as const;
export const RECORD_BYTES = At.floating + 512;
export const CODE_ROOM = 32;
/** Before the records: their number. */
export const HEAD_BYTES = 64;

/** Bits of `options`. */
export const Option = {
  /** x87 and SSE state is loaded and told. */
  floating: 1,
  /** EIP is from CODE on. */
  based: 2,
} as const;

/** Where the guest tells the address of the records, and behind it whether it is done. */
export const WHERE = 0x7000;

export class SystemRecord {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(bytes: Uint8Array = new Uint8Array(RECORD_BYTES)) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get(at: number): number {
    return this.view.getUint32(at, true);
  }
  set(at: number, value: number): void {
    this.view.setUint32(at, value >>> 0, true);
  }
  reg(n: number): number {
    return this.get(At.regs + 4 * n);
  }
  setReg(n: number, value: number): void {
    this.set(At.regs + 4 * n, value);
  }
  segment(n: number): number {
    return this.get(At.segments + 4 * n);
  }
  setSegment(n: number, selector: number): void {
    this.set(At.segments + 4 * n, selector);
  }

  /** Where a linear address is in the record: of the window, the ring-0 stack, or the tables. -1: nowhere. */
  static at(linear: number): number {
    if (linear >= WINDOW && linear < WINDOW + WINDOW_BYTES) return At.window + linear - WINDOW;
    if (linear >= STACK && linear < STACK + STACK_BYTES) return At.stack + linear - STACK;
    if (linear >= TABLES && linear < TABLES + At.gates - At.tables) return At.tables + linear - TABLES;
    return -1;
  }

  /** Puts little-endian values of so many bytes each at a linear address, as far as they are in the record. */
  put(linear: number, size: 2 | 4, ...values: readonly number[]): void {
    values.forEach((value, n) => {
      for (let k = 0; k < size; k++) {
        const at = SystemRecord.at(linear + n * size + k);
        if (at >= 0) this.bytes[at] = (value >>> (8 * k)) & 0xff;
      }
    });
  }
}

/** The Multiboot module of these records. */
export function moduleOf(records: readonly SystemRecord[]): Uint8Array {
  const module = new Uint8Array(HEAD_BYTES + records.length * RECORD_BYTES);
  new DataView(module.buffer).setUint32(0, records.length, true);
  records.forEach(({ bytes }, n) => {
    module.set(bytes, HEAD_BYTES + n * RECORD_BYTES);
  });
  return module;
}

/** The records of a module, without copying it. */
export function recordsIn(module: Uint8Array): SystemRecord[] {
  const count = new DataView(module.buffer, module.byteOffset).getUint32(0, true);
  return Array.from({ length: count }, (_, n) => {
    const from = HEAD_BYTES + n * RECORD_BYTES;
    return new SystemRecord(module.subarray(from, from + RECORD_BYTES));
  });
}
