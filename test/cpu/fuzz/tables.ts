import {
  codeSegment,
  dataSegment,
  gateBytes,
  ldtSegment,
  tssBytes,
} from "../../../src/guest/builder/index.ts";
import {
  type EngineGuest,
  GDT,
  HANDLERS,
  IDT,
  PAGE_DIRECTORY,
  Sel,
  STACK0,
  TSS,
  U,
  W,
} from "../engine/support/guest.ts";
import type { Random } from "../instructions/support/random.ts";
import { FIRST, isReal, PAGE, PAGES, type Place, Select, SIZE, TABLE_PAGES } from "./places.ts";

/** Random tables for random programs: descriptors and gates of all kinds, tasks, handlers, page tables. */

const TASK_32 = TSS + 0x200;
const TASK_16 = TSS + 0x400;
const LDT = TSS + 0x600;
const PAGE_TABLE = 0x7000;
const PAE_POINTERS = 0x8000;
const PAE_DIRECTORIES = 0x9000;
const PAE_TABLE = 0xa000;
const SECOND_TABLE = 0xb000;
const VECTOR_TABLE = 0x1000;

/** Types of system descriptors that programs may name. */
const AVAILABLE_TSS16 = 1;
const AVAILABLE_TSS32 = 9;
const BUSY = 2;
const TRAP_BIT = 0x64;

const somewhere = (random: Random): number => FIRST + random.below(SIZE);

/** A TSS descriptor: 32 bits or 16, seldom busy, short or absent. */
function tss(base: number, type: number, random: Random): Uint8Array {
  const limit = random.below(16) === 0 ? random.below(0x80) : type === AVAILABLE_TSS32 ? 0x67 : 0x2b;
  const access = (random.below(16) ? 0x80 : 0) | 0x60 | type | (random.below(8) ? 0 : BUSY);
  return Uint8Array.of(limit, limit >>> 8, base, base >>> 8, base >>> 16, access, 0, 0);
}

function globalDescriptors(guest: EngineGuest, random: Random): void {
  const entries = Array.from({ length: 64 }, () => (random.below(8) === 0 ? random.word() : 0));
  guest.write32(GDT, ...entries);
  const dpl = 3;
  const put = (selector: number, bytes: Uint8Array) => guest.write(GDT + (selector & ~7), bytes);
  guest.write32(GDT, 0, 0);
  put(Sel.code0, codeSegment());
  put(Sel.data0, dataSegment());
  put(Sel.code3, codeSegment({ dpl }));
  put(Sel.data3, dataSegment({ dpl }));
  put(Sel.tss, Uint8Array.of(0x67, 0, TSS, TSS >>> 8, 0, 0x8b, 0, 0));
  const half = { base: FIRST, limit: 0xffff, is32: false } as const;
  put(Select.code16, codeSegment({ ...half, dpl: random.below(2) * 3 }));
  put(Select.data16, dataSegment({ ...half, dpl: random.below(2) * 3 }));
  put(Select.task32, tss(TASK_32, AVAILABLE_TSS32, random));
  put(Select.task16, tss(TASK_16, AVAILABLE_TSS16, random));
  put(Select.taskGate, gateBytes({ kind: "task", selector: Select.task32, offset: 0, dpl }));
  put(Select.otherTaskGate, gateBytes({ kind: "task", selector: Select.task16, offset: 0, dpl }));
  const gate = () => ({
    selector: random.pick([Sel.code0, Sel.code3, Select.code16, Select.conforming]),
    offset: somewhere(random),
    parameters: random.below(3) ? 0 : random.below(32),
    dpl,
  });
  put(Select.callGate, gateBytes({ ...gate(), kind: "call" }));
  put(Select.callGate16, gateBytes({ ...gate(), kind: "call16", offset: random.below(0x10000) }));
  put(Select.ldt, ldtSegment(LDT, random.below(4) ? 0x1f : random.below(0x20)));
  put(Select.conforming, codeSegment({ isConforming: true, dpl: random.below(4) }));
  put(Select.expandDown, dataSegment({ isExpandDown: true, limit: random.below(0x20000), dpl }));
  put(Select.notPresent, dataSegment({ isPresent: false, dpl }));
  guest.write(LDT, dataSegment({ base: FIRST, limit: random.below(SIZE), dpl }));
  guest.write(LDT + 8, codeSegment({ dpl, is32: random.below(2) === 0 }));
  guest.write32(LDT + 16, random.word(), random.word(), random.word(), random.word());
}

/** The task that runs, and two to switch to. */
function tasks(guest: EngineGuest, random: Random, place: Place, cr3: number): void {
  guest.write32(TSS, ...Array.from({ length: 26 }, () => (random.below(3) ? 0 : random.word())));
  guest.write32(TSS, random.below(2) ? Select.task32 : 0, STACK0, Sel.data0);
  const virtual = random.below(8) === 0;
  const user = random.below(2) === 1;
  const segment = () =>
    random.below(8) ? (user ? Sel.data3 : Sel.data0) : random.pick([0, 4, Select.data16, Select.notPresent]);
  const code = user ? Sel.code3 : random.pick([Sel.code0, Sel.code0, Select.code16]);
  const image = {
    esp0: STACK0,
    ss0: Sel.data0,
    cr3: random.below(12) ? cr3 : random.word(),
    eip: code === Select.code16 || virtual ? random.below(0x10000) : somewhere(random),
    eflags: (random.word() & 0x17ed5) | (virtual ? 0x20000 : 0),
    eax: random.operand(),
    ecx: random.below(0x1000),
    edx: random.operand(),
    esp: somewhere(random),
    esi: somewhere(random),
    edi: somewhere(random),
    cs: virtual ? FIRST >> 4 : random.below(12) ? code : random.pick([0, Sel.data0, Select.conforming]),
    ss: virtual ? FIRST >> 4 : random.below(12) ? (user ? Sel.data3 : Sel.data0) : segment(),
    ds: segment(),
    es: segment(),
    fs: segment(),
    gs: segment(),
    ldt: random.below(4) ? 0 : random.pick([Select.ldt, Select.ldt, Sel.data0]),
  };
  guest.write(TASK_32, tssBytes(image));
  guest.write32(TASK_32, random.pick([0, Sel.tss, Select.task16]));
  if (random.below(6) === 0) guest.write(TASK_32 + TRAP_BIT, [1]);
  const words = [
    random.pick([0, Sel.tss]),
    STACK0,
    Sel.data0,
    0,
    0,
    0,
    0,
    random.below(0x10000),
    random.word() & 0xfd5,
  ];
  for (let n = 0; n < 8; n++) words.push(random.below(0x10000));
  words.push(segment(), random.pick([Select.code16, Sel.code0, Sel.code3]), segment(), segment(), 0);
  guest.write(
    TASK_16,
    words.flatMap((word) => [word & 0xff, word >>> 8]),
  );
  if (isReal(place))
    guest.write(
      VECTOR_TABLE,
      Array.from({ length: 0x400 }, (_, n) =>
        n & 3 ? ([0, (FIRST >> 4) & 0xff, FIRST >> 12][(n & 3) - 1] ?? 0) : random.below(256),
      ),
    );
}

function handlers(guest: EngineGuest, random: Random): void {
  for (let vector = 0; vector < 256; vector++) {
    const wild = random.below(4) === 0;
    const offset = wild ? somewhere(random) : HANDLERS + vector * 16;
    guest.gate(vector, offset, random.below(2) ? "interrupt" : "trap", random.below(2) * 3);
    const other = random.below(40);
    if (other === 0) guest.write32(IDT + vector * 8, random.word(), random.word());
    else if (other < 4) {
      const selector = random.pick([Select.task32, Select.task16, Sel.tss, Sel.data0]);
      guest.write(
        IDT + vector * 8,
        gateBytes({ kind: "task", selector, offset: 0, dpl: random.below(2) * 3 }),
      );
    }
    // Handlers return, return past an error code, or step over two bytes.
    guest.write(
      HANDLERS + vector * 16,
      random.pick([[0xcf], [0x83, 0xc4, 0x04, 0xcf], [0x83, 0x04, 0x24, 0x02, 0xcf]]),
    );
  }
}

function leaf(random: Random, page: number): number {
  if (page >= 1 && page < TABLE_PAGES) return (page * PAGE) | W | (U * random.below(2)) | 1;
  if (random.below(10) === 0) return random.below(3) === 0 ? random.word() & ~0x1000 : 0;
  const own = page * PAGE >= FIRST && page * PAGE < FIRST + SIZE && random.below(4) !== 0;
  const gpa = own ? page * PAGE : FIRST + random.below(PAGES) * PAGE;
  return gpa | (random.word() & 0x160) | U | (random.below(8) ? W : 0) | 1;
}

/** One page table for the lowest addresses and another for some of the rest; large pages, and entries of any bits. Returns CR3. */
function pageTables(guest: EngineGuest, random: Random): number {
  // In the program's own memory, where it may change them, or out of its reach.
  const own = random.below(3) === 0;
  const at = own ? FIRST + (1 + random.below(PAGES - 3)) * PAGE : PAGE_DIRECTORY;
  const table = own ? at + PAGE : PAGE_TABLE;
  const leaves = Uint32Array.from({ length: 1024 }, (_, page) => leaf(random, page));
  const others = Uint32Array.from({ length: 1024 }, () => leaf(random, TABLE_PAGES + random.below(PAGES)));
  const slots = Uint32Array.from({ length: 1024 }, (_, slot) => {
    if (slot < 2 || random.below(4)) return table | U | W | 1;
    if (random.below(2)) return SECOND_TABLE | (random.word() & 0x7f) | 1;
    // PS and W, U, G, A, D at random, and seldom anything.
    return random.below(3) ? (random.word() & 0xfff) | 0x81 : random.word();
  });
  guest.write(table, new Uint8Array(leaves.buffer));
  guest.write(SECOND_TABLE, new Uint8Array(others.buffer));
  guest.write(at, new Uint8Array(slots.buffer));
  return at | (random.word() & 0x18);
}

function paeTables(guest: EngineGuest, random: Random): number {
  const leaves = new Uint32Array(1024);
  const slots = new Uint32Array(1024);
  for (let n = 0; n < 1024; n += 2) {
    leaves[n] = leaf(random, n >> 1) & 0x7ffff;
    const upper = random.below(64);
    if (upper === 0) leaves[n + 1] = random.word();
    // Not to be executed, where EFER.NXE makes that a right; else it is reserved.
    else if (upper < 5) leaves[n + 1] = 0x80000000;
    slots[n] = PAE_TABLE | U | W | 1;
    if (n <= 2 || random.below(6)) continue;
    const kind = random.below(4);
    slots[n] =
      kind === 0
        ? random.word()
        : kind === 1
          ? (random.word() & 0xfff) | 0x81
          : PAE_TABLE | (random.word() & 0x7f) | 1;
    if (kind === 2) slots[n + 1] = 0x80000000;
  }
  guest.write(PAE_TABLE, new Uint8Array(leaves.buffer));
  guest.write(PAE_DIRECTORIES, new Uint8Array(slots.buffer));
  const pointers = [0, 1, 2, 3].flatMap((n) => [PAE_DIRECTORIES | (n && random.below(8) === 0 ? 0 : 1), 0]);
  guest.write32(PAE_POINTERS, ...pointers);
  return PAE_POINTERS;
}

/** Writes all tables of a program; returns its CR3. */
export function writeTables(guest: EngineGuest, random: Random, place: Place): number {
  globalDescriptors(guest, random);
  let cr3 = PAGE_DIRECTORY;
  if (place.paging === "on") cr3 = pageTables(guest, random);
  if (place.paging === "pae") cr3 = paeTables(guest, random);
  handlers(guest, random);
  tasks(guest, random, place, cr3);
  return cr3;
}
