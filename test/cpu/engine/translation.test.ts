import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import { at, GuestBuilder, mem32 } from "../../../src/guest/builder/index.ts";
import type { Gva } from "../../../src/mmu/address.ts";
import { CODE, DATA, EngineGuest, GLOBAL, LARGE, P, PAGE_DIRECTORY, U, W } from "./support/guest.ts";

let last: EngineGuest | undefined;
function guest(): EngineGuest {
  last = new EngineGuest({ after: last });
  return last;
}
const code = () => new GuestBuilder({ origin: CODE });
const THERE = 0x400000;
const ENTRY = 0x300000;

/**
 * A guest whose THERE is mapped to DATA, with the page-table entry itself mapped at ENTRY, so that guest code can change it to
 * DATA + 0x1000 without the monitor. DATA holds 1, DATA + 0x1000 holds 2.
 */
function remapping(flags: number, change: (g: GuestBuilder) => GuestBuilder, options: { cr4?: number } = {}) {
  const g = guest();
  const program = code()
    .mov("eax", mem32(THERE))
    .mov("ecx", (DATA + 0x1000) | flags | P)
    .mov(mem32(ENTRY), "ecx");
  change(program).mov("ebx", mem32(THERE)).hlt();
  g.start(program.build(), { paged: true });
  g.map(THERE, DATA, flags);
  g.map(ENTRY, g.entry(THERE) & ~0xfff, W);
  g.write32(DATA, 1);
  g.write32(DATA + 0x1000, 2);
  if (options.cr4 !== undefined) g.cpu.state.set(L.CR4, options.cr4);
  expect(g.runToExit().reason).toBe("hlt");
  return [g.registers[0], g.registers[3]];
}

describe("a changed page-table entry", () => {
  it("is not noticed until the translation is dropped", () => {
    expect(remapping(W, (g) => g.nop())).toEqual([1, 1]);
  });
  it("is noticed after INVLPG of any address in the page, global or not", () => {
    for (const flags of [W, W | GLOBAL])
      expect(remapping(flags, (g) => g.invlpg(at(THERE + 0xabc)))).toEqual([1, 2]);
  });
  it("is not noticed after INVLPG of another page", () => {
    expect(remapping(W, (g) => g.invlpg(at(THERE + 0x1000)))).toEqual([1, 1]);
  });
  it("is noticed after a CR3 load, unless the page is global", () => {
    const load = (g: GuestBuilder) => g.mov("edx", "cr3").mov("cr3", "edx");
    expect(remapping(W, load)).toEqual([1, 2]);
    expect(remapping(W | GLOBAL, load)).toEqual([1, 1]);
  });
  it("is noticed after a CR3 load when CR4.PGE is clear, whatever the global bit says", () => {
    expect(remapping(W | GLOBAL, (g) => g.mov("edx", "cr3").mov("cr3", "edx"), { cr4: 0x10 })).toEqual([
      1, 2,
    ]);
  });
  it("is noticed after CR4.PGE is toggled, global or not", () => {
    const toggle = (g: GuestBuilder) =>
      g.mov("edx", "cr4").xor("edx", 0x80).mov("cr4", "edx").xor("edx", 0x80).mov("cr4", "edx");
    expect(remapping(W | GLOBAL, toggle)).toEqual([1, 2]);
  });
  it("is noticed after paging was off and on again, global or not", () => {
    const toggle = (g: GuestBuilder) =>
      g
        .mov("edx", "cr0")
        .and("edx", 0x7fffffff)
        .mov("cr0", "edx")
        .or("edx", 0x80000000 | 0)
        .mov("cr0", "edx");
    expect(remapping(W | GLOBAL, toggle)).toEqual([1, 2]);
  });
  it("is noticed when the monitor drops translations, all or of the page", () => {
    for (const drop of [
      (g: EngineGuest) => g.cpu.flushTlb(),
      (g: EngineGuest) => g.cpu.flushTlbPage((THERE + 5) as Gva),
    ]) {
      const g = guest();
      g.start(code().mov("eax", mem32(THERE)).in("al", 0x60).mov("ebx", mem32(THERE)).hlt().build(), {
        paged: true,
      });
      g.map(THERE, DATA, W);
      g.write32(DATA, 1);
      g.write32(DATA + 0x1000, 2);
      g.cpu.run(100);
      g.map(THERE, DATA + 0x1000, W);
      drop(g);
      g.cpu.answer(0);
      g.cpu.run(100);
      expect(g.registers[3]).toBe(2);
    }
  });
});

describe("large pages", () => {
  it("map 4 MiB, and INVLPG of one address drops what was cached of all of it", () => {
    const g = guest();
    g.start(
      code()
        .mov("eax", mem32(0x800000 + DATA + 4))
        .mov("edx", mem32(0x800000 + DATA + 0x2000))
        .mov("ecx", 0)
        .mov(mem32(ENTRY + 8), "ecx")
        .invlpg(at(0x800000 + 0x3ff000))
        .mov("ebx", mem32(0x800000 + DATA + 4))
        .hlt()
        .build(),
      { paged: true },
    );
    g.write32(PAGE_DIRECTORY + 8, 0 | LARGE | U | W | P);
    g.map(ENTRY, PAGE_DIRECTORY, W);
    g.write32(DATA + 4, 0x1234);
    g.write32(DATA + 0x2000, 0x5678);
    g.runToExit();
    expect([g.registers[0], g.registers[2], g.haltedIn]).toEqual([0x1234, 0x5678, 14]);
    expect([g.cpu.state.get(L.CR2), g.frame(true).errorCode]).toEqual([0x800000 + DATA + 4, 0]);
  });

  it("get accessed and dirty bits in the directory", () => {
    const g = guest();
    g.start(
      code()
        .mov("eax", mem32(0x800000 + DATA))
        .in("al", 1)
        .mov(mem32(0x800000 + DATA), "eax")
        .hlt()
        .build(),
      { paged: true },
    );
    g.write32(PAGE_DIRECTORY + 8, 0 | LARGE | W | P);
    g.cpu.run(100);
    expect(g.read32(PAGE_DIRECTORY + 8) & 0x60).toBe(0x20);
    g.cpu.answer(0);
    g.cpu.run(100);
    expect(g.read32(PAGE_DIRECTORY + 8) & 0x60).toBe(0x60);
  });

  it("with a reserved bit set fault with the reserved bit of the error code", () => {
    const g = guest();
    g.start(code().mov("eax", mem32(0x800000)).hlt().build(), { paged: true });
    g.write32(PAGE_DIRECTORY + 8, 0x200000 | LARGE | W | P);
    g.runToExit();
    expect([g.haltedIn, g.frame(true).errorCode]).toEqual([14, 9]);
  });
});

describe("privilege", () => {
  it("what ring 0 has cached ring 3 may not use", () => {
    const g = guest();
    // Ring 0 reads its page, then goes to ring 3 by IRET, which tries the same.
    const program = code()
      .mov("eax", mem32(THERE))
      .mov("ecx", 0x2b)
      .mov("ds", "cx")
      .push(0x2b)
      .push(DATA + 0x800)
      .push(2)
      .push(0x23)
      .push(CODE + 0x100)
      .iret();
    g.load(new GuestBuilder({ origin: CODE + 0x100 }).mov("ebx", mem32(THERE)).build());
    g.start(program.build(), { paged: true });
    g.map(THERE, DATA, W);
    g.runToExit();
    expect([g.haltedIn, g.frame(true).errorCode, g.frame(true).eip]).toEqual([14, 5, CODE + 0x100]);
  });

  it("CR0.WP at once changes what ring 0 may write, in global pages too", () => {
    for (const flags of [0, GLOBAL]) {
      const g = guest();
      const program = code()
        .mov("edx", "cr0")
        .and("edx", ~0x10000)
        .mov("cr0", "edx")
        .mov(mem32(THERE), "eax")
        .or("edx", 0x10000)
        .mov("cr0", "edx")
        .label("write")
        .mov(mem32(THERE), "eax")
        .build();
      g.start(program, { paged: true });
      g.map(THERE, DATA, flags);
      g.runToExit();
      expect([g.haltedIn, g.frame(true).eip, g.frame(true).errorCode]).toEqual([
        14,
        program.symbol("write"),
        3,
      ]);
    }
  });

  it("descriptor tables in supervisor pages serve ring 3", () => {
    const g = guest();
    g.start(code().push(0x2b).pop("ds").mov("eax", mem32(DATA)).int(0x55).build(), { ring: 3, paged: true });
    g.runToExit();
    expect(g.haltedIn).toBe(0x55);
  });
});

describe("more pages than the TLB has entries", () => {
  it("all read what is theirs", () => {
    const g = guest();
    // 8192 pages: two for every entry; each names its own place by the mapping alone.
    g.start(
      code()
        .xor("esi", "esi")
        .mov("edi", 0x400000)
        .label("top")
        .add("esi", mem32("edi"))
        .add("edi", 0x1000)
        .cmp("edi", 0x2400000)
        .jcc("ne", "top")
        .hlt()
        .build(),
      { paged: true },
    );
    for (let page = 0; page < 1024; page++)
      g.write32(g.entry(0x400000 + page * 0x1000), (DATA + (page % 16) * 0x1000) | W | P);
    const table = g.read32(PAGE_DIRECTORY + 4);
    for (let slot = 2; slot < 9; slot++) g.write32(PAGE_DIRECTORY + 4 * slot, table);
    let sum = 0;
    for (let page = 0; page < 16; page++) {
      g.write32(DATA + page * 0x1000, page + 1);
      sum += (page + 1) * 64 * 8;
    }
    g.runToExit();
    expect(g.registers[6]).toBe(sum);
  });
});
