import { describe, expect, it } from "vitest";
import { bootProgram, GuestBuilder, mem32 } from "../../src/guest/index.ts";
import type { Gpa } from "../../src/mmu/address.ts";
import { createMachine } from "../../src/vm/machine.ts";

describe("settings of several processors", () => {
  const boot = bootProgram(new GuestBuilder({ origin: 0x100000 }).hlt().build());

  it.each([0, 9, 1.5])("refuses %s processors in one line", (cpus) => {
    const options = { name: "g", pager: "bare", apic: true, boot, cpus } as const;
    expect(() => createMachine().createVm(options)).toThrow(`a vm has 1 to 8 processors, not ${cpus}`);
  });

  it("needs local APICs", () => {
    expect(() => createMachine().createVm({ name: "g", pager: "bare", boot, cpus: 2 })).toThrow(
      "set apic to true",
    );
  });
});

const COUNTER = 0x500;
const DONE = 0x504;
const EACH = 20_000;
const COMMAND = 0xfee00300;

/** Real mode at page 8: adds 1 to the counter so many times, counts itself as done, and halts for good. */
const COUNTING = new GuestBuilder({ origin: 0x8000, bits: 16 })
  .cli()
  .mov("ax", 0)
  .mov("ds", "ax")
  .mov("cx", EACH)
  .label("count")
  .lock()
  .inc(mem32(COUNTER))
  .loop("count")
  .lock()
  .inc(mem32(DONE))
  .hlt()
  .build();

/** INIT, then start-up at page 8, to all others; then nothing but spinning. */
const STARTER = new GuestBuilder({ origin: 0x100000 })
  .mov(mem32(COMMAND), 0xc4500)
  .mov(mem32(COMMAND), 0xc4608)
  .label("spin")
  .raw([0xf3, 0x90])
  .jmp("spin")
  .build();

function run(pager: "bare" | "vtlb" | "kvm", interpreted: boolean) {
  const machine = createMachine({ interpreted, memoryMiB: 64 });
  const vm = machine.createVm({
    name: "g",
    pager,
    memoryMiB: 8,
    apic: true,
    cpus: 4,
    quantum: 777,
    boot: (memory, state) => {
      bootProgram(STARTER)(memory, state);
      memory.writeBytes(COUNTING.origin as Gpa, COUNTING.bytes);
    },
  });
  const word = (gpa: number) => vm.memory.read32(gpa as Gpa);
  const result = vm.run({ maxInstructions: 5_000_000, until: () => word(DONE) === 3 });
  return {
    result,
    counter: word(COUNTER),
    done: word(DONE),
    hash: vm.memoryHash(),
    audit: vm.audit(),
    vcpus: vm.stats().vcpus.map(({ instructions }) => instructions),
  };
}

describe("four processors", () => {
  it.each(["bare", "vtlb", "kvm"] as const)(
    "under %s count without a loss, and alike in every run",
    (pager) => {
      const first = run(pager, false);
      expect(first).toMatchObject({ result: { status: "until" }, counter: 3 * EACH, done: 3, audit: [] });
      for (const instructions of first.vcpus.slice(1)) expect(instructions).toBeGreaterThan(2 * EACH);
      expect(run(pager, false)).toEqual(first);
      expect(run(pager, true)).toEqual(first);
    },
  );
});
