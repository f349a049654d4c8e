import { beforeEach, describe, expect, test } from "vitest";
import * as L from "../../src/cpu/layout.ts";
import { Tlb } from "../../src/cpu/tlb.ts";
import { TlbRight } from "../../src/cpu/tlb-right.ts";

const ALL = Object.values(TlbRight).reduce((a, b) => a | b, 0);
const HOST = L.PHYS_BASE;

describe("INVLPG", () => {
  let u32: Uint32Array;
  let tlb: Tlb;
  beforeEach(() => {
    u32 = new Uint32Array(L.ARENA_BASE >> 2);
    tlb = new Tlb(u32);
  });
  const tag = (linear: number, which: number) =>
    u32[(L.TLB_BASE + ((linear >>> 12) & (L.TLB_ENTRIES - 1)) * L.TLB_ENTRY_SIZE + which) >> 2];
  const holds = (linear: number) => tag(linear, L.TLB_READ) === linear;

  test.each([
    [21, [0x40200000, 0x403ff000], [0x401ff000, 0x40400000]],
    [22, [0x40000000, 0x403ff000], [0x3ffff000, 0x40400000]],
    [30, [0x40000000, 0x7ffff000], [0x3fffe000, 0x80001000]],
  ])("drops all pieces of a page of 2^%i bytes, and no other's", (shift, inside, outside) => {
    for (const linear of [...inside, ...outside]) tlb.fill(linear, HOST, ALL, true, shift);
    tlb.flushPage(0x40345678);
    expect(inside.map(holds)).toEqual([false, false]);
    expect(outside.map(holds)).toEqual([true, true]);
  });

  test("drops one small page, global or not", () => {
    for (const linear of [0x1000, 0x2000, 0x3000]) tlb.fill(linear, HOST, ALL, linear === 0x2000, 12);
    tlb.flushPage(0x2abc);
    expect([0x1000, 0x2000, 0x3000].map(holds)).toEqual([true, false, true]);
  });

  test("a large page that is global outlives a flush of the others", () => {
    tlb.fill(0x200000, HOST, ALL, true, 21);
    tlb.fill(0x401000, HOST, ALL, false, 21);
    tlb.flush();
    expect([holds(0x200000), holds(0x401000)]).toEqual([true, false]);
    tlb.flushPage(0x3ff000);
    expect(holds(0x200000)).toBe(false);
  });

  test.each([
    ["a user's page under SMAP and SMEP", ALL & ~7],
    ["a page with a breakpoint on data", TlbRight.executeSupervisor | TlbRight.executeUser],
  ])("drops %s, which the supervisor may not read", (_name, rights) => {
    const tags = [0, L.TLB_USER].flatMap((set) => [L.TLB_READ + set, L.TLB_WRITE + set, L.TLB_EXEC + set]);
    for (const [linear, shift] of [
      [0x5000, 12],
      [0x40200000, 21],
    ] as const) {
      tlb.fill(linear, HOST, rights, false, shift);
      expect(tags.some((which) => tag(linear, which) === linear)).toBe(true);
      tlb.flushPage(shift === 12 ? linear : linear + 0x1ff000);
      expect(tags.some((which) => tag(linear, which) === linear)).toBe(false);
    }
  });

  test("write access to a frame is withdrawn from a page that only users may use, too", () => {
    tlb.fill(0x5000, HOST, ALL & ~7, false, 12);
    tlb.fill(0x6000, HOST + 0x1000, ALL & ~7, false, 12);
    tlb.revokeWrite(HOST);
    const writes = [0x5000, 0x6000].map((linear) => tag(linear, L.TLB_USER + L.TLB_WRITE));
    expect(writes).toEqual([L.TLB_INVALID, 0x6000]);
  });

  test("an entry without the right to execute has no such tag", () => {
    tlb.fill(0x1000, HOST, TlbRight.readSupervisor | TlbRight.readUser, false, 12);
    const tags = [L.TLB_EXEC, L.TLB_EXEC + L.TLB_USER, L.TLB_READ, L.TLB_READ + L.TLB_USER];
    expect(tags.map((which) => tag(0x1000, which))).toEqual([L.TLB_INVALID, L.TLB_INVALID, 0x1000, 0x1000]);
  });

  test.each([
    ["only the user may read (SMAP)", TlbRight.readUser | TlbRight.writeUser],
    ["there is a breakpoint on data", TlbRight.executeUser | TlbRight.executeSupervisor],
  ])("drops a page where %s", (_, rights) => {
    tlb.fill(0x5000, HOST, rights, false, 12);
    expect([...tlb.translations()]).toMatchObject([{ tag: 0, gva: 0x5000, hpa: HOST - L.PHYS_BASE }]);
    tlb.flushPage(0x5000);
    expect([...tlb.translations()]).toEqual([]);
    const tags = [L.TLB_EXEC, L.TLB_EXEC + L.TLB_USER, L.TLB_READ + L.TLB_USER, L.TLB_WRITE + L.TLB_USER];
    expect(tags.map((which) => tag(0x5000, which))).toEqual(tags.map(() => L.TLB_INVALID));
  });
});

describe("address spaces", () => {
  let tlb: Tlb;
  let u32: Uint32Array;
  beforeEach(() => {
    u32 = new Uint32Array(L.ARENA_BASE >> 2);
    tlb = new Tlb(u32);
  });
  const fill = (page: number) => tlb.fill(page, HOST, ALL, false, 12);
  const cached = () => [...tlb.translations()].map(({ tag, gva }) => `${tag}:${gva.toString(16)}`).sort();

  test("what was cached under a tag is there again when the tag is", () => {
    tlb.enter(1);
    fill(0x1000);
    const first = u32[L.TLB_SPACE >> 2];
    tlb.enter(2);
    fill(0x1000);
    fill(0x2000);
    expect(u32[L.TLB_SPACE >> 2]).not.toBe(first);
    tlb.enter(1);
    expect(u32[L.TLB_SPACE >> 2]).toBe(first);
    expect(cached()).toEqual(["1:1000", "2:1000", "2:2000"]);
  });

  test("drops concern all of them", () => {
    for (const tag of [1, 2, 3]) {
      tlb.enter(tag);
      fill(0x1000);
      fill(0x2000);
    }
    tlb.flushPage(0x1fff);
    expect(cached()).toEqual(["1:2000", "2:2000", "3:2000"]);
    tlb.revokeWrite(HOST);
    expect([...tlb.translations()].every(({ user }) => user.read && !user.write)).toBe(true);
    tlb.flushTag(2);
    expect(cached()).toEqual(["1:2000", "3:2000"]);
    tlb.flushAll();
    expect(cached()).toEqual([]);
  });

  test("with more tags than spaces, the one used longest ago loses its own", () => {
    for (let tag = 1; tag <= L.TLB_SPACES; tag++) {
      tlb.enter(tag);
      fill(0x1000);
    }
    tlb.enter(1);
    tlb.enter(100);
    expect(cached()).not.toContain("2:1000");
    expect(cached()).toHaveLength(L.TLB_SPACES - 1);
    tlb.enter(2);
    expect(cached()).toHaveLength(L.TLB_SPACES - 2);
  });

  test("after a reset no tag is known", () => {
    tlb.enter(7);
    fill(0x1000);
    tlb.reset();
    expect(cached()).toEqual([]);
    tlb.enter(7);
    expect(cached()).toEqual([]);
  });
});
