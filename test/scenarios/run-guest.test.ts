import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ImageFlags, imageGuest } from "../../scenarios/support/images.ts";
import { postCodeOf } from "../../scenarios/support/post-codes.ts";
import { createMachine } from "../../src/vm/machine.ts";
import { elfImage } from "../guest/images.ts";

const MEMORY_MIB = 8;
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "umbra-guests-"));
  const write = (name: string, bytes: Uint8Array) => writeFileSync(join(folder, name), bytes);
  write("rom", new Uint8Array(0x10000));
  write("odd", new Uint8Array(0x10001));
  write("empty", new Uint8Array(0));
  write("elf", elfImage(0x100000, [{ gpa: 0x100000, content: Uint8Array.of(0xf4) }]));
  // A Multiboot header whose addresses load the file at 1 MiB and enter it behind the header.
  const header = [0x1badb002, 0x10000, -(0x1badb002 + 0x10000), 0x100000, 0x100000, 0, 0, 0x100020];
  const kernel = new Uint8Array(0x40).fill(0xf4);
  new Int32Array(kernel.buffer).set(header);
  write("kernel", kernel);
  write("large", new Uint8Array(MEMORY_MIB << 20));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What making a vm of these flags says, file names being those of the folder. */
function complaint(flags: ImageFlags): Error | undefined {
  const inFolder = (text: string) => join(folder, text);
  const { multiboot, flat, rom, module, ...others } = flags;
  const machine = createMachine({ memoryMiB: 32 });
  const free = machine.frames.freeFrames;
  try {
    const images = imageGuest(
      {
        ...others,
        ...(multiboot !== undefined && { multiboot: inFolder(multiboot) }),
        ...(flat !== undefined && { flat: inFolder(flat) }),
        ...(rom !== undefined && { rom: rom.map(inFolder) }),
        ...(module !== undefined && { module: module.map(inFolder) }),
      },
      MEMORY_MIB,
    );
    machine.createVm({ name: "guest", pager: "vtlb", memoryMiB: MEMORY_MIB, ...images });
    return undefined;
  } catch (error) {
    expect(machine.frames.freeFrames).toBe(free);
    return error as Error;
  }
}

describe("run-guest", () => {
  it.each<[string, ImageFlags]>([
    ["a BIOS", { rom: ["rom"] }],
    ["a Multiboot kernel with a ROM beside it", { multiboot: "kernel", rom: ["rom@0xd0000"] }],
    ["a Multiboot kernel with a module", { multiboot: "kernel", module: ["rom=first second"] }],
    ["a boot sector", { flat: "rom@0x7c00" }],
  ])("takes %s", (_, flags) => {
    expect(complaint(flags)).toBeUndefined();
  });

  it.each<[string, ImageFlags, string, RegExp]>([
    ["nothing to run", {}, "UsageError", /nothing to run: give --disk FILE/],
    ["a ROM that is not there", { rom: ["nowhere"] }, "GuestImageError", /Cannot read the ROM image/],
    ["an empty ROM", { rom: ["empty"] }, "GuestImageError", /empty|0 bytes/],
    ["a ROM of odd size", { rom: ["odd"] }, "GuestImageError", /65537 bytes, which is no multiple of 4096/],
    ["a ROM inside RAM", { rom: ["rom@0x100000"] }, "GuestImageError", /cannot be from 0x100000/],
    ["a ROM elsewhere alone", { rom: ["rom@0xd0000"] }, "UsageError", /no --rom lies at the reset vector/],
    ["ROMs that overlap", { rom: ["rom", "rom@0xf0000"] }, "UsageError", /two --rom images overlap/],
    ["a ROM at no address", { rom: ["rom@high"] }, "UsageError", /--rom takes an address/],
    ["a kernel without the magic number", { multiboot: "elf" }, "GuestImageError", /no Multiboot header/],
    [
      "a module that does not fit",
      { multiboot: "kernel", module: ["large"] },
      "GuestImageError",
      /Module 0 .*does not fit/,
    ],
    ["a module for no kernel", { rom: ["rom"], module: ["rom"] }, "UsageError", /for a --multiboot kernel/],
    ["two things to run", { multiboot: "kernel", flat: "rom@0x7c00" }, "UsageError", /leave one of them out/],
    ["a raw binary at no address", { flat: "rom" }, "UsageError", /--flat takes FILE@ADDR/],
    ["a mode that nobody knows", { flat: "rom@0x7c00", mode: "virtual" }, "UsageError", /real, protected/],
  ])("refuses %s in one line, and keeps nothing", (_, flags, name, message) => {
    const error = complaint(flags);
    expect(error?.name).toBe(name);
    expect(error?.message).toMatch(message);
    expect(error?.message).not.toContain("\n");
  });
});

describe("the end post=", () => {
  it("is a code of one or two hexadecimal digits; another end is none", () => {
    expect(["post=fF", "post=7", "post=0x0E", "halt"].map(postCodeOf)).toEqual([255, 7, 14, undefined]);
  });
  it.each(["post=", "post=100", "post=G"])("refuses %s in one line", (text) => {
    expect(() => postCodeOf(text)).toThrow(/^--exit-on post= takes a hexadecimal code from 00 to FF.*$/);
  });
});
