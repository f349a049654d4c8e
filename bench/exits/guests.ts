import { bootProgram, memoryPort } from "../../src/guest/boots.ts";
import { GuestBuilder, mem32, PageTables, ref } from "../../src/guest/builder/index.ts";
import type { Boot } from "../../src/index.ts";

/** A guest that leaves by one kind of exit, over and over, for ever. */
export interface ExitGuest {
  readonly name: string;
  readonly title: string;
  /** The exit that is counted, as `VmStats.exits` calls it. */
  readonly exit: "cpuid" | "io" | "pageFault" | "controlRegister";
  readonly pager: "vtlb" | "kvm";
  /** Instructions that retire from one such exit to the next, nearly. */
  readonly instructionsPerExit: number;
  /** What one such flow may cost with compiled charts, if the project has set a bar. */
  readonly barUs?: number;
  readonly boot: Boot;
}

const ORIGIN = 0x100000;
const PAGE = 0x1000;
/** Where a BIOS leaves its progress: a device that does nothing. */
const POST_CODE_PORT = 0x80;
const CR0_PG = 0x80000000;
const PRESENT_WRITABLE = 3;

/** Pages that the cold-fault guest touches from one load of CR3 to the next. */
const TOUCHED_PAGES = 512;
const TOUCHED_AT = 0x400000;
const DIRECTORY_AT = 0x200000;

function forEver(body: (g: GuestBuilder) => GuestBuilder): Boot {
  const g = new GuestBuilder({ origin: ORIGIN });
  return bootProgram(body(g.label("again")).jmp("again").build());
}

/** Reads one word of each page; each load of CR3 makes all of them cold again. */
function coldFaults(): Boot {
  const tables = new PageTables(DIRECTORY_AT)
    .map(ORIGIN, ORIGIN, { writable: true })
    .map(TOUCHED_AT, TOUCHED_AT, { writable: true, pages: TOUCHED_PAGES });
  const g = new GuestBuilder({ origin: ORIGIN });
  g.mov("ebx", DIRECTORY_AT).mov("cr3", "ebx");
  g.mov("eax", "cr0").or("eax", CR0_PG).mov("cr0", "eax");
  g.label("again").mov("esi", TOUCHED_AT).mov("ecx", TOUCHED_PAGES);
  g.label("touch").mov("eax", mem32("esi")).add("esi", PAGE).dec("ecx").jcc("ne", "touch");
  g.mov("cr3", "ebx").jmp("again");
  const boot = bootProgram(g.build());
  return (memory, state) => {
    tables.writeTo(memoryPort(memory));
    boot(memory, state);
  };
}

/**
 * The same under a pager that keeps its shadow across loads of CR3: after each round the guest clears the page table, loads CR3, which
 * synchronises, and writes the table anew with A clear, so that nothing is prefetched either.
 */
function coldCachedFaults(): Boot {
  const low = { writable: true, pages: 0x400 };
  const tables = new PageTables(DIRECTORY_AT)
    .map(0, 0, low)
    .map(TOUCHED_AT, TOUCHED_AT, { writable: true, pages: TOUCHED_PAGES });
  const table = tables.entryGpa(TOUCHED_AT);
  const g = new GuestBuilder({ origin: ORIGIN });
  g.mov("ebx", DIRECTORY_AT).mov("cr3", "ebx");
  g.mov("eax", "cr0").or("eax", CR0_PG).mov("cr0", "eax").plain("cld");
  g.label("again").mov("esi", TOUCHED_AT).mov("ecx", TOUCHED_PAGES);
  g.label("touch").mov("eax", mem32("esi")).add("esi", PAGE).dec("ecx").jcc("ne", "touch");
  g.mov("eax", 0).mov("edi", table).mov("ecx", TOUCHED_PAGES).string("stos", 32, "rep");
  g.mov("cr3", "ebx");
  g.mov("esi", ref("entries")).mov("edi", table).mov("ecx", TOUCHED_PAGES).string("movs", 32, "rep");
  g.jmp("again").align(4).label("entries");
  for (let n = 0; n < TOUCHED_PAGES; n++) g.dd((TOUCHED_AT + n * PAGE) | PRESENT_WRITABLE);
  const boot = bootProgram(g.build());
  return (memory, state) => {
    tables.writeTo(memoryPort(memory));
    boot(memory, state);
  };
}

/** Two address spaces in turns. */
function contextSwitches(): Boot {
  const spaces = [DIRECTORY_AT, DIRECTORY_AT + 4 * PAGE].map((at) =>
    new PageTables(at).map(ORIGIN, ORIGIN, { writable: true }),
  );
  const g = new GuestBuilder({ origin: ORIGIN });
  g.mov("ebx", DIRECTORY_AT)
    .mov("ecx", DIRECTORY_AT + 4 * PAGE)
    .mov("cr3", "ebx");
  g.mov("eax", "cr0").or("eax", CR0_PG).mov("cr0", "eax");
  g.label("again").mov("cr3", "ecx").mov("cr3", "ebx").jmp("again");
  const boot = bootProgram(g.build());
  return (memory, state) => {
    for (const tables of spaces) tables.writeTo(memoryPort(memory));
    boot(memory, state);
  };
}

export const EXIT_GUESTS: readonly ExitGuest[] = [
  {
    name: "cpuid",
    title: "CPUID",
    exit: "cpuid",
    pager: "vtlb",
    instructionsPerExit: 2,
    barUs: 3,
    boot: forEver((g) => g.cpuid()),
  },
  {
    name: "port-read",
    title: "IN from a port",
    exit: "io",
    pager: "vtlb",
    instructionsPerExit: 2,
    boot: forEver((g) => g.in("al", POST_CODE_PORT)),
  },
  {
    name: "port-write",
    title: "OUT to a port",
    exit: "io",
    pager: "vtlb",
    instructionsPerExit: 2,
    boot: forEver((g) => g.out(POST_CODE_PORT, "al")),
  },
  {
    name: "cold-fault",
    title: "cold shadow fault",
    exit: "pageFault",
    pager: "vtlb",
    instructionsPerExit: 4,
    barUs: 6,
    boot: coldFaults(),
  },
  {
    name: "kvm-cold-fault",
    title: "kvm: cold shadow fault",
    exit: "pageFault",
    pager: "kvm",
    instructionsPerExit: 4,
    barUs: 6,
    boot: coldCachedFaults(),
  },
  {
    name: "kvm-cr3",
    title: "kvm: MOV CR3, roots cached",
    exit: "controlRegister",
    pager: "kvm",
    instructionsPerExit: 1.5,
    barUs: 4,
    boot: contextSwitches(),
  },
];
