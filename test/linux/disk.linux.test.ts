import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bootReport, runBoot } from "../../scenarios/support/boot.ts";
import { drivesOf, modulesFor } from "../../scenarios/support/disks.ts";
import { linuxGuest } from "../../scenarios/support/linux.ts";
import { createMachine } from "../../src/vm/machine.ts";
import { blankImage, runDiskGuest, SWITCHED_OFF } from "./support/disk-guests.ts";

const TEXT = "kept from one machine to the next";

let directory = "";
let image = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "umbra-disk-"));
  image = join(directory, "image");
  blankImage(image, 16);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Ends the guest when one of its lines fails. */
const script = (...lines: string[]): string => ["set -e", "mkdir /mnt", ...lines].join("\n");

test("Linux makes a file system on an IDE disk, writes a file to it, and switches off", async () => {
  const work = [
    "mke2fs -F /dev/sda",
    "mount /dev/sda /mnt",
    `echo ${TEXT} >/mnt/note`,
    "umount /mnt",
    "poweroff -f",
  ];
  const flags = { disk: [`${image},write`] };
  const { vm, report } = await runDiskGuest({
    pager: "vtlb",
    flags,
    script: script(...work),
    until: /UMBRA-DONE/,
  });
  expect(report).toMatchObject({ ...SWITCHED_OFF, reached: false });
  expect(vm.console.text).not.toMatch(/I\/O error/);
});

test("and finds it on a virtio disk under kvm; a virtio console gives it what is typed", async () => {
  const work = [
    "mount -o ro /dev/vda /mnt",
    "cat /mnt/note",
    "exec 3<>/dev/hvc0",
    "echo AWAITS",
    "read -r line <&3",
    'echo "heard $line" >&3',
  ];
  const drives = drivesOf({ disk: [`${image},if=virtio`], "virtio-console": true });
  const options = { keepShell: false, modules: modulesFor(drives) };
  const { boot, cpu } = await linuxGuest({ script: script(...work) }, options);
  const machine = createMachine({ memoryMiB: 160, cpu });
  const vm = machine.createVm({ name: "linux", pager: "kvm", boot, apic: true, ...drives });
  const run = async (until: RegExp) => {
    const outcome = await runBoot(vm, { until, auditExits: 20_000, maxInstructions: 5e9 });
    return bootReport(vm, outcome.reached, outcome);
  };
  expect(await run(/^AWAITS/m)).toMatchObject({ reached: true });
  expect(vm.console.text).toMatch(new RegExp(`^${TEXT}\r?$`, "m"));
  vm.console.write("a word\n");
  expect(await run(/UMBRA-DONE rc=0/)).toMatchObject({
    reached: true,
    audit: { violations: 0, examples: [] },
  });
  expect(vm.console.text).toMatch(/^heard a word\r?$/m);
  expect(vm.devices.virtio?.functions.map(({ transport }) => transport.isLive)).toEqual([true, true]);
});
