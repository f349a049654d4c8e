import { describe, expect, test } from "vitest";
import { Cr0 } from "../../src/cpu/state.ts";
import { classifyFault } from "../../src/mmu/reflect.ts";
import { VtlbPager } from "../../src/mmu/shadow/vtlb/pager.ts";
import { type AccessCase, expectedOutcome } from "./access-model.ts";
import { A, Bed, D, gva, P, PS, tableOf, U, W } from "./bed.ts";

const ADDRESS = 0x40_5678;
const FRAME = 0x400000;

/** One access by one of the three ways; error code, or -1. */
type Way = (bed: Bed, write: boolean, user: boolean) => number;

const software: Way = (bed, write, user) => {
  const walk = bed.walker.walk({ gva: gva(ADDRESS), write, user }, bed.paging);
  return walk.kind === "fault" ? walk.errorCode : -1;
};
const hardware: Way = (bed, write, user) => bed.translate(ADDRESS, write, user);
const shadow: Way = (bed, write, user) => {
  for (let tries = 0; tries < 3; tries++) {
    const errorCode = bed.translate(ADDRESS, write, user);
    if (errorCode === -1) return -1;
    const verdict = classifyFault(bed.walker, bed.paging, gva(ADDRESS), errorCode);
    if (verdict.kind === "reflect") return verdict.reflection.errorCode;
    pagers.get(bed)?.fill(verdict.fault);
  }
  throw new Error("the shadow does not allow the access after three fills");
};
const pagers = new WeakMap<Bed, VtlbPager>();

const bits = (n: number, ...masks: number[]): number =>
  masks.reduce((value, mask, i) => (n & (1 << i) ? value | mask : value), 0);

/** Every combination of PTE P W U A D, PDE P W U A D PS, WP, privilege, write; each access made twice. */
function runMatrix(way: Way, bed: Bed, pager?: VtlbPager) {
  let faults = 0;
  const wrong: string[] = [];
  for (let n = 0; n < 1 << 14; n++) {
    const wp = (n & (1 << 13)) !== 0;
    const user = (n & (1 << 12)) !== 0;
    const write = (n & (1 << 11)) !== 0;
    const pteBits = bits(n, P, W, U, A, D);
    const pdeBits = bits(n >> 5, P, W, U, A, D, PS);
    const large = (pdeBits & PS) !== 0;
    const pdeBefore = (large ? FRAME : tableOf(1)) | pdeBits;
    const pteBefore = FRAME | pteBits;
    bed.setPde(1, pdeBefore);
    bed.setPte(ADDRESS, pteBefore);
    const cr0 = (bed.paging.cr0 & ~Cr0.WP) | (wp ? Cr0.WP : 0);
    if (bed.paging.cr0 !== cr0 >>> 0) {
      bed.paging.cr0 = cr0 >>> 0;
      pager?.contextChanged("cr0");
    }
    pager?.invalidatePage(gva(ADDRESS));
    const has = (value: number, bit: number) => (value & bit) !== 0;
    const model: AccessCase = {
      pde: { present: has(pdeBits, P), writable: has(pdeBits, W), user: has(pdeBits, U), large },
      pte: { present: has(pteBits, P), writable: has(pteBits, W), user: has(pteBits, U) },
      writeProtect: wp,
      user,
      write,
    };
    const outcome = expectedOutcome(model);
    const allowed = outcome === "allowed";
    const pdeAfter = allowed ? pdeBefore | A | (large && write ? D : 0) : pdeBefore;
    const pteAfter = allowed && !large ? pteBefore | A | (write ? D : 0) : pteBefore;
    for (let twice = 0; twice < 2; twice++) {
      const got = way(bed, write, user);
      if (got !== -1) faults++;
      if (got !== (allowed ? -1 : outcome) || bed.pde(1) !== pdeAfter || bed.pte(ADDRESS) !== pteAfter)
        wrong.push(`${JSON.stringify(model)}: ${got}, pde ${bed.pde(1)}, pte ${bed.pte(ADDRESS)}`);
      if (allowed && way !== software) {
        const frame = large ? FRAME + (ADDRESS & 0x3ff000) : FRAME;
        if (bed.hardware.hpa !== 0x400000 + frame)
          wrong.push(`${JSON.stringify(model)}: hpa ${bed.hardware.hpa}`);
      }
    }
    if (pager !== undefined && n % 61 === 0) {
      const report = pager.auditReport();
      wrong.push(...report.violations.map((v) => v.detail));
      if (report.staleEntries !== 0) wrong.push("stale entries without a change");
    }
  }
  return { faults, wrong: wrong.slice(0, 5) };
}

describe("every combination of entry bits, CR0.WP, privilege and access", () => {
  // 32,768 accesses, 25,664 of them faults: the figures of the design's own model.
  const expected = { faults: 25_664, wrong: [] };

  test("has the written-out outcome, error code, A and D in the software walker", () => {
    expect(runMatrix(software, new Bed())).toEqual(expected);
  });
  test("has them in the hardware walker of guest tables", () => {
    expect(runMatrix(hardware, new Bed())).toEqual(expected);
  });
  test("has them under vtlb, through fills and reflected faults", () => {
    const bed = new Bed();
    const pager = new VtlbPager({ ...bed });
    pagers.set(bed, pager);
    bed.hardware.set(pager.hardware);
    expect(runMatrix(shadow, bed, pager)).toEqual(expected);
  });
});
