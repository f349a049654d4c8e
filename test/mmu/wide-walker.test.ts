import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Cr0, Cr4, Efer } from "../../src/cpu/state.ts";
import { dumpMappings } from "../../src/mmu/dump.ts";
import { formatOf } from "../../src/mmu/format.ts";
import { accessOf } from "../../src/mmu/reflect.ts";
import { A, D, G, gpa, gva, P, PS, U, W } from "./bed.ts";
import { DIRECTORY2, GIBS, NX, POINTERS, TABLE1, TOP, WideBed } from "./wide-bed.ts";

type Kind = "read" | "write" | "fetch";

/** Asks both walkers and demands one answer: the error code, or [gpa, backed]. */
function both(bed: WideBed, at: number, kind: Kind = "read", user = false): number | [number, boolean] {
  const access = { gva: gva(at), write: kind === "write", user, fetch: kind === "fetch" };
  const soft = bed.walker.probe(access, bed.paging);
  const hard = bed.translate(at, kind === "write", user, kind === "fetch");
  const { gpa: reached, notBacked } = bed.hardware;
  const one =
    soft.kind === "fault" ? soft.errorCode : ([soft.gpa, bed.memory.isBacked(soft.gpa)] as [number, boolean]);
  expect(hard === -1 ? [reached, !notBacked] : hard).toEqual(one);
  return one;
}

/** GiB 1 leads to DIRECTORY2, whose entry 3 leads to TABLE1; entry 5 is the page 0x40605000. */
function pae(): WideBed {
  const bed = new WideBed();
  bed.latch(1);
  bed.put(DIRECTORY2, 3, TABLE1 | P | W | U);
  bed.put(TABLE1, 5, 0x345000 | P | W | U);
  return bed;
}
const PAGE = 0x40605000;

describe("PAE, in both walkers", () => {
  test("translates through the latched pointer, directory and table", () => {
    const bed = pae();
    expect(both(bed, PAGE + 0xabc)).toEqual([0x345abc, true]);
    expect(bed.hardware.hpa).toBe(0x745000);
    bed.put(DIRECTORY2, 0x1ff, TABLE1 | P);
    expect(both(bed, 0x7fe05123)).toEqual([0x345123, true]);
  });

  test("takes 2 MiB pages whatever CR4.PSE is", () => {
    const bed = pae();
    bed.put(DIRECTORY2, 4, 0xa00000 | P | PS);
    expect(both(bed, 0x409abcde)).toEqual([0xbabcde, true]);
    expect([bed.hardware.pageShift, bed.hardware.hpa]).toEqual([21, 0xfab000]);
    const walk = bed.walker.probe({ gva: gva(0x409abcde), write: false, user: false }, bed.paging);
    expect(walk).toMatchObject({ level: 2, gfn: 0xbab });
  });

  test("goes by the PDPTEs latched at the load, not by what is in memory since", () => {
    const bed = pae();
    bed.put(POINTERS, 1, 0);
    expect(both(bed, PAGE)).toEqual([0x345000, true]);
    expect(bed.hardware.latchPdptes(POINTERS)).toBe(true);
    expect([both(bed, PAGE), both(bed, PAGE, "write", true), both(bed, PAGE, "fetch")]).toEqual([0, 6, 16]);
  });

  test("finds the PDPT at any 32-byte boundary", () => {
    const bed = pae();
    bed.put(POINTERS + 0xfe0, 2, DIRECTORY2 | P);
    expect(bed.hardware.latchPdptes(POINTERS + 0xfe0 + 0x1f)).toBe(true);
    expect(both(bed, 0x80605000)).toEqual([0x345000, true]);
  });

  test("a present PDPTE with a reserved bit, or a PDPT that is not there, cannot be loaded, and nothing changes", () => {
    const bed = pae();
    const before = [...bed.paging.pdptes];
    for (const bit of [1, 2, 5, 6, 7, 8]) {
      bed.put(POINTERS, 0, DIRECTORY2 | P | (1 << bit));
      expect(bed.hardware.latchPdptes(POINTERS)).toBe(false);
    }
    for (let bit = 4; bit < 32; bit++) {
      bed.put(POINTERS, 0, DIRECTORY2 | P, (1 << bit) >>> 0);
      expect(bed.hardware.latchPdptes(POINTERS)).toBe(false);
    }
    bed.put(POINTERS, 0, 0x1e6, 0xfffffff0);
    expect([bed.hardware.latchPdptes(POINTERS), bed.hardware.latchPdptes(0xa0000)]).toEqual([true, false]);
    expect([...bed.paging.pdptes].slice(2)).toEqual(before.slice(2));
  });

  test("pointers forbid nothing and are not written", () => {
    const bed = pae();
    both(bed, PAGE, "write", true);
    bed.walker.walk({ gva: gva(PAGE), write: true, user: true }, bed.paging);
    expect(bed.entry(POINTERS, 1)).toEqual([DIRECTORY2 | P, 0]);
  });

  test("frames from 4 GiB to 64 GiB are addresses that nothing backs", () => {
    const bed = pae();
    bed.put(TABLE1, 5, 0x345000 | P | W, 0xf);
    expect(both(bed, PAGE + 0x10)).toEqual([0xf00345010, false]);
    bed.put(DIRECTORY2, 3, 0x200000 | P | W | PS, 1);
    expect(both(bed, 0x4070_0000, "write")).toEqual([0x100300000, false]);
  });

  test("tables beyond 4 GiB read as ones: reserved bits", () => {
    const bed = pae();
    bed.put(DIRECTORY2, 3, TABLE1 | P | W, 1);
    expect(both(bed, PAGE, "write")).toBe(11);
    expect(bed.entry(DIRECTORY2, 3)).toEqual([TABLE1 | P | W, 1]);
    bed.put(POINTERS, 1, DIRECTORY2 | P, 8);
    bed.hardware.latchPdptes(POINTERS);
    expect(both(bed, PAGE)).toBe(9);
  });

  test("is global only as G of the leaf and CR4.PGE say", () => {
    const bed = pae();
    bed.put(TABLE1, 5, 0x345000 | P | G);
    bed.put(DIRECTORY2, 4, 0xa00000 | P | PS | G);
    const seen = [0, Cr4.PGE].flatMap((pge) => {
      bed.paging.cr4 = Cr4.PAE | pge;
      return [PAGE, 0x40800000].map((at) => {
        const walk = bed.walker.probe({ gva: gva(at), write: false, user: false }, bed.paging);
        bed.translate(at, false, false);
        return [walk.kind === "mapped" && walk.global, bed.hardware.global];
      });
    });
    expect(seen.flat()).toEqual([false, false, false, false, true, true, true, true]);
  });

  test("a directory that is its own table gets A and D in the one entry", () => {
    for (const hardware of [false, true]) {
      const bed = pae();
      bed.put(DIRECTORY2, 0x1ff, DIRECTORY2 | P | W);
      const at = 0x7ffff000;
      if (hardware) bed.translate(at, true, false);
      else bed.walker.walk({ gva: gva(at), write: true, user: false }, bed.paging);
      expect(bed.entry(DIRECTORY2, 0x1ff)).toEqual([DIRECTORY2 | P | W | A | D, 0]);
    }
  });

  test("with paging off there is no PAE", () => {
    const bed = pae();
    bed.paging.cr0 = Cr0.PE;
    expect(both(bed, 0x345678, "fetch", true)).toEqual([0x345678, true]);
    expect(bed.hardware.executable).toBe(true);
  });
});

describe("reserved bits under PAE", () => {
  /** Bits of the low and the high word that must be 0. */
  const rows: [string, number, number, number, number[], number[]][] = [
    ["a directory entry", DIRECTORY2, 3, TABLE1 | P | W | U, [], range(4, 30)],
    ["an entry of 2 MiB", DIRECTORY2, 3, 0x400000 | P | W | U | PS, range(12, 20), range(4, 30)],
    ["a table entry", TABLE1, 5, 0x345000 | P | W | U, [7], range(4, 30)],
  ];
  test.each(rows)("%s: exactly the manual's", (_name, table, index, entry, low, high) => {
    const faulting = (efer: number): [number[], number[]] => {
      const bed = pae();
      bed.paging.efer = efer;
      const at = (word: number, bit: number) => {
        const flipped = (1 << bit) >>> 0;
        bed.put(table, index, (entry | (word === 0 ? flipped : 0)) >>> 0, word === 0 ? 0 : flipped);
        return both(bed, PAGE) === 9;
      };
      // Bits that the manual gives no choice about: frame bits of a link lead elsewhere, to tables that read as zero or ones.
      const lows = range(entry & PS ? 9 : 6, entry & PS ? 20 : 11).filter(
        (bit) => bit !== 7 || table === TABLE1,
      );
      return [lows.filter((bit) => at(0, bit)), range(4, 31).filter((bit) => at(1, bit))];
    };
    expect(faulting(Efer.NXE)).toEqual([low, high]);
    expect(faulting(0)).toEqual([low, [...high, 31]]);
  });

  test("are not looked at in entries that are not present, and win over a missing right", () => {
    const bed = pae();
    bed.put(TABLE1, 5, 0x345080, 0xffffffff);
    expect(both(bed, PAGE)).toBe(0);
    bed.put(TABLE1, 5, 0x345080 | P, 0);
    expect(both(bed, PAGE, "write", true)).toBe(15);
  });
});

describe("execute-disable", () => {
  test("of any entry on the path forbids fetches, and nothing else", () => {
    for (const [link, leaf] of [
      [NX, 0],
      [0, NX],
    ] as const) {
      const bed = pae();
      bed.put(DIRECTORY2, 3, TABLE1 | P | W | U, link);
      bed.put(TABLE1, 5, 0x345000 | P | W | U, leaf);
      expect([both(bed, PAGE, "fetch"), both(bed, PAGE, "fetch", true)]).toEqual([17, 21]);
      expect([both(bed, PAGE), both(bed, PAGE, "write", true)]).toEqual([
        [0x345000, true],
        [0x345000, true],
      ]);
      expect(bed.hardware.executable).toBe(false);
      const walk = bed.walker.probe({ gva: gva(PAGE), write: false, user: false }, bed.paging);
      expect(walk).toMatchObject({ kind: "mapped", executable: false });
    }
  });

  test("a page without it may be fetched from, and the walker says so to readers too", () => {
    const bed = pae();
    expect(both(bed, PAGE, "fetch")).toEqual([0x345000, true]);
    both(bed, PAGE);
    expect(bed.hardware.executable).toBe(true);
  });

  test("page faults tell fetches apart exactly with CR4.PAE and EFER.NXE", () => {
    const bed = pae();
    bed.put(TABLE1, 5, 0);
    const codes = [Efer.NXE, 0].map((efer) => {
      bed.paging.efer = efer;
      return both(bed, PAGE, "fetch", true);
    });
    bed.paging.cr4 = 0;
    bed.paging.efer = Efer.NXE;
    bed.paging.cr3 = 0x20000;
    expect([...codes, both(bed, PAGE, "fetch", true)]).toEqual([20, 4, 4]);
    expect(accessOf(gva(PAGE), 20)).toMatchObject({ fetch: true, user: true, write: false });
  });
});

describe("4-level tables, in both walkers", () => {
  /** Address with the given indices from the top, and an offset. */
  const address = (a: number, b: number, c: number, d: number, offset = 0) =>
    a * 2 ** 39 + b * 2 ** 30 + c * 2 ** 21 + d * 2 ** 12 + offset;
  const AT = address(0x1f3, 0x101, 0x12, 0x34, 0x567);

  function long(): WideBed {
    const bed = new WideBed("4-level");
    bed.put(TOP, 0x1f3, GIBS | P | W | U);
    bed.put(GIBS, 0x101, DIRECTORY2 | P | W | U);
    bed.put(DIRECTORY2, 0x12, TABLE1 | P | W | U);
    bed.put(TABLE1, 0x34, 0x345000 | P | W | U);
    return bed;
  }

  test("translate 48-bit addresses", () => {
    const bed = long();
    expect(both(bed, AT)).toEqual([0x345567, true]);
    expect(both(bed, AT + 2 ** 12)).toBe(0);
    expect([both(bed, AT - 2 ** 39), both(bed, AT - 2 ** 30), both(bed, AT - 2 ** 21)]).toEqual([0, 0, 0]);
  });

  test("map 2 MiB and 1 GiB pages", () => {
    const bed = long();
    bed.put(DIRECTORY2, 0x12, 0x800000 | P | PS);
    expect(both(bed, AT)).toEqual([0x834567, true]);
    bed.put(GIBS, 0x101, P | PS);
    expect(both(bed, address(0x1f3, 0x101, 2, 0x45, 0x678))).toEqual([0x445678, true]);
    expect(bed.hardware.pageShift).toBe(30);
    bed.put(GIBS, 0x101, P | PS, 1);
    expect(both(bed, AT)).toEqual([0x100000000 + 0x2434567, false]);
  });

  test("combine rights of all levels, and set A on all of them", () => {
    const tables = [
      [TOP, 0x1f3],
      [GIBS, 0x101],
      [DIRECTORY2, 0x12],
      [TABLE1, 0x34],
    ] as const;
    for (const [table, index] of tables) {
      const bed = long();
      const [low] = bed.entry(table, index);
      bed.put(table, index, low & ~W, NX);
      expect([both(bed, AT, "write"), both(bed, AT, "fetch", true)]).toEqual([3, 21]);
      bed.put(table, index, low & ~U);
      expect(both(bed, AT, "read", true)).toBe(5);
    }
    for (const hardware of [false, true]) {
      const bed = long();
      if (hardware) bed.translate(AT, true, true);
      else bed.walker.walk({ gva: gva(AT), write: true, user: true }, bed.paging);
      expect(tables.map(([table, index]) => bed.entry(table, index)[0] & (A | D))).toEqual([A, A, A, A | D]);
    }
  });

  test("reserve bits 36-51, ignore 52-62, and PS of the topmost entries", () => {
    for (const [table, index] of [
      [TOP, 0x1f3],
      [GIBS, 0x101],
      [DIRECTORY2, 0x12],
      [TABLE1, 0x34],
    ] as const) {
      const bed = long();
      const [low] = bed.entry(table, index);
      const faulting = range(4, 31).filter((bit) => {
        bed.put(table, index, low, (1 << bit) >>> 0);
        return both(bed, AT) === 9;
      });
      expect(faulting).toEqual(range(4, 19));
      bed.paging.efer = Efer.LMA;
      bed.put(table, index, low, NX);
      expect(both(bed, AT)).toBe(9);
    }
    const bed = long();
    bed.put(TOP, 0x1f3, GIBS | P | PS);
    expect(both(bed, AT)).toBe(9);
    bed.put(TOP, 0x1f3, GIBS | P);
    const faulting = range(12, 30).filter((bit) => {
      bed.put(GIBS, 0x101, P | PS | (1 << bit));
      return both(bed, AT) === 9;
    });
    expect(faulting).toEqual(range(12, 29));
  });

  test("leave the path behind: tables, addresses, entries, and what the entries above allow", () => {
    const bed = long();
    bed.put(GIBS, 0x101, DIRECTORY2 | P | U);
    bed.put(DIRECTORY2, 0x12, TABLE1 | P | W | U, NX);
    bed.put(TABLE1, 0x34, 0x345000 | P | W);
    bed.walker.walk({ gva: gva(AT), write: false, user: false }, bed.paging);
    expect(bed.walker.path).toEqual({
      depth: 4,
      levels: [4, 3, 2, 1],
      tables: [TOP, GIBS, DIRECTORY2, TABLE1].map((at) => at >>> 12),
      addresses: [TOP + 0x1f3 * 8, GIBS + 0x101 * 8, DIRECTORY2 + 0x12 * 8, TABLE1 + 0x34 * 8],
      values: [GIBS | P | W | U | A, DIRECTORY2 | P | U | A, TABLE1 | P | W | U | A, 0x345000 | P | W | A],
      highs: [0, 0, NX, 0],
      above: [7, 7, 5, 4],
      rights: 0,
    });
  });
});

test("a path of PAE begins at the directory, and stops at a large page", () => {
  const bed = pae();
  bed.put(DIRECTORY2, 3, 0x400000 | P | W | PS, 0);
  bed.walker.probe({ gva: gva(PAGE), write: false, user: false }, bed.paging);
  const { depth, levels, tables, above, rights } = bed.walker.path;
  expect([depth, levels[0], tables[0], above[0], rights]).toEqual([1, 2, DIRECTORY2 >>> 12, 7, 3]);
});

test("whole trees of PAE can be listed", () => {
  const bed = pae();
  bed.put(POINTERS, 3, 0x15000 | P);
  bed.put(0x15000, 0x1ff, 0x800000 | P | W | PS | D | G, 1);
  bed.put(DIRECTORY2, 4, TABLE1 | P | U, NX);
  const read = (at: number) => bed.memory.read32(gpa(at));
  expect(dumpMappings(formatOf(Cr4.PAE, Efer.NXE), read, POINTERS)).toEqual([
    { gva: 0x40605000, sizeBytes: 0x1000, frame: 0x345, flags: "WU" },
    { gva: 0x40805000, sizeBytes: 0x1000, frame: 0x345, flags: "UN" },
    { gva: 0xffe00000, sizeBytes: 0x200000, frame: 0x100800, flags: "WDG" },
  ]);
});

test("random entries: both walkers agree on outcome, address, rights, A and D", () => {
  const seen = { allowed: 0, fault: 0, reserved: 0, large: 0 };
  const rarely = (bits: number) => fc.nat(11).chain((n) => (n === 0 ? fc.nat(bits) : fc.constant(0)));
  const flags = fc.subarray([W, U, A, D, G, PS]).map((some) => some.reduce((a, b) => a | b, 0));
  const entry = (frames: number[]) =>
    fc.record({
      low: fc
        .tuple(fc.constantFrom(...frames), flags, fc.nat(15), rarely(0x3fffff))
        .map(([frame, some, present, odd]) => (frame | some | (present === 0 ? 0 : P) | odd) >>> 0),
      high: fc
        .tuple(fc.constantFrom(0, 0, NX), rarely(0xfffff), rarely(0xf))
        .map(([nx, odd, frame]) => (nx | odd | frame) >>> 0),
    });
  const large = [0, 0x400000, 0xc00000];
  const setup = fc.record({
    format: fc.constantFrom("PAE" as const, "4-level" as const),
    top: entry([GIBS]),
    gib: entry([DIRECTORY2, ...large]),
    directory: entry([TABLE1, TABLE1, ...large]),
    leaf: entry([0x345000, 0xb8000, 0xfffff000]),
    nxe: fc.boolean(),
    pge: fc.boolean(),
    wp: fc.boolean(),
  });
  const accesses = fc.array(fc.record({ write: fc.boolean(), user: fc.boolean(), fetch: fc.boolean() }), {
    minLength: 3,
    maxLength: 3,
  });
  fc.assert(
    fc.property(setup, accesses, (given, list) => {
      const [soft, hard] = [0, 1].map(() => {
        const bed = new WideBed(given.format);
        bed.put(TOP, 0, given.top.low, given.top.high);
        bed.put(GIBS, 1, given.gib.low, given.gib.high);
        bed.put(DIRECTORY2, 3, given.directory.low, given.directory.high);
        bed.put(TABLE1, 5, given.leaf.low, given.leaf.high);
        if (given.format === "PAE") bed.latch(1);
        bed.paging.cr4 |= given.pge ? Cr4.PGE : 0;
        bed.paging.efer = (bed.paging.efer & ~Efer.NXE) | (given.nxe ? Efer.NXE : 0);
        if (!given.wp) bed.paging.cr0 &= ~Cr0.WP;
        return bed;
      }) as [WideBed, WideBed];
      for (const { write, user, fetch } of list) {
        const access = { gva: gva(PAGE + 0x123), write: write && !fetch, user, fetch };
        const walk = soft.walker.walk(access, soft.paging);
        const code = hard.translate(access.gva, access.write, user, fetch);
        const h = hard.hardware;
        if (walk.kind === "fault") {
          expect(code).toBe(walk.errorCode);
          seen.fault++;
          if (code & 8) seen.reserved++;
        } else {
          expect(code).toBe(-1);
          const { gpa: reached, user: forUsers, executable, global, dirty, writable, level } = walk;
          expect([h.gpa, h.user, h.executable, h.global, h.dirtyOk, h.userWritable]).toEqual([
            reached,
            forUsers,
            executable,
            global,
            dirty,
            writable && forUsers,
          ]);
          expect(h.pageShift).toBe([0, 12, 21, 30][level]);
          seen.allowed++;
          if (level > 1) seen.large++;
        }
        const tables = (bed: WideBed) =>
          (
            [
              [TOP, 0],
              [GIBS, 1],
              [DIRECTORY2, 3],
              [TABLE1, 5],
            ] as const
          ).map(([table, n]) => bed.entry(table, n));
        expect(tables(hard)).toEqual(tables(soft));
      }
    }),
    { numRuns: 300 },
  );
  expect(Math.min(seen.allowed, seen.fault, seen.reserved, seen.large)).toBeGreaterThan(20);
}, 30_000);

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, k) => first + k);
}
