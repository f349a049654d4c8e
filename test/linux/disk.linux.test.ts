import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bootReport, runBoot } from "../../scenarios/support/boot.ts";
import { drivesOf, modulesFor } from "../../scenarios/support/disks.ts";
import { linuxGuest } from "../../scenarios/support/linux.ts";
import { createMachine } from "../../src/vm/machine.ts";
import type { Vm } from "../../src/vm/vm.ts";

const MIB = 2 ** 20;
const TEXT = "kept from one machine to the next";

let directory = "";
let image = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "umbra-disk-"));
  image = join(directory, "image");
  writeFileSync(image, "");
  truncateSync(image, 16 * MIB);
  const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
  execFileSync("mke2fs", ["-q", "-t", "ext4", image], { env });
});
afterAll(() => rmSync(directory, { recursive: true }));

type Flags = Parameters<typeof drivesOf>[0];

async function create(pager: "vtlb" | "kvm", script: string, flags: Flags): Promise<Vm> {
  const drives = drivesOf(flags);
  const { boot, cpu } = await linuxGuest({ script }, { keepShell: false, modules: modulesFor(drives) });
  const machine = createMachine({ memoryMiB: 160, cpu });
  return machine.createVm({ name: "linux", pager, boot, apic: true, ...drives });
}

async function run(vm: Vm, until: RegExp) {
  const outcome = await runBoot(vm, { until, auditExits: 20_000, maxInstructions: 5e9 });
  return bootReport(vm, outcome.reached, outcome);
}

/** Ends the guest when one of its lines fails. */
const script = (...lines: string[]): string => ["set -e", "mkdir /mnt", ...lines].join("\n");

test("Linux writes a file to an IDE disk, and switches off", async () => {
  const work = ["mount -t ext4 /dev/sda /mnt", `echo ${TEXT} >/mnt/note`, "umount /mnt", "poweroff -f"];
  const report = await run(await create("vtlb", script(...work), { disk: [`${image},write`] }), /UMBRA-DONE/);
  expect(report).toMatchObject({
    reached: false,
    status: "halted",
    reason: expect.stringMatching(/switched itself off/),
    audit: { violations: 0, examples: [] },
  });
});

test("and finds it on a virtio disk under kvm; a virtio console gives it what is typed", async () => {
  const work = [
    "mount -t ext4 -o ro /dev/vda /mnt",
    "cat /mnt/note",
    "exec 3<>/dev/hvc0",
    "echo AWAITS",
    "read -r line <&3",
    'echo "heard $line" >&3',
  ];
  const vm = await create("kvm", script(...work), {
    disk: [`${image},if=virtio`],
    "virtio-console": true,
  });
  expect(await run(vm, /^AWAITS/m)).toMatchObject({ reached: true });
  expect(vm.console.text).toMatch(new RegExp(`^${TEXT}\r?$`, "m"));
  vm.console.write("a word\n");
  expect(await run(vm, /UMBRA-DONE rc=0/)).toMatchObject({
    reached: true,
    audit: { violations: 0, examples: [] },
  });
  expect(vm.console.text).toMatch(/^heard a word\r?$/m);
  expect(vm.devices.virtio?.functions.map(({ transport }) => transport.isLive)).toEqual([true, true]);
});
