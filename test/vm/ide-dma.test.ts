import { expect, test } from "vitest";
import { enablePaging } from "../../scenarios/support/guests/prelude.ts";
import { MemoryDisk } from "../../src/disk/index.ts";
import { bootProgram, GuestBuilder, mem8, mem32 } from "../../src/guest/index.ts";
import { createMachine } from "../../src/index.ts";
import type { Gpa } from "../../src/mmu/address.ts";

/** What a disk's bus master writes is seen by the processor, as code and as page tables, under every pager. */

const FUNCTION = 0x30000;
const DIRECTORY = 0x50000;
const LOW_TABLE = 0x51000;
const TABLE = 0x52000;
const FIRST = 0x60000;
const SECOND = 0x61000;
const DESCRIPTOR = 0x40000;
const VIRTUAL = 0x400000;
const BUS_MASTER = 0xcc00;
const PRESENT = 3;
const LAST = 0x80000000;

const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);

/** Sector 0 is a function that returns 2, sector 1 a table whose first page is another one. */
function disk(): MemoryDisk {
  const bytes = new Uint8Array(8 * 512);
  bytes.set([0xb8, 2, 0, 0, 0, 0xc3]);
  bytes.set(words(SECOND | PRESENT), 512);
  return new MemoryDisk(bytes);
}

function program() {
  const g = new GuestBuilder({ origin: 0x10000 });
  g.mov("esp", 0x9000);
  let reads = 0;
  const readSector = (sector: number, gpa: number) => {
    const again = `busy${reads++}`;
    g.mov(mem32(DESCRIPTOR), gpa).mov(mem32(DESCRIPTOR + 4), (LAST | 512) >>> 0);
    const out = (port: number, value: number, source: "al" | "eax" = "al") =>
      g.mov("edx", port).mov("eax", value).out("dx", source);
    out(0x1f6, 0xe0);
    out(0x1f2, 1);
    out(0x1f3, sector);
    out(0x1f4, 0);
    out(0x1f5, 0);
    out(BUS_MASTER + 4, DESCRIPTOR, "eax");
    out(BUS_MASTER + 2, 6);
    out(BUS_MASTER, 8);
    out(0x1f7, 0xc8);
    out(BUS_MASTER, 9);
    g.label(again)
      .mov("edx", BUS_MASTER + 2)
      .in("al", "dx")
      .and("al", 4)
      .jcc("e", again);
    out(BUS_MASTER, 0);
    g.mov("edx", 0x1f7).in("al", "dx");
  };
  enablePaging(g, DIRECTORY);
  const callIt = () => g.mov("ecx", FUNCTION).call("ecx");
  callIt();
  g.mov("ebx", "eax");
  readSector(0, FUNCTION);
  callIt();
  g.shift("shl", "eax", 2).or("ebx", "eax");
  g.mov("esi", VIRTUAL);
  g.movzx("eax", mem8("esi")).shift("shl", "eax", 4).or("ebx", "eax");
  readSector(1, TABLE);
  g.mov("eax", "cr3").mov("cr3", "eax").movzx("eax", mem8("esi")).shift("shl", "eax", 6).or("ebx", "eax");
  g.mov("eax", "ebx").out(0xe9, "al");
  return bootProgram(g.label("end").jmp("end").build());
}

test.each(["bare", "vtlb", "kvm"] as const)("under %s", (pager) => {
  const boot = program();
  const machine = createMachine({ memoryMiB: 24 });
  const vm = machine.createVm({
    name: "g",
    pager,
    memoryMiB: 8,
    disks: [disk()],
    boot: (memory, state) => {
      boot(memory, state);
      const write = (gpa: number, bytes: Uint8Array) => memory.writeBytes(gpa as Gpa, bytes);
      write(FUNCTION, Uint8Array.of(0xb8, 1, 0, 0, 0, 0xc3));
      write(FIRST, Uint8Array.of(1));
      write(SECOND, Uint8Array.of(2));
      write(DIRECTORY, words(LOW_TABLE | PRESENT, TABLE | PRESENT));
      write(LOW_TABLE, words(...Array.from({ length: 1024 }, (_, n) => (n << 12) | PRESENT)));
      write(TABLE, words(FIRST | PRESENT));
    },
  });
  const output: number[] = [];
  vm.on("console", (bytes) => output.push(...bytes));
  vm.run({ budget: 10_000 });
  expect(output).toEqual([1 | (2 << 2) | (1 << 4) | (2 << 6)]);
  expect(vm.audit()).toEqual([]);
});
