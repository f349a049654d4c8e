import { bootProgram, type GuestBoot, memoryPort } from "../../../src/guest/boots.ts";
import { GuestBuilder, mem32, PageTables } from "../../../src/guest/builder/index.ts";
import { enablePaging, idt, loadIdt } from "./prelude.ts";

/** Mapped, not yet used. */
export const COLD_GVA = 0x400000;
/** Not mapped; the guest's page-fault handler maps it. */
export const UNMAPPED_GVA = 0x401000;

const COLD_GPA = 0x100000;
const LATE_GPA = 0x101000;
const PRESENT_WRITABLE = 3;
const PAGE_FAULT = 14;

export interface PageToucher {
  readonly boot: GuestBoot;
  /** Guest-physical address of the page-table entry of each of the two pages. */
  readonly pteGpa: Readonly<Record<number, number>>;
}

/** Reads a page for the first time, writes to it, and touches a page that its own handler must map first; then waits for ever. */
export function pageToucher(): PageToucher {
  const tables = new PageTables(0x20000);
  tables.map(0, 0, { writable: true, pages: 0x40 }).map(COLD_GVA, COLD_GPA, { writable: true });
  const coldPte = tables.entryGpa(COLD_GVA);
  const unmappedPte = coldPte + 4;

  const g = new GuestBuilder({ origin: 0x10000 });
  g.mov("esp", 0x9000);
  loadIdt(g);
  enablePaging(g, tables.gpa);
  g.mov("eax", mem32(COLD_GVA));
  g.mov(mem32(COLD_GVA), "eax");
  g.mov(mem32(UNMAPPED_GVA), 0x1234);
  g.sti().hlt();

  g.label("page-fault").push("eax");
  g.mov("eax", LATE_GPA | PRESENT_WRITABLE).mov(mem32(unmappedPte), "eax");
  g.pop("eax").add("esp", 4).iret();
  idt(g, { [PAGE_FAULT]: "page-fault" }, 32);

  const bootCode = bootProgram(g.build());
  return {
    boot: (memory, state) => {
      bootCode(memory, state);
      tables.writeTo(memoryPort(memory));
    },
    pteGpa: { [COLD_GVA]: coldPte, [UNMAPPED_GVA]: unmappedPte },
  };
}
