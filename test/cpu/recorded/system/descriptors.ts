import {
  codeSegment,
  dataSegment,
  gateBytes,
  ldtSegment,
  tssSegment,
} from "../../../../src/guest/builder/index.ts";
import type { Random } from "../../instructions/support/random.ts";
import {
  At,
  CODE,
  FIRST_GATE,
  GATES,
  GDT_ENTRIES,
  KERNEL_CODE,
  LDT_AT,
  LDT_ENTRIES,
  type SystemRecord,
  TSS,
  WINDOW,
  WINDOW_BYTES,
} from "./record.ts";

/** Descriptor tables of cases: some descriptors that all have, and many at random. */

export const Sel = {
  code0: 0x08,
  data0: 0x10,
  code3: 0x1b,
  data3: 0x23,
  tss: 0x28,
  ldt: 0x30,
  code1: 0x39,
  data1: 0x41,
  code2: 0x4a,
  data2: 0x52,
  /** Of 16 bits, from CODE on, and data from DATA_16 on. */
  half0: 0x58,
  half3: 0x63,
  halfData0: 0x68,
  halfData3: 0x73,
} as const;
export const DATA_16 = 0x50000;
/** From here on, descriptors are random. */
export const FIRST_RANDOM = 16;

/** Pages of code, and where in them gates lead. */
const kernelPlace = (random: Random): number => KERNEL_CODE + random.below(0xff0);
export const userPlace = (random: Random): number => CODE + 0x1000 + random.below(0xff0);

function randomData(random: Random): Uint8Array {
  const kind = random.below(8);
  const base = random.pick([0, 0, WINDOW & ~0xfff, DATA_16, WINDOW]);
  const limits = [
    0xffffffff,
    0xffffffff,
    0xffff,
    WINDOW + WINDOW_BYTES - base - 1,
    random.below(0x2000),
    random.word(),
  ];
  return dataSegment({
    base,
    limit: random.pick(limits),
    dpl: random.pick([0, 1, 2, 3, 3, 3]),
    is32: random.below(4) !== 0,
    isPresent: random.below(8) !== 0,
    isWritable: kind !== 0,
    isExpandDown: kind === 1,
  });
}

function randomCode(random: Random): Uint8Array {
  const half = random.below(4) === 0;
  return codeSegment({
    base: half ? random.pick([CODE, KERNEL_CODE]) : 0,
    limit: half
      ? random.pick([0xffff, 0x800])
      : random.pick([0xffffffff, 0xffffffff, 0xffffffff, 0x42800, 0x40100]),
    dpl: random.pick([0, 0, 1, 2, 3, 3, 3]),
    is32: half ? random.below(4) === 0 : random.below(16) !== 0,
    isPresent: random.below(8) !== 0,
    isReadable: random.below(3) !== 0,
    isConforming: random.below(4) === 0,
  });
}

/** What a gate may name: mostly code that is there. */
function gateTarget(random: Random): number {
  if (random.below(6) === 0) return randomSelector(random);
  return random.pick([Sel.code0, Sel.code0, Sel.code1, Sel.code2, Sel.code3, Sel.half0]);
}

function gatePlace(random: Random, selector: number): number {
  if (selector === Sel.code0) return kernelPlace(random);
  if (selector === Sel.half0) return random.below(0x1ff0);
  return random.below(8) ? userPlace(random) : random.word();
}

function randomGate(random: Random): Uint8Array {
  const selector = gateTarget(random);
  const narrow = random.below(3) === 0;
  return gateBytes({
    kind: narrow ? "call16" : "call",
    selector: narrow ? random.pick([Sel.half0, Sel.half0, Sel.half3]) : selector,
    offset: narrow ? random.below(0x1ff0) : gatePlace(random, selector),
    parameters: random.below(2) ? random.below(12) : 0,
    dpl: random.pick([0, 1, 2, 3, 3, 3]),
    isPresent: random.below(8) !== 0,
  });
}

/** A system descriptor of any type; a TSS or LDT lies where nothing else is. No task is switched to: that is another test's. */
function randomSystem(random: Random): Uint8Array {
  const bytes = random.below(2)
    ? ldtSegment(LDT_AT, random.below(0x100))
    : tssSegment(TSS, 0x67 + random.below(64), random.below(4));
  const type = random.pick([0, 2, 2, 8, 10, 13, 3, 3, 11, 11, 6, 7, 14, 15]);
  bytes[5] = ((bytes[5] as number) & 0x60) | type | (random.below(6) ? 0x80 : 0);
  return bytes;
}

export function randomDescriptor(random: Random): Uint8Array {
  const kind = random.below(16);
  if (kind < 6) return randomData(random);
  if (kind < 10) return randomCode(random);
  if (kind < 14) return randomGate(random);
  return random.below(4) ? randomSystem(random) : new Uint8Array(8);
}

/** Of the GDT or the LDT, sometimes beyond their ends, sometimes null. */
export function randomSelector(random: Random): number {
  const kind = random.below(20);
  const rpl = random.below(3) ? 3 : random.below(4);
  if (kind === 0) return random.below(4);
  if (kind === 1) return random.word() & 0xffff;
  if (kind < 5) return (random.below(LDT_ENTRIES + 1) << 3) | 4 | rpl;
  if (kind < 8) return random.pick(Object.values(Sel));
  return ((FIRST_RANDOM + random.below(GDT_ENTRIES - FIRST_RANDOM)) << 3) | rpl;
}

function randomInterruptGate(random: Random, virtual: boolean): Uint8Array {
  // From virtual-8086 mode only ring 0 can be reached: #GP by the manual; QEMU looks at the stack first.
  const selector = virtual || random.below(3) ? Sel.code0 : gateTarget(random);
  const kinds = ["interrupt", "interrupt", "trap", "interrupt16", "trap16", "call"] as const;
  const kind = random.pick(kinds);
  const wide = kind === "interrupt" || kind === "trap" || kind === "call";
  const narrowTarget = random.pick([Sel.half0, Sel.half0, Sel.code0]);
  return gateBytes({
    kind,
    selector: wide ? selector : narrowTarget,
    offset: wide ? gatePlace(random, selector) : random.below(0x1ff0),
    dpl: random.below(4) ? 3 : random.below(3),
    isPresent: random.below(8) !== 0,
  });
}

/** Gates lead to places within the limit of their code, which QEMU does not compare. */
function keepWithinLimits({ bytes, view }: SystemRecord): void {
  for (let at: number = At.tables; at < At.floating; at += 8) {
    const access = bytes[at + 5] as number;
    const selector = view.getUint16(at + 2, true);
    const isGate = (access & 0x10) === 0 && [4, 6, 7, 12, 14, 15].includes(access & 15);
    if (
      !isGate ||
      selector < 8 ||
      (selector & 4 ? selector >> 3 >= LDT_ENTRIES : selector >> 3 >= GDT_ENTRIES)
    )
      continue;
    const target = (selector & 4 ? At.ldt : At.tables) + (selector & ~7);
    const pages = ((bytes[target + 6] as number) & 0x80) !== 0;
    const field = view.getUint16(target, true) | (((bytes[target + 6] as number) & 15) << 16);
    const limit = pages ? field * 4096 + 4095 : field;
    const offset = view.getUint16(at, true) + (access & 8 ? view.getUint16(at + 6, true) * 65536 : 0);
    if (offset <= limit) continue;
    view.setUint16(at, offset % (Math.min(limit, 0x1fef) + 1), true);
    view.setUint16(at + 6, 0, true);
  }
}

/** A: the processor sets it when a segment register is loaded. */
const ACCESSED = 1;

/**
 * Writes the tables of a case. Code has been accessed before, and with `accessed` data, too: QEMU, by which cases are recorded, does not set the bit when
 * gates and returns load CS and SS. (system/far-transfer.test.ts has that, by the manual.)
 */
export function putTables(record: SystemRecord, random: Random, accessed: boolean, virtual: boolean): void {
  const { bytes } = record;
  const put = (selector: number, descriptor: Uint8Array) => {
    bytes.set(descriptor, At.tables + (selector & ~7));
  };
  put(Sel.code0, codeSegment());
  put(Sel.data0, dataSegment());
  put(Sel.code3, codeSegment({ dpl: 3 }));
  put(Sel.data3, dataSegment({ dpl: 3 }));
  put(Sel.tss, tssSegment(TSS));
  put(Sel.ldt, ldtSegment(LDT_AT, LDT_ENTRIES * 8 - 1));
  put(Sel.code1, codeSegment({ dpl: 1 }));
  put(Sel.data1, dataSegment({ dpl: 1 }));
  put(Sel.code2, codeSegment({ dpl: 2 }));
  put(Sel.data2, dataSegment({ dpl: 2 }));
  const half = { limit: 0xffff, is32: false } as const;
  put(Sel.half0, codeSegment({ ...half, base: KERNEL_CODE - 0x1000 }));
  put(Sel.half3, codeSegment({ ...half, base: CODE, dpl: 3 }));
  put(Sel.halfData0, dataSegment({ ...half, base: DATA_16 }));
  put(Sel.halfData3, dataSegment({ ...half, base: DATA_16, dpl: 3 }));
  for (let n = FIRST_RANDOM; n < GDT_ENTRIES; n++) put(n * 8, randomDescriptor(random));
  for (let n = 0; n < LDT_ENTRIES; n++) bytes.set(randomDescriptor(random), At.ldt + 8 * n);
  for (let n = 0; n < GDT_ENTRIES + LDT_ENTRIES; n++) {
    const at = At.tables + 8 * n + 5;
    const access = bytes[at] as number;
    if ((access & 0x18) === 0x18 || (accessed && (access & 0x10) !== 0)) bytes[at] = access | ACCESSED;
  }
  for (let n = 0; n < GATES; n++) bytes.set(randomInterruptGate(random, virtual), At.gates + 8 * n);
  keepWithinLimits(record);
}

/** Vectors of gates that cases have of their own. */
export const randomVector = (random: Random): number => FIRST_GATE + random.below(GATES);
