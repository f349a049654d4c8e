import { describe, expect, it } from "vitest";
import { bootProgram } from "../../src/guest/boots.ts";
import { GuestBuilder, mem32 } from "../../src/guest/builder/index.ts";
import type { Gpa } from "../../src/mmu/address.ts";
import { createMachine } from "../../src/vm/machine.ts";

/** Where addresses no longer fit in a signed number of 32 bits: just below it, across it, and well above. */
const PLACES = [0x7f800000, 0x7ffff800, 0x84000000];

describe.each(["bare", "vtlb"] as const)("a guest with more than 2 GiB under %s", (pager) => {
  it.each(PLACES)("runs code and changes data at %i", (origin) => {
    // Changes an instruction of its own, too: written code must be found again up there.
    const g = new GuestBuilder({ origin });
    g.mov("ecx", 0)
      .label("again")
      .mov("eax", 1)
      .add(mem32(origin + 0x2000), "eax");
    g.mov(mem32(origin + 6), 41)
      .inc("ecx")
      .cmp("ecx", 2)
      .jcc("b", "again")
      .sti()
      .hlt();
    const program = g.build();
    expect(program.symbol("again")).toBe(origin + 5);
    const machine = createMachine({ memoryMiB: 2400 });
    const vm = machine.createVm({ name: "g", pager, memoryMiB: 2300, boot: bootProgram(program) });
    expect(vm.run({ maxInstructions: 1000 }).status).toBe("waiting");
    expect(vm.memory.read32((origin + 0x2000) as Gpa)).toBe(42);
  });
});
