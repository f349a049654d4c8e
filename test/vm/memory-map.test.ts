import { describe, expect, test } from "vitest";
import { bootProgram, GuestBuilder, mem8, mem32 } from "../../src/guest/index.ts";
import { createMachine } from "../../src/vm/machine.ts";
import type { VmOptions } from "../../src/vm/options.ts";

const PAGERS = ["bare", "vtlb", "kvm"] as const;
const PORT92 = 0x92;

/** What the guest sends to port 0xe9 until it halts, and whether the pager's audit and the machine's frames are in order. */
function sent(g: GuestBuilder, options: Pick<VmOptions, "pager"> & Partial<VmOptions>): number[] {
  const machine = createMachine({ memoryMiB: 32 });
  const free = machine.frames.freeFrames;
  const vm = machine.createVm({ name: "g", memoryMiB: 8, boot: bootProgram(g.build()), ...options });
  let bytes: number[] = [];
  vm.on("console", (more) => {
    bytes = [...bytes, ...more];
  });
  vm.run({ until: ({ console: { text } }) => text.includes("!"), maxInstructions: 100_000 });
  expect(vm.audit()).toEqual([]);
  expect(bytes.at(-1)).toBe(0x21);
  vm.kill();
  vm.run();
  expect(machine.frames.freeFrames).toBe(free);
  expect(machine.memory.readOnly.every((flag) => flag === 0)).toBe(true);
  return bytes.slice(0, -1);
}

const say = (g: GuestBuilder): GuestBuilder => g.out(0xe9, "al");
const sayByte = (g: GuestBuilder, gpa: number): GuestBuilder => say(g.mov("al", mem8(gpa)));
const store = (g: GuestBuilder, gpa: number, value: number): GuestBuilder => g.mov(mem8(gpa), value);
const end = (g: GuestBuilder): GuestBuilder => say(g.mov("al", 0x21)).label("end").jmp("end");
/** MOV AL, value; RET */
const answer = (value: number): readonly number[] => [0xb0, value, 0xc3];

describe.each(PAGERS)("the programmable attribute map under %s", (pager) => {
  const LOST_ROM = 0;
  const READ_RAM = 1;
  const WRITE_RAM = 2;
  const RAM = 3;
  const rom = new Uint8Array(0x20000);
  rom[0x8010] = 0x11;
  rom.set(answer(7), 0x1000);
  const set = (g: GuestBuilder, register: number, value: number): GuestBuilder => {
    g.mov("edx", 0xcf8)
      .mov("eax", 0x80000000 | (register & ~3))
      .out("dx", "eax");
    return g
      .mov("edx", 0xcfc + (register & 3))
      .mov("eax", value)
      .out("dx", "al");
  };
  const run = (g: GuestBuilder): number[] =>
    sent(end(g), { pager, pci: true, roms: [{ gpa: 0xe0000, bytes: rom }] });

  test("shows ROM or RAM, and lets writes reach the RAM or not", () => {
    const g = new GuestBuilder({ origin: 0x100000 });
    const DATA = 0xe8010;
    sayByte(g, 0xc8000);
    sayByte(store(g, DATA, 0x22), DATA);
    sayByte(store(set(g, 0x5f, WRITE_RAM), DATA, 0x33), DATA);
    sayByte(set(g, 0x5f, READ_RAM), DATA);
    sayByte(store(g, DATA, 0x44), DATA);
    sayByte(store(set(g, 0x5f, RAM), DATA, 0x55), DATA);
    sayByte(set(g, 0x5f, LOST_ROM), DATA);
    sayByte(set(g, 0x5f, RAM), DATA);
    // The other half of the register is the next 16 KiB.
    sayByte(store(set(g, 0x5f, (RAM << 4) | LOST_ROM), 0xec000, 0x66), 0xec000);
    sayByte(g, DATA);
    expect(run(g)).toEqual([0xff, 0x11, 0x11, 0x33, 0x33, 0x55, 0x11, 0x55, 0x66, 0x11]);
  });

  test("holds for code that has been run: each memory has its own", () => {
    const g = new GuestBuilder({ origin: 0x100000 });
    const CODE = 0xe1000;
    const call = () => say(g.mov("esp", 0x90000).mov("ebx", CODE).call("ebx"));
    call();
    set(g, 0x5e, RAM);
    for (const [n, byte] of answer(9).entries()) store(g, CODE + n, byte);
    call();
    set(g, 0x5e, LOST_ROM);
    call();
    // Writes to code that was decoded from the RAM behind the ROM.
    store(set(g, 0x5e, WRITE_RAM), CODE + 1, 5);
    call();
    set(g, 0x5e, READ_RAM);
    call();
    expect(run(g)).toEqual([7, 9, 7, 7, 5]);
  });
});

describe.each(PAGERS)("address line 20 under %s", (pager) => {
  const close = (g: GuestBuilder) => g.mov("eax", 0).out(PORT92, "al");
  const open = (g: GuestBuilder) => g.mov("eax", 2).out(PORT92, "al");
  const bit20 = (g: GuestBuilder) => say(g.and("al", 2));
  /** Of the keyboard controller's output port. */
  const readOutputPort = (g: GuestBuilder) => g.mov("al", 0xd0).out(0x64, "al").in("al", 0x60);
  const writeOutputPort = (g: GuestBuilder, value: number) =>
    g.mov("al", 0xd1).out(0x64, "al").mov("al", value).out(0x60, "al");

  test("held low, makes odd megabytes the even ones below; both ports move it and show it", () => {
    const g = new GuestBuilder({ origin: 0x200000 });
    store(store(g, 0x500, 1), 0x100500, 2);
    sayByte(sayByte(g, 0x500), 0x100500);
    sayByte(close(g), 0x100500);
    bit20(g.in("al", PORT92));
    bit20(readOutputPort(g));
    sayByte(store(g, 0x100500, 5), 0x500);
    sayByte(writeOutputPort(g, 0xdf), 0x100500);
    bit20(g.in("al", PORT92));
    bit20(readOutputPort(g));
    // Commands of their own.
    sayByte(g.mov("al", 0xdd).out(0x64, "al"), 0x100500);
    sayByte(g.mov("al", 0xdf).out(0x64, "al"), 0x100500);
    expect(sent(end(g), { pager })).toEqual([1, 2, 1, 0, 0, 5, 2, 2, 2, 5, 2]);
  });

  test("decides which code is run", () => {
    const g = new GuestBuilder({ origin: 0x200000 });
    for (const [n, byte] of answer(1).entries()) store(g, 0x600 + n, byte);
    for (const [n, byte] of answer(2).entries()) store(g, 0x100600 + n, byte);
    const call = () => say(g.mov("esp", 0x90000).mov("ebx", 0x100600).call("ebx"));
    call();
    close(g);
    call();
    open(g);
    call();
    expect(sent(end(g), { pager })).toEqual([2, 1, 2]);
  });

  test("wraps at 1 MiB where memory ends there", () => {
    const g = new GuestBuilder({ origin: 0x8000 });
    sayByte(store(g, 0x500, 1), 0x100500);
    sayByte(close(g), 0x100500);
    expect(sent(end(g), { pager, memoryMiB: 1 })).toEqual([0xff, 1]);
  });

  test("held low, hides no change of a page table that is made through the other address", () => {
    const g = new GuestBuilder({ origin: 0x200000 });
    const DIRECTORY = 0x2000;
    const TABLE = 0x3000;
    const PAGE = 0x7000;
    g.mov("edi", TABLE).mov("eax", 3).mov("ecx", 1024);
    g.label("fill").mov(mem32("edi"), "eax").add("edi", 4).add("eax", 0x1000).loop("fill");
    g.mov(mem32(DIRECTORY), TABLE | 3)
      .mov("eax", DIRECTORY)
      .mov("cr3", "eax");
    g.mov("eax", "cr0").or("eax", 0x80000000).mov("cr0", "eax");
    store(store(g, PAGE, 7), 0x8000, 8);
    close(g);
    sayByte(g, PAGE);
    g.mov(mem32(0x100000 + TABLE + (PAGE >> 12) * 4), 0x8003).invlpg(mem32(PAGE));
    sayByte(g, PAGE);
    g.mov(mem32(0x100000 + TABLE + (PAGE >> 12) * 4), 0x7003)
      .mov("eax", "cr3")
      .mov("cr3", "eax");
    sayByte(g, PAGE);
    open(g);
    sayByte(g, PAGE);
    expect(sent(end(g), { pager })).toEqual([7, 8, 7, 7]);
  });
});
