import { describe, expect, it } from "vitest";
import { bootProgram } from "../../src/guest/boots.ts";
import { at, GuestBuilder, mem32, PageTables, ref } from "../../src/guest/builder/index.ts";
import { createMachine } from "../../src/index.ts";

const CODE = 0x100000;
const TABLES = 0x200000;
const IDT = 0x3000;
const ABSENT = 0x40000000;

/** Turns paging on, with a stack that never ends, and faults; #PF goes to where nothing is mapped. */
function program(): GuestBuilder {
  const g = new GuestBuilder({ origin: CODE });
  g.mov("eax", TABLES)
    .mov("cr3", "eax")
    .mov("eax", "cr0")
    .or("eax", 0x80000000 | 0)
    .mov("cr0", "eax");
  g.jmp("paged")
    .label("paged")
    .lidt(at(ref("idtr")))
    .mov("esp", 0x7ffff0);
  g.mov("eax", mem32(ABSENT)).hlt();
  return g.label("idtr").dw(0x7ff).dd(IDT);
}

describe("a guest that faults at the entry of its own fault handler", () => {
  it.each(["bare", "vtlb"] as const)("is killed under %s, and another one goes on", (pager) => {
    const machine = createMachine({ memoryMiB: 64 });
    const tables = new PageTables(TABLES);
    tables.map(0, 0, { writable: true, pages: 0x400 });
    // From 4 MiB on, every page is the same memory: no stack pointer ever meets its end.
    for (let gva = 0x400000; gva < 0x800000; gva += 0x1000) tables.map(gva, 0x300000, { writable: true });
    const stuck = machine.createVm({
      name: "stuck",
      pager,
      memoryMiB: 16,
      boot: (memory, state) => {
        bootProgram(program().build())(memory, state);
        const { gpa, bytes } = tables.build();
        memory.writeBytes(gpa as never, bytes);
        const gate = [
          ABSENT & 0xff,
          (ABSENT >> 8) & 0xff,
          8,
          0,
          0,
          0x8e,
          (ABSENT >> 16) & 0xff,
          ABSENT >>> 24,
        ];
        memory.writeBytes((IDT + 14 * 8) as never, Uint8Array.from(gate));
        // All 1024 directory slots above 8 MiB: the stack again.
        for (let slot = 2; slot < 1024; slot++)
          if (slot !== ABSENT >>> 22) memory.writeBytes((TABLES + slot * 4) as never, bytes.slice(4, 8));
      },
    });
    const other = machine.createVm({
      name: "other",
      pager,
      memoryMiB: 16,
      boot: bootProgram(
        new GuestBuilder({ origin: CODE }).mov("ecx", 100).label("x").loop("x").hlt().build(),
      ),
    });
    const result = stuck.run();
    expect(result.status).toBe("killed");
    expect(result.reason).toMatch(
      /^no instruction has retired in \d+ deliveries of exceptions: .* eip 0x40000000$/,
    );
    expect(result.instructions).toBeLessThan(20);
    expect(other.run().status).toBe("halted");
  });
});
