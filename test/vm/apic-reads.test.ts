import { expect, it } from "vitest";
import { bootProgram } from "../../src/guest/boots.ts";
import { at, GuestBuilder } from "../../src/guest/builder/index.ts";
import { PAGER_NAMES } from "../../src/mmu/pager.ts";
import { createMachine } from "../../src/vm/machine.ts";

const APIC = 0xfee00000;
const RESULTS = 0x180000;

/** Reads the version a hundred times, exchanges the task priority, and reads the timer's count, which goes on. */
function program() {
  const g = new GuestBuilder({ origin: 0x100000 });
  g.mov("ecx", 100);
  g.label("again")
    .mov("eax", at(APIC + 0x30))
    .dec("ecx")
    .jcc("ne", "again");
  g.mov(at(RESULTS), "eax");
  g.mov("eax", 0x30)
    .mov(at(APIC + 0x80), "eax")
    .mov("ebx", 0x20)
    .xchg(at(APIC + 0x80), "ebx");
  g.mov(at(RESULTS + 4), "ebx")
    .mov("eax", at(APIC + 0x80))
    .mov(at(RESULTS + 8), "eax");
  g.mov("eax", 1_000_000).mov(at(APIC + 0x380), "eax");
  g.mov("eax", at(APIC + 0x390))
    .mov("edx", at(APIC + 0x390))
    .sub("eax", "edx")
    .mov(at(RESULTS + 12), "eax");
  return g.label("spin").jmp("spin").build();
}

it.each(PAGER_NAMES)(
  "the local APIC's registers are read without leaving under %s, as far as they stand still",
  (pager) => {
    const machine = createMachine({ memoryMiB: 32 });
    const vm = machine.createVm({ name: "g", pager, memoryMiB: 4, apic: true, boot: bootProgram(program()) });
    vm.run({ budget: 1000 });
    const [version, old, now, elapsed] = [0, 4, 8, 12].map((offset) =>
      vm.memory.read32((RESULTS + offset) as never),
    );
    expect([version, old, now]).toEqual([0x50014, 0x30, 0x20]);
    expect(elapsed).toBeGreaterThan(0);
    // The store, both halves of the exchange, the initial count, and the current count twice.
    expect(vm.stats().exits.mmio).toBe(6);
  },
);
