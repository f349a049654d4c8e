/** Linux with disks, and disks that a guest makes: nothing of the host's is needed to make a file system. */
import { truncateSync, writeFileSync } from "node:fs";
import { type BootReport, bootReport, runBoot } from "../../../scenarios/support/boot.ts";
import {
  closeDrives,
  type DiskFlags,
  drivesOf,
  modulesFor,
  rootDevice,
} from "../../../scenarios/support/disks.ts";
import { linuxGuest } from "../../../scenarios/support/linux.ts";
import { createMachine } from "../../../src/vm/machine.ts";
import type { VmOptions } from "../../../src/vm/options.ts";
import type { Vm } from "../../../src/vm/vm.ts";

const MIB = 2 ** 20;
const AUDIT_EXITS = 20_000;

export interface DiskGuest extends Partial<VmOptions> {
  readonly guest?: "686" | "686-pae";
  readonly flags: DiskFlags & { readonly root?: string };
  readonly script?: string;
  /** Default: when it has switched itself off. */
  readonly until?: RegExp;
}

/** Boots it, and tells how that ended. */
export async function runDiskGuest(options: DiskGuest): Promise<{ vm: Vm; report: BootReport }> {
  const { guest, flags, script, until = /^$/, ...vmOptions } = options;
  const drives = drivesOf(flags);
  try {
    const { boot, cpu } = await linuxGuest(
      { ...(guest && { guest }), ...(script !== undefined && { script }) },
      { keepShell: false, modules: modulesFor(drives), root: rootDevice(flags) },
    );
    const machine = createMachine({ memoryMiB: 160, cpu });
    const vm = machine.createVm({ name: "linux", pager: "bare", boot, apic: true, ...drives, ...vmOptions });
    const outcome = await runBoot(vm, { until, auditExits: AUDIT_EXITS, maxInstructions: 5e9 });
    return { vm, report: bootReport(vm, outcome.reached, outcome) };
  } finally {
    closeDrives(drives);
  }
}

export const SWITCHED_OFF = {
  status: "halted",
  reason: "the guest has switched itself off (ACPI S5)",
  audit: { violations: 0, examples: [] },
};

/** An image of zeros. */
export function blankImage(path: string, mib: number): void {
  writeFileSync(path, "");
  truncateSync(path, mib * MIB);
}

/**
 * A file system with busybox and what makes a small system of it: each boot counts itself, checks a file of random bytes, and tells of both; the second one
 * switches off, the first one reboots.
 */
const ROOT_FILES = [
  "set -e",
  "mke2fs -F /dev/vda >/dev/null",
  "mkdir /mnt",
  "mount /dev/vda /mnt",
  "cd /mnt",
  "mkdir bin sbin etc proc sys dev",
  "cp /bin/busybox bin/busybox",
  "chroot /mnt /bin/busybox --install -s /bin",
  "ln -s /bin/busybox sbin/init",
  "dd if=/dev/urandom of=random bs=64k count=16 2>/dev/null",
  "sha256sum random >etc/sums",
  "cat >etc/inittab <<'END'",
  "::sysinit:/etc/rc",
  "::shutdown:/bin/umount -a -r",
  "END",
  "cat >etc/rc <<'END'",
  "#!/bin/sh",
  "echo boot >>/boots",
  "n=$(wc -l </boots)",
  "mount -t sysfs sys /sys 2>/dev/null; cat /sys/class/ata_device/dev1.0/dma_mode",
  `echo "BOOT $n, root $(awk '$2 == "/" && $3 ~ /ext/ { print $1, substr($4, 1, 2) }' /proc/mounts), $(nproc) processors"`,
  "cd / && sha256sum -c /etc/sums",
  "if [ $n -lt 2 ]; then reboot; else poweroff; fi",
  "END",
  "chmod +x etc/rc",
  "cd /",
  "umount /mnt",
  "poweroff -f",
].join("\n");

/** Has a guest make an image with a root file system at `path`. */
export async function makeRootImage(path: string): Promise<BootReport> {
  blankImage(path, 16);
  const { report } = await runDiskGuest({ flags: { disk: [`${path},write,if=virtio`] }, script: ROOT_FILES });
  return report;
}
