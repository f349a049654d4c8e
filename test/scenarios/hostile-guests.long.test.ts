import { describe, expect, it } from "vitest";
import { ticker } from "../../scenarios/support/guests/ticker.ts";
import { bootFlat, bootProgram, type GuestBoot, memoryPort } from "../../src/guest/boots.ts";
import { GuestBuilder, mem32, PageTables } from "../../src/guest/builder/index.ts";
import { createMachine } from "../../src/vm/machine.ts";

const CODE = 0x10000;
const PAGING = 0x80000000;
const TICKS = 50;
const LIMIT = 20_000;

const code = (write: (g: GuestBuilder) => GuestBuilder): GuestBoot =>
  bootProgram(write(new GuestBuilder({ origin: CODE }).mov("esp", 0x9000)).build());

/** Paging on with a directory at `directory`, then a jump through whatever it says. */
const withDirectory = (directory: number): GuestBoot =>
  code((g) =>
    g
      .mov("eax", directory)
      .mov("cr3", "eax")
      .mov("eax", "cr0")
      .or("eax", PAGING)
      .mov("cr0", "eax")
      .jmp("next")
      .label("next")
      .hlt(),
  );

/** Directory entries that point to tables at `gpa`, the code's own page excepted. */
function tablesAt(gpa: number): GuestBoot {
  const tables = new PageTables(0x20000).map(0, 0, { writable: true, pages: 0x40 });
  const program = code((g) =>
    g
      .mov("eax", tables.gpa)
      .mov("cr3", "eax")
      .mov("eax", "cr0")
      .or("eax", PAGING)
      .mov("cr0", "eax")
      .mov("eax", mem32(0x400000))
      .mov(mem32(0x400000), "eax")
      .hlt(),
  );
  return (memory, state) => {
    program(memory, state);
    tables.writeTo(memoryPort(memory));
    memoryPort(memory).write(tables.gpa + 4, new Uint8Array(Uint32Array.of(gpa | 7).buffer));
  };
}

/** Any bytes, always the same. */
function garbage(seed: number): GuestBoot {
  let random = seed;
  const bytes = Uint8Array.from({ length: 0x8000 }, () => {
    random = (Math.imul(random, 1103515245) + 12345) >>> 0;
    return random >>> 24;
  });
  return bootFlat({ bytes, gpa: CODE, registers: { esp: 0x9000 } });
}

interface Hostile {
  readonly boot: GuestBoot;
  readonly ends: readonly string[];
  readonly reason: RegExp;
}

const ANY_END = ["shutdown", "halted", "killed", "reset"];

const GUESTS: Readonly<Record<string, Hostile>> = {
  "faults with no handler": {
    boot: code((g) => g.ud2()),
    ends: ["shutdown"],
    reason: /triple fault at eip 0x10005/,
  },
  "loads an IDT of nonsense": {
    boot: code((g) => g.raw([0x0f, 0x01, 0x1d, 0, 0, 0, 0]).int(3)),
    ends: ["shutdown"],
    reason: /triple fault/,
  },
  "loops for ever with interrupts off": {
    boot: code((g) => g.cli().label("spin").jmp("spin")),
    ends: ["killed"],
    reason: /instruction limit of 20000 reached at eip 0x1000[67]/,
  },
  "halts with interrupts off": {
    boot: code((g) => g.cli().hlt()),
    ends: ["halted"],
    reason: /nothing can wake/,
  },
  "has its page directory outside memory": {
    boot: withDirectory(0x7fff0000),
    ends: ["shutdown"],
    reason: /triple fault/,
  },
  "has its page directory where memory ends": {
    boot: withDirectory(8 << 20),
    ends: ["shutdown"],
    reason: /triple fault/,
  },
  "has its page directory in the hole": {
    boot: withDirectory(0xa0000),
    ends: ["shutdown"],
    reason: /triple fault/,
  },
  "has page tables outside memory": { boot: tablesAt(0xfffff000), ends: ["halted", "shutdown"], reason: /./ },
  "has page tables in the hole": { boot: tablesAt(0xb8000), ends: ["halted", "shutdown"], reason: /./ },
  "jumps out of memory": { boot: code((g) => g.jmp(0x7ff00000)), ends: ["shutdown", "killed"], reason: /./ },
  "executes garbage": { boot: garbage(1), ends: ANY_END, reason: /./ },
  "executes other garbage": { boot: garbage(0xbad), ends: ANY_END, reason: /./ },
  "executes yet other garbage": { boot: garbage(77), ends: ANY_END, reason: /./ },
};

describe.each(["bare", "vtlb"] as const)("under %s, a guest that", (pager) => {
  it.each(Object.keys(GUESTS))("%s ends with its reason, and the vm beside it is unharmed", (name) => {
    const { boot, ends, reason } = GUESTS[name] as Hostile;
    const machine = createMachine({ memoryMiB: 48, timeSlice: 5_000 });
    const vm = machine.createVm({ name: "hostile", pager, memoryMiB: 8, boot, maxInstructions: LIMIT });
    const beside = machine.createVm({ name: "beside", pager, memoryMiB: 8, boot: ticker(TICKS) });
    const { status } = vm.run();
    expect(ends).toContain(status);
    expect(vm.reason).toMatch(reason);
    expect(vm.reason).not.toContain("\n");
    expect(machine.frames.heldBy("hostile")).toBe(0);

    expect(beside.run().status).toBe("waiting");
    expect(beside.stats().exits.hlt).toBeGreaterThanOrEqual(TICKS);
    expect(beside.audit()).toEqual([]);
  });
});

describe("ten thousand garbage instructions, whatever they are", () => {
  it.each(Array.from({ length: 24 }, (_, index) => 1000 + index))("from seed %i harm nobody", (seed) => {
    const machine = createMachine({ memoryMiB: 24 });
    const vm = machine.createVm({
      name: "g",
      pager: "vtlb",
      memoryMiB: 4,
      boot: garbage(seed),
      maxInstructions: 10_000,
    });
    const { status } = vm.run();
    expect([...ANY_END, "waiting"]).toContain(status);
  });
});
