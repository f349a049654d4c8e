import { describe, expect, test } from "vitest";
import { bootProgram, GuestBuilder, mem32, placeRom } from "../../src/guest/index.ts";
import { createMachine } from "../../src/vm/machine.ts";
import type { VmOptions } from "../../src/vm/options.ts";

const PAGERS = ["bare", "vtlb", "kvm"] as const;
const ROM_AT = 0xd0000;
const PAGE = 4096;

/** OUT 0xf4 of a byte, then HLT. */
const exitWith = (g: GuestBuilder): GuestBuilder => g.out(0xf4, "al").hlt();

function run(options: Pick<VmOptions, "pager" | "boot"> & Partial<VmOptions>) {
  const machine = createMachine({ memoryMiB: 32 });
  const vm = machine.createVm({ name: "g", memoryMiB: 8, ...options });
  return { machine, vm, result: vm.run({ maxInstructions: 100_000 }) };
}

describe.each(PAGERS)("ROM under %s", (pager) => {
  test("is read, run, and not changed by stores, strings, locked instructions and page tables' bits", () => {
    const rom = new Uint8Array(PAGE).fill(0x90);
    rom.set([0xb8, 0x07, 0, 0, 0, 0xc3]); // MOV EAX, 7; RET
    const g = new GuestBuilder({ origin: 0x100000 });
    g.mov("esp", 0x90000).mov("ebx", ROM_AT);
    g.mov(mem32("ebx"), 0).lock().xadd(mem32("ebx"), "ecx");
    g.plain("cld").mov("edi", ROM_AT).mov("ecx", 16).mov("eax", -1).string("stos", 32, "rep");
    g.mov("eax", ROM_AT).call("eax");
    exitWith(g);
    const { vm, result } = run({ pager, boot: bootProgram(g.build()), roms: [{ gpa: ROM_AT, bytes: rom }] });
    expect(result).toMatchObject({ status: "exited", exitCode: 15 });
    expect(vm.exitCode).toBe(15);
  });

  test("gives its frames back as RAM", () => {
    const g = exitWith(new GuestBuilder({ origin: 0x100000 }).mov("eax", 0));
    const rom = { gpa: ROM_AT, bytes: new Uint8Array(PAGE) };
    const { machine } = run({ pager, boot: bootProgram(g.build()), roms: [rom] });
    expect(machine.memory.readOnly.every((flag) => flag === 0)).toBe(true);
    expect(machine.frames.heldBy("g")).toBe(0);
  });

  test("begins at F000:FFF0 when it is a BIOS, and sees itself in both places", () => {
    const bios = new Uint8Array(0x40000).fill(0xf4);
    // JMP FAR F000:E000 in the top copy; there: compare a byte of both copies' last pages, exit.
    bios.set([0xea, 0x00, 0xe0, 0x00, 0xf0], 0x3fff0);
    bios.set([0x2e, 0xa0, 0x10, 0xe0, 0xe6, 0xf4, 0xf4], 0x3e000); // MOV AL, CS:[E010]; OUT F4, AL; HLT
    bios[0x3e010] = 0x21;
    const roms = placeRom(bios, undefined, 8 << 20);
    expect(roms.map(({ gpa, bytes }) => [gpa, bytes.length])).toEqual([
      [0xfffc0000, 0x40000],
      [0xe0000, 0x20000],
    ]);
    expect(run({ pager, boot: () => {}, roms }).result).toMatchObject({ status: "exited", exitCode: 0x43 });
  });
});

test("video memory is plain memory, and the screen is its text", () => {
  const g = new GuestBuilder({ origin: 0x100000 }).mov("eax", 0x07_42_07_41).mov("ebx", 0xb8000 + 160);
  exitWith(g.mov(mem32("ebx"), "eax"));
  const { vm } = run({ pager: "kvm", boot: bootProgram(g.build()), vga: true });
  expect(vm.screen?.slice(0, 3)).toEqual(["", "AB", ""]);
  expect(run({ pager: "kvm", boot: bootProgram(g.build()) }).vm.screen).toBeUndefined();
});

describe("a ROM image that cannot be", () => {
  const page = new Uint8Array(PAGE);
  test.each([
    ["empty", new Uint8Array(0), undefined, /is empty/],
    ["of odd size", new Uint8Array(1000), undefined, /1000 bytes, which is no multiple of 4096/],
    ["too large", new Uint8Array(17 << 20), undefined, /16 MiB are the most/],
    ["not at a page", page, 0xd0010, /choose a multiple of 4096/],
    ["in RAM", page, 0x8000, /ROM lies between 0xa0000 and 0x100000, or behind the guest's memory/],
    ["beyond 4 GiB", new Uint8Array(2 * PAGE), 0xfffff000, /below 4 GiB/],
  ] as const)("is refused in words: %s", (_, bytes, at, words) => {
    expect(() => placeRom(bytes, at, 8 << 20)).toThrow(words);
  });
  test("also by createVm, which then keeps nothing", () => {
    const machine = createMachine({ memoryMiB: 32 });
    const free = machine.frames.freeFrames;
    const make = (roms: VmOptions["roms"]) => () =>
      machine.createVm({ name: "g", pager: "bare", memoryMiB: 8, boot: () => {}, roms: roms ?? [] });
    expect(make([{ gpa: 0x8000, bytes: page }])).toThrow(
      /a ROM image cannot be at 0x8000: .* is backed already/,
    );
    expect(make([{ gpa: 0xd0001, bytes: page }])).toThrow(/multiples of 4096/);
    expect(machine.frames.freeFrames).toBe(free);
  });
});
