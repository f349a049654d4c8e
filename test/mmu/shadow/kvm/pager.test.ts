import { describe, expect, test } from "vitest";
import { PagerError, type ShadowFault } from "../../../../src/mmu/pager.ts";
import { classifyFault } from "../../../../src/mmu/reflect.ts";
import { reserve } from "../../../../src/mmu/shadow/kvm/budget.ts";
import {
  decodeRole,
  directRole,
  quadrantFor,
  RoleBit,
  tableRole,
} from "../../../../src/mmu/shadow/kvm/role.ts";
import { A, Bed, D, gpa, gva, P, U, W } from "../../bed.ts";
import { DIRECTORY2, POINTERS, WideBed } from "../../wide-bed.ts";
import { KvmVcpu } from "./vcpu.ts";

const WINDOW_TABLE = 0x250000;
const WINDOW = 0xe0000000;

/** The fault of one access, as the Mmu hands it on. */
function faultOf(vcpu: KvmVcpu, at: number, write: boolean): ShadowFault {
  const errorCode = vcpu.bed.translate(at, write, false);
  const verdict = classifyFault(vcpu.bed.walker, vcpu.bed.paging, gva(at), errorCode);
  if (verdict.kind !== "shadow") throw new Error(`0x${at.toString(16)} does not fault for the shadow's sake`);
  return verdict.fault;
}

describe("roles", () => {
  test("hold what they are made of, and differ in whatever decides a page's contents", () => {
    const base = RoleBit.wide | RoleBit.nxe | RoleBit.writeProtect;
    expect(decodeRole(tableRole(base, 1, 0, 5))).toEqual({
      level: 1,
      wide: true,
      quadrant: 0,
      direct: false,
      access: 5,
      invalid: false,
      nxe: true,
      writeProtect: true,
      smepWithoutWp: false,
      pse: false,
      lent: false,
    });
    expect(decodeRole(directRole(base | RoleBit.pse, 2, 7))).toMatchObject({
      level: 2,
      wide: false,
      direct: true,
      pse: true,
    });
    const roles = [
      tableRole(0, 1, 0, 7),
      tableRole(0, 1, 1, 7),
      tableRole(0, 2, 0, 7),
      tableRole(0, 1, 0, 5),
    ];
    roles.push(
      tableRole(RoleBit.pse, 1, 0, 7),
      tableRole(RoleBit.writeProtect, 1, 0, 7),
      directRole(0, 1, 7),
    );
    expect(new Set(roles).size).toBe(roles.length);
  });
  test("quadrants follow the address", () => {
    const all = [0, 0x200000, 0x40000000, 0xffe00000];
    expect(all.map((at) => quadrantFor(at, 1))).toEqual([0, 1, 0, 1]);
    expect(all.map((at) => quadrantFor(at, 2))).toEqual([0, 0, 1, 3]);
  });
});

describe("as a Pager that is only asked to fill", () => {
  test("says what the fill did", () => {
    const vcpu = new KvmVcpu();
    vcpu.bed.map(0x400000, 0x300000 | P | W | U);
    expect(vcpu.pager.fill(faultOf(vcpu, 0x400000, false))).toEqual({
      gva: 0x400000,
      gfn: 0x300,
      mfn: vcpu.bed.p2m.base + 0x300,
      writable: false,
      user: true,
      level: 1,
      tablesAllocated: 1,
    });
    expect(vcpu.pager.fill(faultOf(vcpu, 0x400000, true))).toMatchObject({
      writable: true,
      tablesAllocated: 0,
    });
    expect(vcpu.pager.audit()).toEqual([]);
  });

  test("gives up the shadow of a table that is to be written, and refuses what leads to itself", () => {
    const bed = new Bed();
    bed.setPde(WINDOW >>> 22, WINDOW_TABLE | P | W | A);
    for (let page = 0; page < 1024; page++)
      bed.memory.write32(gpa(WINDOW_TABLE + page * 4), (page << 12) | P | W | A | D);
    bed.map(0x400000, 0x300000 | P | W | U);
    const vcpu = new KvmVcpu({ unsync: false, prefetch: false }, bed);
    vcpu.read(0x400000);
    const table = vcpu.page("L1 201 q0");
    vcpu.read(WINDOW + 0x201000);
    expect(vcpu.pager.fill(faultOf(vcpu, WINDOW + 0x201000, true))).toMatchObject({
      gfn: 0x201,
      writable: true,
    });
    expect(vcpu.shadow.pages.isLive(table)).toBe(false);
    expect(vcpu.pager.audit()).toEqual([]);
    vcpu.read(WINDOW + 0x10000);
    expect(() => vcpu.pager.fill(faultOf(vcpu, WINDOW + 0x10000, true))).toThrow(PagerError);
    expect(vcpu.pager.audit()).toEqual([]);
  });

  test("survives its own root being given up for room", () => {
    const bed = new Bed();
    for (let slot = 1; slot < 100; slot++) bed.map(slot * 0x400000, 0x300000 | P | W | U);
    const vcpu = new KvmVcpu({ budget: 64 }, bed);
    for (let slot = 1; slot < 100; slot++) {
      vcpu.pager.fill(faultOf(vcpu, slot * 0x400000, false));
      expect(bed.translate(slot * 0x400000, false, false)).toBe(-1);
    }
    expect(vcpu.shadow.stats.reloads).toBeGreaterThan(1);
    expect(vcpu.pager.audit()).toEqual([]);
  });
});

describe("a guest with PAE", () => {
  test("has a root for each pointer that is present; four roots take four pages of those set aside, and no list object", () => {
    for (const rmap of ["sibling", "descriptors", "linked"] as const) {
      const bed = new WideBed();
      for (const gib of [0, 1, 3]) bed.put(POINTERS, gib, (DIRECTORY2 + gib * 0x1000) | P);
      bed.hardware.latchPdptes(POINTERS);
      const vcpu = new KvmVcpu({ rmap }, bed);
      expect(vcpu.livePages()).toEqual(["L2 13", "L2 14", "L2 16"]);
      expect(vcpu.read(0x80000000)).toEqual({ fault: 0 });
      bed.put(POINTERS + 0x20, 0, 0x20000 | P);
      for (const gib of [1, 2, 3]) bed.put(POINTERS + 0x20, gib, (0x20000 + gib * 0x1000) | P);
      const { pages, lists } = vcpu.shadow;
      reserve(vcpu.shadow);
      const { spares } = pages;
      vcpu.loadCr3(POINTERS + 0x20);
      expect([spares - pages.spares, lists.counters.allocs]).toEqual([4, 0]);
      expect(vcpu.pager.audit()).toEqual([]);
    }
  });

  test("keeps its roots when CR3 changes but not what it points to, and its stores to the pointers wait for the next load", () => {
    const bed = new WideBed();
    bed.latch(0);
    bed.put(POINTERS + 0x40, 0, DIRECTORY2 | P);
    const vcpu = new KvmVcpu({}, bed);
    const { created } = vcpu.shadow.stats;
    const { hits } = vcpu.shadow.stats;
    vcpu.loadCr3(POINTERS + 0x40);
    expect([vcpu.shadow.stats.created, vcpu.shadow.stats.hits]).toEqual([created, hits]);
    bed.put(POINTERS + 0x40, 0, 0x20000 | P);
    expect(vcpu.livePages()).toEqual(["L2 13"]);
    vcpu.loadCr3(POINTERS + 0x40);
    expect(vcpu.livePages()).toEqual(["L2 13", "L2 20"]);
    expect(vcpu.pager.audit()).toEqual([]);
  });
});
