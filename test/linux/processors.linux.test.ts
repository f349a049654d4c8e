import { expect, it } from "vitest";
import { bootReport, runBoot } from "../../scenarios/support/boot.ts";
import { linuxGuest } from "../../scenarios/support/linux.ts";
import { createMachine } from "../../src/vm/machine.ts";

const SCRIPT =
  "echo processors $(nproc); for i in 1 2 3 4; do sha256sum /bin/busybox & done; wait; grep -E '(LOC|CAL):' /proc/interrupts";

it.each(["vtlb", "kvm"] as const)(
  "Debian's PAE kernel has two processors under %s, which interrupt each other, every audit clean",
  async (pager) => {
    const { boot, cpu } = await linuxGuest({ script: SCRIPT, guest: "686-pae" }, { keepShell: false });
    const machine = createMachine({ memoryMiB: 160, cpu });
    const vm = machine.createVm({ name: "linux", pager, boot, apic: true, cpus: 2 });
    const outcome = await runBoot(vm, {
      until: /UMBRA-DONE rc=0/,
      auditExits: 20_000,
      maxInstructions: 5e9,
    });
    const report = bootReport(vm, outcome.reached, outcome);
    expect(report).toMatchObject({ reached: true, audit: { violations: 0, examples: [] } });
    const { text } = vm.console;
    expect(text).toMatch(/^processors 2\r?$/m);
    expect(text.match(/^[0-9a-f]{64} {2}\/bin\/busybox\r?$/gm)).toHaveLength(4);
    expect(new Set(text.match(/^[0-9a-f]{64}/gm)).size).toBe(1);
    // Interrupts by processor: of the local timers, and of calls from one to the other.
    for (const kind of ["LOC", "CAL"])
      expect(text).toMatch(new RegExp(`^ *${kind}: +[1-9]\\d* +[1-9]\\d* `, "m"));
    for (const { instructions } of vm.stats().vcpus) expect(instructions).toBeGreaterThan(1e6);
  },
);
