import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LinuxFlags } from "../../scenarios/support/linux.ts";
import { linuxGuest } from "../../scenarios/support/linux.ts";
import { createMachine } from "../../src/vm/machine.ts";
import { elfImage } from "../guest/images.ts";
import { KERNEL_GPA, tinyKernel } from "./tiny-kernel.ts";

let folder = "";
const file = (name: string) => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "umbra-images-"));
  const kernel = tinyKernel();
  const segments = [{ gpa: KERNEL_GPA, content: kernel }];
  writeFileSync(file("kernel"), kernel);
  writeFileSync(file("empty"), "");
  writeFileSync(file("text"), "#!/bin/sh\necho no kernel\n".repeat(100));
  writeFileSync(file("truncated-header"), kernel.subarray(0, 600));
  writeFileSync(file("truncated"), kernel.subarray(0, kernel.length - 40));
  writeFileSync(file("amd64"), elfImage(KERNEL_GPA, segments, { class: 2, machine: 62 }));
  writeFileSync(file("arm"), elfImage(KERNEL_GPA, segments, { machine: 40 }));
  writeFileSync(file("elf"), elfImage(KERNEL_GPA, segments));
  writeFileSync(file("initrd"), new Uint8Array(4096));
  writeFileSync(file("large-initrd"), new Uint8Array(40 << 20));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A machine with a vm that greets; then the guest of the flags beside it. Returns what went wrong. */
async function complaint(flags: LinuxFlags): Promise<Error | undefined> {
  const images = { kernel: file("kernel"), initrd: file("initrd") };
  const machine = createMachine({ memoryMiB: 80 });
  const options = { pager: "vtlb", memoryMiB: 32 } as const;
  const good = await linuxGuest(images, { keepShell: false });
  const beside = machine.createVm({ ...options, name: "beside", boot: good.boot });
  const free = machine.frames.freeFrames;
  let wrong: Error | undefined;
  try {
    const bad = await linuxGuest({ ...images, ...flags }, { keepShell: false });
    machine.createVm({ ...options, name: "bad", boot: bad.boot });
  } catch (error) {
    wrong = error as Error;
  }
  expect(machine.frames.freeFrames).toBe(free);
  expect(beside.run({ until: /tiny kernel/, budget: 100_000 }).status).toBe("until");
  return wrong;
}

describe("boot-linux refuses, in one line, and harms no vm beside it:", () => {
  it.each([
    ["a kernel that is not there", { kernel: "nowhere" }, "GuestImageError", /Cannot read the kernel/],
    ["a folder as kernel", { kernel: "." }, "GuestImageError", /it is a directory/],
    ["an empty kernel", { kernel: "empty" }, "GuestImageError", /0 bytes long/],
    ["a text as kernel", { kernel: "text" }, "GuestImageError", /not a bzImage/],
    ["a kernel cut off in its header", { kernel: "truncated-header" }, "GuestImageError", /ends inside/],
    ["a kernel cut off in its payload", { kernel: "truncated" }, "GuestImageError", /kernel|payload/],
    [
      "an ELF for amd64",
      { kernel: "amd64" },
      "GuestImageError",
      /ELF image for .*but this machine is an i386/,
    ],
    ["an ELF for ARM", { kernel: "arm" }, "GuestImageError", /ELF image for .*but this machine is an i386/],
    ["an ELF without a Multiboot header", { kernel: "elf" }, "GuestImageError", /no Multiboot header/],
    ["an initrd that is not there", { initrd: "nowhere" }, "GuestImageError", /Cannot read the initrd/],
    [
      "an initrd larger than memory",
      { initrd: "large-initrd" },
      "GuestImageError",
      /initrd \(40.0 MiB\) does not fit/,
    ],
    ["a script with an initrd", { script: "ls" }, "UsageError", /leave --initrd out/],
    [
      "a script that is not there",
      { script: "@nowhere", initrd: undefined },
      "UsageError",
      /cannot read nowhere/,
    ],
    ["an unpacker that nobody knows", { unpack: "both" }, "UsageError", /--unpack takes host or guest/],
    [
      "too long a command line",
      { append: "x".repeat(5000) },
      "GuestImageError",
      /command line has 5000 bytes/,
    ],
  ])("%s", async (_, flags, name, message) => {
    const paths = Object.fromEntries(
      Object.entries(flags).map(([flag, value]) => [
        flag,
        ["kernel", "initrd"].includes(flag) && value ? file(value) : value,
      ]),
    );
    const error = await complaint(paths);
    expect(error?.name).toBe(name);
    expect(error?.message).toMatch(message);
    expect(error?.message).not.toContain("\n");
  });
});
