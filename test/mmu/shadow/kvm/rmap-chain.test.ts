import { expect, test } from "vitest";
import { SILENT } from "../../../../src/mmu/shadow/kvm/listener.ts";
import type { KvmOptions } from "../../../../src/mmu/shadow/kvm/options.ts";
import { FLUSH_CEILING } from "../../../../src/mmu/shadow/kvm/owed-flush.ts";
import { A, Bed, D, gpa, MIB, P, U, W } from "../../bed.ts";
import { KvmVcpu } from "./vcpu.ts";

/** Mappings of one page in a guest of 512 MiB: all its pages but 1,000. */
const MAPPINGS = 130_072;
const FIRST = 0x40000000;
const TARGET = 0x1ff00000;

/** A guest that maps one page at very many addresses and touches each by writing. */
function chain(options: KvmOptions): KvmVcpu {
  const bed = new Bed(512 * MIB, 0x22000);
  bed.paging.cr3 = 0x10000;
  for (let n = 0; n < MAPPINGS; n++) {
    const at = FIRST + n * 4096;
    const table = 0x1000000 + ((at >>> 22) & 0x3ff) * 0x1000;
    if (n % 1024 === 0) bed.setPde(at >>> 22, table | P | W | U | A);
    bed.memory.write32(gpa(table + ((at >>> 12) & 0x3ff) * 4), TARGET | P | W | U | A | D);
  }
  const vcpu = new KvmVcpu({ records: false, listener: SILENT, ...options }, bed);
  for (let n = 0; n < MAPPINGS; n++) {
    vcpu.write(FIRST + n * 4096, n);
    vcpu.tlb.clear();
  }
  return vcpu;
}

/** The page itself becomes the table of a fresh 4 MiB, and is then written through it. */
function makeTable(vcpu: KvmVcpu): void {
  const { bed } = vcpu;
  bed.memory.write32(gpa(TARGET), TARGET | P | W | U | A | D);
  bed.setPde(0x300, TARGET | P | W | U | A);
  vcpu.pager.guestTableWritten(gpa(0x10000 + 0x300 * 4), 4);
  expect(vcpu.read(0xc0000000)).toEqual({ gpa: TARGET, backed: true });
}

test("130,072 mappings of one page, all kept: turning it into a table is one pass over its list", () => {
  const vcpu = chain({ recycle: false });
  const { lists, cells } = vcpu.shadow;
  const cell = cells.rmap(TARGET >>> 12, 1);
  expect(lists.length(cell)).toBe(MAPPINGS);
  const { slotVisits, linkLoads } = lists.counters;
  makeTable(vcpu);
  // One more: the table maps itself, goes out of step, and tells its only parent. And the parents of those whose addresses are flushed are
  // asked for them, until they are too many.
  const asked = FLUSH_CEILING + 1;
  expect(lists.counters.slotVisits - slotVisits).toBe(MAPPINGS + 1 + asked);
  expect(lists.counters.linkLoads - linkLoads).toBeLessThan(MAPPINGS + 2 * asked + 100);
  expect(vcpu.write(0xc0000000, 0)).toEqual({ gpa: TARGET, backed: true });
  expect(vcpu.pager.audit()).toEqual([]);
}, 60_000);

test("130,072 mappings of one page with recycling: its list never exceeds 1001", () => {
  const vcpu = chain({ recycle: true, prefetch: false });
  expect(vcpu.shadow.lists.length(vcpu.shadow.cells.rmap(TARGET >>> 12, 1))).toBeLessThanOrEqual(1001);
  // The access that is one too many is repeated after the list was emptied: 1001 stay of every 1002.
  expect(vcpu.shadow.stats.recycledGfns).toBe(Math.floor((MAPPINGS - 1) / 1001));
  makeTable(vcpu);
  expect(vcpu.pager.audit()).toEqual([]);
}, 60_000);
