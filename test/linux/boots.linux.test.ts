import { describe, expect, it } from "vitest";
import { type BootReport, bootReport, runBoot } from "../../scenarios/support/boot.ts";
import { linuxGuest } from "../../scenarios/support/linux.ts";
import { createMachine } from "../../src/vm/machine.ts";

const PAGERS = ["bare", "vtlb"] as const;
type PagerName = (typeof PAGERS)[number];

const READY = /UMBRA-READY/;
const DONE = /UMBRA-DONE rc=0/;
const SCRIPT =
  "for i in 1 2 3; do ls / | wc -l; done; cat /proc/cpuinfo; dd if=/dev/urandom of=/f bs=64k count=16; " +
  "sha256sum /f; gzip -c /f | gunzip | cmp - /f && echo SAME";

interface Boot {
  readonly report: BootReport;
  readonly console: string;
}

async function boot(
  pager: PagerName,
  options: { until: RegExp; script?: string; maxInstructions?: number },
): Promise<Boot> {
  const { until, script, maxInstructions = 5e9 } = options;
  const guest = await linuxGuest(script === undefined ? {} : { script }, { keepShell: false });
  const machine = createMachine({ memoryMiB: 160 });
  const vm = machine.createVm({ name: "linux", pager, boot: guest.boot, apic: true });
  const outcome = await runBoot(vm, { until, auditExits: 20_000, maxInstructions });
  return { report: bootReport(vm, outcome.reached, outcome), console: vm.console.text };
}

const booted = new Map<PagerName, Boot>();

describe.each(PAGERS)("Debian's Linux under %s", (pager) => {
  it("boots to user space with every audit clean", async () => {
    const first = await boot(pager, { until: READY });
    booted.set(pager, first);
    const { report } = first;
    expect(first.console).toMatch(/Linux version \d.*-686 /);
    expect(report).toMatchObject({ reached: true, status: "until", audit: { violations: 0, examples: [] } });
    expect(report.audit.runs).toBeGreaterThan(2);
  });

  it("does so again with the same instructions, time, messages and memory", async () => {
    const again = await boot(pager, { until: READY });
    const { wallMs: _wall, mips: _mips, ...first } = booted.get(pager)?.report ?? ({} as BootReport);
    expect(again.report).toMatchObject(first);
    expect(again.console).toBe(booted.get(pager)?.console);
  });

  it("runs a script of processes, pipes, randomness and compression", async () => {
    const { report, console } = await boot(pager, { until: DONE, script: SCRIPT });
    expect(console).toMatch(/^SAME\r?$/m);
    expect(console).toMatch(/model name\s*: Pentium II \(Deschutes\)/);
    expect(console).toMatch(/^[0-9a-f]{64} {2}\/f\r?$/m);
    expect(report).toMatchObject({ reached: true, audit: { violations: 0 } });
  });
});

describe("a guest that switches itself off", () => {
  it("ends as halted, by way of ACPI", async () => {
    const { report } = await boot("vtlb", { until: /never/, script: "cat /proc/interrupts; poweroff -f" });
    expect(report).toMatchObject({ status: "halted", reason: expect.stringMatching(/switched itself off/) });
  });
});

describe("the two pagers", () => {
  it("give the guest the same instructions, time, memory and console", () => {
    const [bare, vtlb] = PAGERS.map((pager) => booted.get(pager) as Boot);
    expect(bare?.console).toBe(vtlb?.console);
    for (const figure of ["instructions", "virtualMs", "memoryHash"] as const)
      expect(bare?.report[figure]).toBe(vtlb?.report[figure]);
    expect(vtlb?.report.exits["pageFault"]).toBeGreaterThan(1000);
    expect(bare?.report.exits["pageFault"]).toBe(0);
  });
});

describe("a boot that is cut short", () => {
  it("stops at exactly the instruction asked for, not reached", async () => {
    const { report } = await boot("vtlb", { until: READY, maxInstructions: 60_000_001 });
    expect(report).toMatchObject({ reached: false, status: "budget", instructions: 60_000_001 });
    expect(report.memoryHash).toMatch(/^[0-9a-f]{64}$/);
  });
});
