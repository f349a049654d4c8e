import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeRootImage, runDiskGuest, SWITCHED_OFF } from "./support/disk-guests.ts";

let directory = "";
let image = "";
let contents = Buffer.alloc(0);

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "umbra-root-"));
  image = join(directory, "root");
  expect(await makeRootImage(image)).toMatchObject(SWITCHED_OFF);
  contents = readFileSync(image);
});
afterAll(() => rmSync(directory, { recursive: true }));

const boots = (text: string) => [...text.matchAll(/^BOOT .*?(?=\r?$)/gm)].map(([line]) => line);

describe("a root file system", () => {
  it.each([
    ["IDE", "ide", "686-pae", "kvm", 2],
    ["IDE", "ide", "686", "vtlb", 1],
    ["IDE", "ide", "686", "bare", 1],
    ["virtio", "virtio", "686", "vtlb", 1],
  ] as const)(
    "on %s (%s, %s, %s) mounts, survives a reboot, and is kept in an overlay",
    async (_, bus, guest, pager, cpus) => {
      const overlay = join(directory, `${bus}-${pager}.overlay`);
      const flags = { disk: [`${image},if=${bus},overlay=${overlay}`], root: "" };
      const device = bus === "ide" ? "/dev/sda" : "/dev/vda";
      const { vm, report } = await runDiskGuest({ guest, pager, cpus, flags, reboots: 1 });
      expect(report).toMatchObject({ ...SWITCHED_OFF, restarts: 1 });
      const { text } = vm.console;
      const line = (n: number) => `BOOT ${n}, root ${device} rw, ${cpus} processors`;
      expect(boots(text)).toEqual([line(1), line(2)]);
      const dma = bus === "ide" ? ["XFER_UDMA_2", "XFER_UDMA_2"] : [];
      expect([...text.matchAll(/^XFER_\w+/gm)].map(([mode]) => mode)).toEqual(dma);
      expect(text.match(/^random: OK\r?$/gm)).toHaveLength(2);
      expect(text).not.toMatch(/EXT4-fs.*(error|recovery)|I\/O error/);
      expect(readFileSync(image).equals(contents)).toBe(true);
    },
  );

  it("has what a guest on IDE has left there for a guest on virtio, where a script runs", async () => {
    const flags = { disk: [`${image},if=virtio,overlay=${join(directory, "ide-kvm.overlay")}`], root: "" };
    const { vm, report } = await runDiskGuest({
      flags,
      script: "cat /boots; ls -l /sbin/init; ls /dev/umbra",
    });
    expect(report).toMatchObject(SWITCHED_OFF);
    expect(vm.console.text).toMatch(/^boot\r?\nboot\r?\n.* \/sbin\/init -> \/bin\/busybox\r?\nbin/m);
    expect(vm.console.text).toMatch(/^UMBRA-DONE rc=0\r?$/m);
  });
});
