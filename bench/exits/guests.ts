import { bootProgram, memoryPort } from "../../src/guest/boots.ts";
import { GuestBuilder, mem32, PageTables } from "../../src/guest/builder/index.ts";
import type { Boot } from "../../src/index.ts";

/** A guest that leaves by one kind of exit, over and over, for ever. */
export interface ExitGuest {
  readonly name: string;
  readonly title: string;
  /** The exit that is counted, as `VmStats.exits` calls it. */
  readonly exit: "cpuid" | "io" | "pageFault";
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

export const EXIT_GUESTS: readonly ExitGuest[] = [
  {
    name: "cpuid",
    title: "CPUID",
    exit: "cpuid",
    instructionsPerExit: 2,
    barUs: 3,
    boot: forEver((g) => g.cpuid()),
  },
  {
    name: "port-read",
    title: "IN from a port",
    exit: "io",
    instructionsPerExit: 2,
    boot: forEver((g) => g.in("al", POST_CODE_PORT)),
  },
  {
    name: "port-write",
    title: "OUT to a port",
    exit: "io",
    instructionsPerExit: 2,
    boot: forEver((g) => g.out(POST_CODE_PORT, "al")),
  },
  {
    name: "cold-fault",
    title: "cold shadow fault",
    exit: "pageFault",
    instructionsPerExit: 4,
    barUs: 6,
    boot: coldFaults(),
  },
];
