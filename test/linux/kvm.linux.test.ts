import { describe, expect, it } from "vitest";
import { type BootReport, bootReport, runBoot } from "../../scenarios/support/boot.ts";
import { linuxGuest } from "../../scenarios/support/linux.ts";
import { createMachine } from "../../src/vm/machine.ts";
import type { VmOptions } from "../../src/vm/options.ts";
import { expectSameBoot } from "./support/same-boot.ts";

type Kvm = NonNullable<VmOptions["kvm"]>;

/** Boots, forks and executes, and switches off. */
const STORM = "i=0; while [ $i -lt 20 ]; do /bin/busybox true; i=$((i+1)); done";
const DONE = /UMBRA-DONE rc=0/;
const AUDIT_EXITS = 1000;

async function storm(
  pager: "bare" | "kvm",
  kvm: Kvm = {},
  guest: "686" | "686-pae" = "686",
): Promise<BootReport> {
  const { boot, cpu } = await linuxGuest({ script: STORM, guest }, { keepShell: false });
  const machine = createMachine({ memoryMiB: 160, cpu });
  const vm = machine.createVm({ name: "linux", pager, kvm, boot });
  const outcome = await runBoot(vm, { until: DONE, auditExits: AUDIT_EXITS, maxInstructions: 5e9 });
  return bootReport(vm, outcome.reached, outcome);
}

const VARIANTS: readonly Kvm[] = [
  { rmap: "sibling" },
  { rmap: "descriptors", flood: "vcpu" },
  { rmap: "linked", budget: 64 },
  { unsync: false },
  { unsync: false, flood: "vcpu" },
];

describe.each(["686", "686-pae"] as const)("Debian's %s kernel, booting and forking", (guest) => {
  let expected: BootReport | undefined;

  it.each(VARIANTS.map((kvm) => [JSON.stringify(kvm), kvm] as const))(
    "under kvm with %s ends as under bare, every audit clean",
    async (_, kvm) => {
      expected ??= await storm("bare", {}, guest);
      const report = await storm("kvm", kvm, guest);
      expect(report).toMatchObject({ reached: true, audit: { violations: 0, examples: [] } });
      for (const figure of ["instructions", "virtualMs", "memoryHash"] as const)
        expect(report[figure]).toBe(expected[figure]);
      expect(report.audit.runs).toBeGreaterThan(100);
    },
  );

  it("is the same under bare and kvm from reset to user space, in registers and in memory", () =>
    expectSameBoot(guest, "kvm"));
});
