import { describe, expect, it } from "vitest";
import { separateDrives } from "../../scenarios/support/disks.ts";
import { churn } from "../../scenarios/support/guests/churn.ts";
import { Contestant } from "../../scenarios/support/lockstep/contestant.ts";
import { type LockstepOptions, lockstep } from "../../scenarios/support/lockstep/lockstep.ts";
import { compareMemory, TablePages, withoutAccessedDirty } from "../../scenarios/support/lockstep/memory.ts";
import { MemoryDisk, OverlayDisk } from "../../src/disk/index.ts";
import type { GuestBuilder } from "../../src/guest/index.ts";
import type { Gpa } from "../../src/mmu/address.ts";
import { createMachine } from "../../src/vm/machine.ts";
import type { Vm } from "../../src/vm/vm.ts";
import { bootTwo, twoProcessors } from "../support/two-processors.ts";

const EBP = 5;

function contestant(pager: "bare" | "vtlb", rounds: number): Contestant {
  const machine = createMachine({ memoryMiB: 16 });
  return new Contestant(machine.createVm({ name: "g", pager, memoryMiB: 4, boot: churn(rounds) }));
}

/** After exactly `at` instructions, `deed` is done to the second. */
class Disturbed extends Contestant {
  readonly #at: number;
  readonly #deed: (vm: Vm) => void;

  constructor(vm: Vm, at: number, deed: (vm: Vm) => void) {
    super(vm);
    this.#at = at;
    this.#deed = deed;
  }

  override runTo(instructions: number): void {
    if (this.instructions < this.#at && instructions >= this.#at) {
      super.runTo(this.#at);
      this.#deed(this.vm);
    }
    super.runTo(instructions);
  }
}

const run = (options: Partial<LockstepOptions>) =>
  lockstep({
    make: () => [contestant("bare", 3000), contestant("vtlb", 3000)],
    every: 5000,
    memoryEvery: 20_000,
    maxInstructions: Number.POSITIVE_INFINITY,
    ...options,
  });

const disturbed = (at: number, deed: (vm: Vm) => void): LockstepOptions["make"] => {
  return () => [contestant("bare", 3000), new Disturbed(contestant("vtlb", 3000).vm, at, deed)];
};

describe("lock-step", () => {
  it("finds two pagers alike, in registers and in memory", async () => {
    const report = await run({});
    expect(report).toMatchObject({ end: "waiting", difference: undefined });
    expect(report.comparisons).toBeGreaterThan(10);
    expect(report.memoryComparisons).toBeGreaterThan(3);
    expect(report.hashes?.exact[0]).toBe(report.hashes?.exact[1]);
  });

  it("stops where it is told to", async () => {
    expect(await run({ maxInstructions: 12_345 })).toMatchObject({ end: "limit", instructions: 12_345 });
  });

  it("finds the instruction after which a register differs, with both histories", async () => {
    const make = disturbed(23_456, (vm) =>
      vm.withState((state) => state.setReg(EBP, state.reg(EBP) ^ 0x100)),
    );
    const { end, difference } = await run({ make });
    expect(end).toBe("different");
    expect(difference).toMatchObject({ equalAt: 23_455, differentAt: 23_456 });
    expect(difference?.discrepancies.map(({ what }) => what)).toEqual(["ebp"]);
    for (const history of difference?.histories ?? []) expect(history).toMatch(/#\d+ cpu.exit/);
  });

  it("looks at every processor", async () => {
    const spin = (g: GuestBuilder) => g.label(`spin${g.here}`).jmp(`spin${g.here}`);
    const program = twoProcessors({ first: spin, second: spin });
    const make = () => new Contestant(bootTwo(program, { quantum: 100 }).vm);
    const found = await run({ make: () => [make(), make()], every: 500, maxInstructions: 2000 });
    expect(found).toMatchObject({ end: "limit", difference: undefined });
    const changed = await run({
      make: () => [
        make(),
        new Disturbed(make().vm, 1001, (vm) => vm.withState((state) => state.setReg(EBP, 1), 1)),
      ],
      every: 500,
      maxInstructions: 2000,
    });
    expect(changed.difference).toMatchObject({
      equalAt: 1000,
      differentAt: 1001,
      discrepancies: [{ what: "cpu1 ebp", a: 0, b: 1 }],
    });
  });

  it("finds a byte of memory that differs", async () => {
    const make = disturbed(31_000, (vm) => vm.memory.write8(0x3f123 as Gpa, 0xaa));
    const { difference } = await run({ make });
    expect(difference).toMatchObject({
      equalAt: 30_999,
      differentAt: 31_000,
      discrepancies: [{ what: "memory 0x3f120", a: 0, b: 0xaa000000 }],
    });
  });

  it("counts A and D bits of the guest's tables apart", async () => {
    const make = disturbed(31_000, (vm) => {
      // Entry of a page that nothing but the loader's GDT lies in: the guest does not look at its A and D.
      const pte = 0x21000 as Gpa;
      vm.memory.write32(pte, vm.memory.read32(pte) ^ 0x40);
    });
    const report = await run({ make });
    expect(report).toMatchObject({ end: "waiting", difference: undefined, accessedDirtyOnly: 1 });
    expect(report.hashes?.exact[0]).not.toBe(report.hashes?.exact[1]);
    expect(report.hashes?.ignoringAD[0]).toBe(report.hashes?.ignoringAD[1]);
  });
});

describe("the comparison of memories", () => {
  const pair = () => [contestant("bare", 1).vm.memory, contestant("bare", 1).vm.memory] as const;

  it("excuses A and D in pages that CR3 has pointed to and in their tables, nowhere else", () => {
    const [a, b] = pair();
    const tables = new TablePages();
    tables.note(0x20000);
    b.write32(0x20000 as Gpa, b.read32(0x20000 as Gpa) ^ 0x20);
    b.write32(0x21004 as Gpa, b.read32(0x21004 as Gpa) ^ 0x60);
    expect(compareMemory(a, b, tables, tables)).toMatchObject({ words: 0, accessedDirtyOnly: 2 });
    // "A" and "a" differ in bit 5, too.
    a.write32(0x30000 as Gpa, 0x41);
    b.write32(0x30000 as Gpa, 0x61);
    expect(compareMemory(a, b, tables, tables)).toMatchObject({
      words: 1,
      examples: [{ gpa: 0x30000, a: 0x41, b: 0x61 }],
    });
  });

  it("does not excuse other bits of an entry, nor A and D of one that is not present", () => {
    const [a, b] = pair();
    const tables = new TablePages();
    tables.note(0x20000);
    b.write32(0x21004 as Gpa, b.read32(0x21004 as Gpa) ^ 0x22);
    b.write32(0x21ffc as Gpa, 0x60);
    expect(compareMemory(a, b, tables, tables)).toMatchObject({ words: 2, accessedDirtyOnly: 0 });
  });

  it("masks for the hash what it excuses", () => {
    const words = Uint32Array.of(0x1063, 0x1060, 0x2003);
    withoutAccessedDirty(new Set([7]))(7, words);
    expect([...words]).toEqual([0x1003, 0x1060, 0x2003]);
    withoutAccessedDirty(new Set([7]))(8, words.fill(0x63));
    expect([...words]).toEqual([0x63, 0x63, 0x63]);
  });
});

describe("the disks of both sides", () => {
  /** Writes a sector of its own with each run of `write`. */
  const sides = (writes: readonly number[]) => {
    const disks = writes.map((value) => {
      const disk = new OverlayDisk(new MemoryDisk(new Uint8Array(1024)));
      disk.write(1, new Uint8Array(512).fill(value));
      return disk;
    });
    return () =>
      disks.map((disk) => new Contestant(contestant("bare", 1).vm, [disk])) as [Contestant, Contestant];
  };

  it("are compared by what was written to them", async () => {
    const first = { every: 1, memoryEvery: 1, maxInstructions: 1 };
    expect((await run({ ...first, make: sides([7, 7]) })).difference).toBeUndefined();
    const { difference } = await run({ ...first, make: sides([7, 8]) });
    expect(difference?.discrepancies.map(({ what }) => what)).toEqual(["written to disk 0"]);
  });

  it("are images that nobody writes", () => {
    for (const how of ["write", "overlay=x"])
      expect(() => separateDrives({ disk: [`image,${how}`] })).toThrow(
        `each side has an overlay of its own, in memory: leave ,write and ,overlay out of --disk image,${how}`,
      );
  });
});
