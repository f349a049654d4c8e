import { bootProgram, type GuestBoot, memoryPort } from "../../../src/guest/boots.ts";
import { at, GuestBuilder, mem32, PageTables, ref } from "../../../src/guest/builder/index.ts";
import { enablePaging, idt, loadIdt } from "./prelude.ts";

const PAGE = 0x1000;
const PRESENT_WRITABLE_USER = 7;
const WRITABLE = 2;
const PAGE_FAULT = 14;

/** The parent's tables; those of its children behind them, a directory and a page table each. */
const PARENT = 0x200000;
const CHILDREN = 0x210000;
const CHILD_SHIFT = 13;
/** Address spaces of children that take turns, so that a child finds the tables of one before it. */
const CHILD_SPACES = 8;

/** The process's data: mapped for it alone, copied on write by its children. */
const DATA_GVA = 0x800000;
const DATA_GPA = 0x100000;
export const DATA_PAGES = 128;
/** Frames of children's copies, a page of its own for each page of data. */
const COPIES_GPA = 0x280000;
const DATA_SLOT = DATA_GVA >>> 22;
/** Pages that each child writes. */
const TOUCHED = 24;

export interface Forker {
  readonly boot: GuestBoot;
  /** Guest-physical address of the number of children so far. */
  readonly countGpa: number;
}

/**
 * A process that forks `forks` times, one child after the other: its page table is copied with all rights to write taken away, the child
 * writes some pages and gets copies of them from the page-fault handler, and ends; then the parent takes its rights back as it writes.
 * The tables of a child are cleared and used again, as a kernel does. Then the guest waits for ever.
 */
export function forker(forks: number): Forker {
  const tables = new PageTables(PARENT)
    .map(0, 0, { writable: true, pages: 0x400 })
    .map(DATA_GVA, DATA_GPA, { writable: true, user: true, pages: DATA_PAGES });
  const parentTable = tables.entryGpa(DATA_GVA) & -PAGE;
  const g = new GuestBuilder({ origin: 0x10000 });
  g.mov("esp", 0x9000);
  loadIdt(g);
  enablePaging(g, tables.gpa);
  g.mov(mem32(ref("table")), parentTable).plain("cld");

  // EBX: directory of the child, EDI: its page table.
  g.label("fork")
    .mov("eax", mem32(ref("forks")))
    .and("eax", CHILD_SPACES - 1);
  g.mov("ebx", "eax").shift("shl", "ebx", CHILD_SHIFT).add("ebx", CHILDREN);
  g.lea("edi", at({ base: "ebx", displacement: PAGE }));
  g.mov("ecx", 0);
  g.label("copy").mov("eax", mem32({ index: "ecx", scale: 4, displacement: parentTable }));
  g.and("eax", ~WRITABLE).mov(mem32({ index: "ecx", scale: 4, displacement: parentTable }), "eax");
  g.mov(mem32({ base: "edi", index: "ecx", scale: 4 }), "eax");
  g.inc("ecx").cmp("ecx", DATA_PAGES).jcc("b", "copy");
  g.mov("eax", mem32(PARENT)).mov(mem32("ebx"), "eax");
  g.lea("eax", at({ base: "edi", displacement: PRESENT_WRITABLE_USER })).mov(
    mem32({ base: "ebx", displacement: 4 * DATA_SLOT }),
    "eax",
  );
  // The child.
  g.mov(mem32(ref("table")), "edi").mov("cr3", "ebx");
  g.mov("esi", DATA_GVA).mov("ecx", TOUCHED);
  g.label("touch").inc(mem32("esi")).add("esi", PAGE).dec("ecx").jcc("ne", "touch");
  // It ends: back in the parent, its tables are cleared.
  g.mov("eax", PARENT)
    .mov("cr3", "eax")
    .mov(mem32(ref("table")), parentTable);
  g.push("edi").mov("eax", 0).mov("ecx", DATA_PAGES).string("stos", 32, "rep").pop("edi");
  g.mov(mem32({ base: "ebx", displacement: 4 * DATA_SLOT }), 0);
  g.mov("esi", DATA_GVA).mov("ecx", DATA_PAGES);
  g.label("write")
    .inc(mem32({ base: "esi", displacement: 4 }))
    .add("esi", PAGE)
    .dec("ecx")
    .jcc("ne", "write");
  g.inc(mem32(ref("forks")))
    .cmp(mem32(ref("forks")), forks)
    .jcc("b", "fork");
  g.sti().label("rest").hlt().jmp("rest");

  // Parent: it is the only one again, and takes the right back. Child: a copy of the page.
  g.label("page-fault").push("eax").push("ebx").push("ecx").push("esi").push("edi");
  g.mov("ebx", "cr2").sub("ebx", DATA_GVA).and("ebx", -PAGE).shift("shr", "ebx", 12);
  g.mov("edi", mem32(ref("table")))
    .cmp("edi", parentTable)
    .jcc("e", "unshare");
  g.mov("esi", mem32({ base: "edi", index: "ebx", scale: 4 })).and("esi", -PAGE);
  g.mov("edi", "ebx").shift("shl", "edi", 12).add("edi", COPIES_GPA).push("edi");
  g.mov("ecx", PAGE / 4)
    .string("movs", 32, "rep")
    .pop("eax")
    .or("eax", PRESENT_WRITABLE_USER);
  g.mov("edi", mem32(ref("table")))
    .mov(mem32({ base: "edi", index: "ebx", scale: 4 }), "eax")
    .jmp("repaired");
  g.label("unshare").or(mem32({ base: "edi", index: "ebx", scale: 4 }), WRITABLE);
  g.label("repaired").mov("eax", "cr2").invlpg(at("eax"));
  g.pop("edi").pop("esi").pop("ecx").pop("ebx").pop("eax").add("esp", 4).iret();

  g.align(4).label("table").dd(0).label("forks").dd(0);
  idt(g, { [PAGE_FAULT]: "page-fault" }, 32);
  const program = g.build();
  const bootCode = bootProgram(program);
  return {
    boot: (memory, state) => {
      bootCode(memory, state);
      tables.writeTo(memoryPort(memory));
    },
    countGpa: program.symbol("forks"),
  };
}
