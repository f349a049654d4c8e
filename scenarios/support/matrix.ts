/** One boot of Debian's Linux out of many: which kernel, how many processors, which disk, under which pager; and whether all agree. */
import { POWERED_OFF } from "../../src/devices/acpi-pm.ts";
import { MemoryDisk } from "../../src/disk/index.ts";
import type { DebianFlavour } from "../../src/guest/debian/fetch.ts";
import { DONE_MARK } from "../../src/guest/initramfs/init-script.ts";
import type { PagerName } from "../../src/mmu/pager.ts";
import { createMachine } from "../../src/vm/machine.ts";
import { runBoot } from "./boot.ts";
import { modulesFor } from "./disks.ts";
import { linuxGuest } from "./linux.ts";

export const CELL_DISKS = ["none", "ide", "virtio"] as const;
export type CellDisk = (typeof CELL_DISKS)[number];

/** What is the same for every pager. */
export interface Setting {
  readonly guest: DebianFlavour;
  readonly cpus: number;
  readonly disk: CellDisk;
}

export interface Cell extends Setting {
  readonly pager: PagerName;
}

export interface CellResult {
  readonly cell: Cell;
  /** What went wrong, in words; undefined: all went well. */
  readonly problem: string | undefined;
  /** When the script had ended, before the guest switched itself off. */
  readonly instructions: number;
  readonly virtualMs: number;
  /** SHA-256 of guest memory. */
  readonly memoryHash: string;
  /** All of it. */
  readonly wallMs: number;
}

const MEMORY_MIB = 128;
const MACHINE_MIB = 160;
const DISK_BYTES = 4 * 2 ** 20;
const AUDIT_EXITS = 50_000;
const MAX_INSTRUCTIONS = 8e9;

/** Something for every processor to do, and for the disk: a file system is made, and a file on it written and read again from the disk. */
function scriptFor({ cpus, disk }: Setting): string {
  const lines = [
    "set -e",
    "echo processors $(nproc)",
    "head -c 400000 /bin/busybox >/piece",
    `for n in $(seq ${cpus}); do sha256sum /piece & done >/sums; wait`,
    "[ $(sort -u /sums | wc -l) = 1 ]",
  ];
  const device = disk === "ide" ? "/dev/sda" : "/dev/vda";
  const write = [
    "mkdir /mnt",
    `mke2fs -F ${device} >/dev/null`,
    `mount ${device} /mnt`,
    "cp /piece /mnt/copy",
    "umount /mnt",
    `mount -o ro ${device} /mnt`,
    "cmp /piece /mnt/copy",
    "umount /mnt",
  ];
  return [...lines, ...(disk === "none" ? [] : write)].join("\n");
}

/** Boots, works, and switches off; the pager is audited on the way. @throws GuestFetchError */
export async function runCell(cell: Cell): Promise<CellResult> {
  const disk = new MemoryDisk(new Uint8Array(DISK_BYTES));
  const drives = {
    disks: cell.disk === "ide" ? [disk] : [],
    virtioDisks: cell.disk === "virtio" ? [{ disk }] : [],
    virtioConsole: false,
  };
  const { boot, cpu } = await linuxGuest(
    { script: scriptFor(cell), guest: cell.guest },
    { keepShell: false, modules: modulesFor(drives) },
  );
  const machine = createMachine({ memoryMiB: MACHINE_MIB, cpu });
  const vm = machine.createVm({
    name: "linux",
    pager: cell.pager,
    memoryMiB: MEMORY_MIB,
    apic: true,
    cpus: cell.cpus,
    boot,
    ...drives,
  });
  const options = { auditExits: AUDIT_EXITS, maxInstructions: MAX_INSTRUCTIONS };
  const worked = await runBoot(vm, { ...options, until: new RegExp(`${DONE_MARK} rc=\\d+\\s`) });
  const { instructions, virtualNs } = worked.result;
  const memoryHash = vm.reason === undefined ? vm.memoryHash() : "";
  const off = vm.reason === undefined ? await runBoot(vm, options) : worked;
  const rightAway = [
    worked.reached ? undefined : `the script's end was never shown (${worked.result.status})`,
    vm.console.text.includes(`${DONE_MARK} rc=0`) ? undefined : "the script failed",
    new RegExp(`^processors ${cell.cpus}\\r?$`, "m").test(vm.console.text)
      ? undefined
      : "processors are missing",
    off.result.reason === POWERED_OFF ? undefined : `it did not switch off (${off.result.status})`,
    worked.audits.violations + off.audits.violations === 0 ? undefined : "audits found violations",
  ];
  return {
    cell,
    problem: rightAway.find((problem) => problem !== undefined),
    instructions,
    virtualMs: virtualNs / 1e6,
    memoryHash,
    wallMs: Math.round(worked.wallMs + off.wallMs),
  };
}

/** Where results of one setting are not the same in instructions, time and memory; one line each. */
export function disagreements(results: readonly CellResult[]): string[] {
  const lines: string[] = [];
  const firsts = new Map<string, CellResult>();
  for (const result of results) {
    const { guest, cpus, disk, pager } = result.cell;
    const setting = `${guest}, ${cpus} processors, disk ${disk}`;
    const first = firsts.get(setting);
    if (first === undefined) firsts.set(setting, result);
    else
      for (const figure of ["instructions", "virtualMs", "memoryHash"] as const)
        if (result[figure] !== first[figure])
          lines.push(
            `${setting}: ${figure} is ${first[figure]} under ${first.cell.pager} and ${result[figure]} under ${pager}`,
          );
  }
  return lines;
}
