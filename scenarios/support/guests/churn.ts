import { bootProgram, type GuestBoot, memoryPort } from "../../../src/guest/boots.ts";
import {
  at,
  codeSegment,
  dataSegment,
  GuestBuilder,
  mem32,
  NULL_DESCRIPTOR,
  PageTables,
  ref,
  tssBytes,
  tssSegment,
} from "../../../src/guest/builder/index.ts";
import { CODE, DATA, enablePaging, initialisePics, startTimer } from "./prelude.ts";

const USER_CODE = 0x18 | 3;
const USER_DATA = 0x20 | 3;
const TSS = 0x28;
const STACK = 0x9000;
const USER_STACK = 0xa000;

/** Pages that are mapped, protected, cleaned and unmapped all the time. */
const WINDOW_GVA = 0x400000;
const WINDOW_GPA = 0x100000;
const WINDOW_PAGES = 64;

const PRESENT_WRITABLE_USER = 7;
const ACCESSED_DIRTY = 0x60;
const WRITABLE = 2;
const INTERRUPTS_ON = 0x202;
const TIMER_LINE = 1;
/** Some 0.2 ms, so that interrupts come at many places. */
const PULSES = 240;
const COM1 = 0x3f8;

/**
 * A guest that works its page tables hard: demand paging, write protection, cleared A and D bits, INVLPG, CR3 loads, user mode,
 * system calls, string copies, and timer interrupts all the while; a dot on the console every 4096 rounds. After `rounds` rounds it
 * masks its timer and waits for ever.
 */
export function churn(rounds: number): GuestBoot {
  const tables = new PageTables(0x20000);
  tables.map(0, 0, { writable: true, user: true, pages: 0x40 });
  tables.map(WINDOW_GVA, WINDOW_GPA, { writable: true, user: true });
  const pteBase = tables.entryGpa(WINDOW_GVA);
  // PTE of the window's page whose number is in EDX.
  const pte = mem32({ index: "edx", scale: 4, displacement: pteBase });

  const g = new GuestBuilder({ origin: 0x10000 });
  g.mov("esp", STACK)
    .lgdt(at(ref("gdtr")))
    .lidt(at(ref("idtr")));
  g.mov("eax", TSS).ltr("ax");
  enablePaging(g, tables.gpa);
  initialisePics(g, TIMER_LINE);
  startTimer(g, PULSES);
  g.mov("esi", 0x2545f491).mov("ebx", 0).mov("ebp", 0).sti();

  g.label("round").mov("esp", STACK).inc("ebx").cmp("ebx", rounds).jcc("a", "done");
  g.test("ebx", 0xfff).jcc("ne", "draw").push("edx");
  g.mov("edx", COM1).mov("al", ".".charCodeAt(0)).out("dx", "al").pop("edx");
  // ESI: random; EDX: page of the window; EDI: a word in it; EAX: what to do.
  g.label("draw")
    .imul("esi", mem32(ref("multiplier")))
    .add("esi", 12345);
  g.mov("edx", "esi")
    .shift("shr", "edx", 8)
    .and("edx", WINDOW_PAGES - 1);
  g.mov("edi", "edx").shift("shl", "edi", 12);
  g.mov("eax", "esi").shift("shr", "eax", 14).and("eax", 0xe00).add("edi", "eax").add("edi", WINDOW_GVA);
  g.mov("eax", "esi").shift("shr", "eax", 28).and("eax", 7);
  g.jmp(mem32({ index: "eax", scale: 4, displacement: ref("deeds") }));

  g.label("write").add(mem32("edi"), "esi").jmp("round");
  g.label("read").add("ebp", mem32("edi")).jmp("round");
  g.label("unmap").mov(pte, 0).invlpg(at("edi")).jmp("round");
  g.label("clean").and(pte, ~ACCESSED_DIRTY).invlpg(at("edi")).jmp("round");
  g.label("protect").and(pte, ~WRITABLE).invlpg(at("edi")).jmp("round");
  g.label("reload").mov("eax", "cr3").mov("cr3", "eax").jmp("round");
  g.label("user")
    .push(USER_DATA)
    .push(USER_STACK)
    .push(INTERRUPTS_ON)
    .push(USER_CODE)
    .push(ref("user-code"))
    .iret();
  g.label("copy")
    .push("esi")
    .mov("esi", WINDOW_GVA)
    .mov("ecx", 32)
    .plain("cld")
    .string("movs", 32, "rep")
    .pop("esi");
  g.jmp("round");
  g.label("done").cli().mov("al", 0xff).out(0x21, "al").sti().label("rest").hlt().jmp("rest");

  g.label("user-code").mov("eax", USER_DATA).mov("ds", "eax").xor(mem32("edi"), "esi").int(0x80).ud2();

  // IRET to user mode has emptied ES, whose segment is the kernel's.
  g.label("system-call").mov("eax", DATA).mov("ds", "eax").mov("es", "eax").sti().jmp("round");
  g.label("timer").push("eax").push("ds").mov("eax", DATA).mov("ds", "eax");
  g.inc(mem32(ref("ticks")))
    .mov("al", 0x20)
    .out(0x20, "al")
    .pop("ds")
    .pop("eax")
    .iret();
  // Maps the page, or gives the rights back; a fault outside the window has no remedy.
  g.label("page-fault").push("eax").push("edx").push("ds").mov("eax", DATA).mov("ds", "eax");
  g.mov("edx", "cr2")
    .sub("edx", WINDOW_GVA)
    .cmp("edx", WINDOW_PAGES << 12)
    .jcc("ae", "stray");
  g.and("edx", -0x1000).mov("eax", "edx").add("eax", WINDOW_GPA).or("eax", PRESENT_WRITABLE_USER);
  g.shift("shr", "edx", 12).mov(pte, "eax").mov("eax", "cr2").invlpg(at("eax"));
  g.pop("ds").pop("edx").pop("eax").add("esp", 4).iret();
  g.label("stray").ud2();

  g.align(4).label("multiplier").dd(1103515245).label("ticks").dd(0).label("deeds");
  for (const deed of ["write", "read", "unmap", "clean", "protect", "reload", "user", "copy"])
    g.dd(ref(deed));
  g.label("tss")
    .raw(tssBytes({ esp0: STACK, ss0: DATA }))
    .align(8)
    .label("gdt")
    .raw(NULL_DESCRIPTOR);
  g.raw(codeSegment())
    .raw(dataSegment())
    .raw(codeSegment({ dpl: 3 }))
    .raw(dataSegment({ dpl: 3 }));
  g.late(8, (resolve) => tssSegment(resolve(ref("tss"))));
  g.label("gdtr")
    .dw(TSS + 7)
    .dd(ref("gdt"));
  g.align(8).label("idt");
  const gates: Record<number, [handler: string, dpl: number]> = {
    14: ["page-fault", 0],
    32: ["timer", 0],
    128: ["system-call", 3],
  };
  for (let vector = 0; vector <= 128; vector++) {
    const [handler, dpl] = gates[vector] ?? [];
    if (handler === undefined) g.fill(8);
    else g.gate({ kind: "interrupt", selector: CODE, offset: ref(handler), dpl: dpl ?? 0 });
  }
  g.label("idtr")
    .dw(129 * 8 - 1)
    .dd(ref("idt"));

  const bootCode = bootProgram(g.build());
  return (memory, state) => {
    bootCode(memory, state);
    tables.writeTo(memoryPort(memory));
  };
}
