import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DebianGuest, fetchDebianGuest } from "../../../src/guest/debian/fetch.ts";
import { isElf } from "../../../src/guest/elf.ts";
import { buildInitramfs, type InitramfsOptions } from "../../../src/guest/initramfs/initramfs.ts";
import { loadLinux } from "../../../src/guest/linux/loader.ts";
import { unpackKernel } from "../../../src/guest/linux/unpack.ts";
import { unpackKernelCached } from "../../../src/guest/linux/unpack-cache.ts";
import { TestMemory } from "../memory.ts";

const QEMU = "qemu-system-i386";
const hasQemu = spawnSync(QEMU, ["--version"]).status === 0;

describe("Debian's own kernel and busybox", () => {
  let guest: DebianGuest;
  let kernel: Uint8Array;
  beforeAll(async () => {
    guest = await fetchDebianGuest();
    kernel = readFileSync(guest.kernelPath);
  });

  it("are what the manifest says", () => {
    const { manifest } = guest;
    expect(createHash("sha256").update(kernel).digest("hex")).toBe(manifest.kernel.sha256);
    expect(manifest.kernelRelease).toMatch(/^\d+\.\d+\.\d+-\d+-686$/);
    expect(isElf(readFileSync(guest.busyboxPath))).toBe(true);
  });

  it("unpack on the host to the image that the cache keeps", () => {
    const elf = unpackKernel(kernel);
    expect(Buffer.compare(unpackKernelCached(kernel, guest.unpackedDirectory).elf, elf)).toBe(0);
  });

  it("load into 64 MiB either way", () => {
    for (const unpack of ["host", "guest"] as const) {
      const initrd = buildInitramfs({ busybox: readFileSync(guest.busyboxPath) });
      const loaded = loadLinux(new TestMemory(64), { kernel, initrd, commandLine: "console=ttyS0", unpack });
      expect(loaded.kernelVersion).toContain(guest.manifest.kernelRelease);
      expect(loaded.entry.eip).toBe(unpack === "host" ? 0x1000000 : 0x100000);
    }
  });

  describe.skipIf(!hasQemu)("boot on another machine (QEMU)", () => {
    let directory: string;
    beforeAll(() => {
      directory = mkdtempSync(join(tmpdir(), "umbra-qemu-"));
    });
    afterAll(() => rmSync(directory, { recursive: true }));

    /** The console's output; `input` is typed once the shell has given its prompt. */
    async function boot(options: Omit<InitramfsOptions, "busybox">, input = ""): Promise<string> {
      const initrd = join(directory, "initrd");
      writeFileSync(initrd, buildInitramfs({ busybox: readFileSync(guest.busyboxPath), ...options }));
      const append = "console=ttyS0 nokaslr cryptomgr.notests quiet";
      const args = ["-kernel", guest.kernelPath, "-initrd", initrd, "-append", append];
      args.push("-nographic", "-no-reboot", "-m", "128", "-cpu", "pentium2", "-net", "none");
      const qemu = spawn(QEMU, args, { stdio: ["pipe", "pipe", "ignore"], timeout: 120_000 });
      let output = "";
      let isTyped = false;
      qemu.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString("latin1");
        if (isTyped || !output.includes("umbra:~#")) return;
        isTyped = true;
        qemu.stdin.write(input);
      });
      await once(qemu, "close");
      return output;
    }

    it("to user space, run the script, report its status and switch off", async () => {
      const output = await boot({
        script: "echo 6 7 | awk '{print $1 * $2}'\ntest -c /dev/urandom && test -d /proc/1 && exit 3",
      });
      expect(output).toMatch(/UMBRA-READY\s+42\s+UMBRA-DONE rc=3/);
    });

    it("to a shell on the console with a controlling terminal", async () => {
      const output = await boot({}, "sleep 100 &\njobs; tty; kill %1\nexit\n");
      expect(output).toContain("UMBRA-READY");
      expect(output).toMatch(/\[1\]\+ {2}Running +sleep 100/);
      expect(output).toContain("/dev/ttyS0");
      expect(output).not.toContain("job control turned off");
    });
  });
});
