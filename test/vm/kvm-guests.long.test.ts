import { describe, expect, it } from "vitest";
import { churn } from "../../scenarios/support/guests/churn.ts";
import { forker } from "../../scenarios/support/guests/forker.ts";
import { tableWriter } from "../../scenarios/support/guests/table-writer.ts";
import type { GuestBoot } from "../../src/guest/boots.ts";
import type { Gpa } from "../../src/mmu/address.ts";
import { PTE_LIST_KINDS } from "../../src/mmu/shadow/kvm/pte-lists.ts";
import { createMachine } from "../../src/vm/machine.ts";
import type { VmOptions } from "../../src/vm/options.ts";
import type { Vm } from "../../src/vm/vm.ts";

type Kvm = NonNullable<VmOptions["kvm"]>;

/** Runs a guest until it waits for ever, with an audit now and then. */
function run(boot: GuestBoot, pager: "bare" | "kvm", kvm: Kvm = {}, interpreted = false) {
  const machine = createMachine({ memoryMiB: 32, interpreted });
  const vm = machine.createVm({ name: "g", pager, kvm, memoryMiB: 8, boot, maxInstructions: 5e7 });
  let exits = 0;
  const violations: unknown[] = [];
  const audit = (audited: Vm) => violations.push(...audited.audit());
  const result = vm.run({
    until: () => {
      if (++exits % 400 === 0) audit(vm);
      return false;
    },
  });
  if (vm.reason === undefined) audit(vm);
  return { vm, machine, result, violations, hash: vm.reason === undefined ? vm.memoryHash() : vm.reason };
}

const VARIANTS: readonly Kvm[] = [
  ...PTE_LIST_KINDS.map((rmap) => ({ rmap })),
  { unsync: false },
  { unsync: false, flood: "vcpu", rmap: "linked" },
  { flood: "vcpu", prefetch: false },
  { budget: 64 },
];

describe.each(VARIANTS.map((kvm) => [JSON.stringify(kvm), kvm] as const))("kvm with %s", (_, kvm) => {
  it("does what bare does to a guest that works its tables hard, every audit clean", () => {
    const bare = run(churn(6000), "bare");
    const shadowed = run(churn(6000), "kvm", kvm);
    expect(shadowed.violations).toEqual([]);
    expect(shadowed.result).toMatchObject({ status: "waiting", instructions: bare.result.instructions });
    expect(shadowed.hash).toBe(bare.hash);
  });

  it("does what bare does to a guest that forks", () => {
    const { boot, countGpa } = forker(24);
    const bare = run(boot, "bare");
    const shadowed = run(boot, "kvm", kvm);
    expect(shadowed.violations).toEqual([]);
    expect(shadowed.vm.memory.read32(countGpa as Gpa)).toBe(24);
    expect(shadowed.result.instructions).toBe(bare.result.instructions);
    expect(shadowed.hash).toBe(bare.hash);
  });
});

describe("kvm", () => {
  it("gives the same run with charts interpreted, message by message", () => {
    const types = (interpreted: boolean) => {
      const machine = createMachine({ memoryMiB: 32, interpreted });
      const vm = machine.createVm({
        name: "g",
        pager: "kvm",
        memoryMiB: 8,
        boot: tableWriter(),
        kvm: { budget: 64 },
      });
      const lines: string[] = [];
      machine.bus.tap(({ time, message }) => lines.push(`${time} ${JSON.stringify(message)}`));
      expect(vm.run().status).toBe("waiting");
      return lines;
    };
    const compiled = types(false);
    expect(compiled.length).toBeGreaterThan(500);
    expect(types(true)).toEqual(compiled);
  });

  it("kills a guest whose budget cannot hold the path of one access, in words, and leaves another alone", () => {
    const machine = createMachine({ memoryMiB: 64 });
    const small = machine.createVm({
      name: "small",
      pager: "kvm",
      memoryMiB: 8,
      boot: churn(1000),
      kvm: { budget: 8, smallestBudget: 1 },
    });
    const other = machine.createVm({ name: "other", pager: "kvm", memoryMiB: 8, boot: churn(1000) });
    expect(small.run().status).toBe("killed");
    expect(small.reason).toMatch(/^pager kvm: .*budget of 8 shadow pages/);
    expect(other.run().status).toBe("waiting");
    expect(other.audit()).toEqual([]);
  });

  it("gives all frames back when its guest ends", () => {
    const machine = createMachine({ memoryMiB: 32 });
    const free = machine.frames.freeFrames;
    const vm = machine.createVm({ name: "g", pager: "kvm", memoryMiB: 8, boot: churn(1000) });
    vm.run();
    vm.kill();
    vm.run();
    expect(machine.frames.freeFrames).toBe(free);
  });
});
