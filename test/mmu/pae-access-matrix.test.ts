import { describe, expect, test } from "vitest";
import { Cr0, Efer } from "../../src/cpu/state.ts";
import { classifyFault } from "../../src/mmu/reflect.ts";
import { VtlbPager } from "../../src/mmu/shadow/vtlb/pager.ts";
import { A, D, gva, P, PS, U, W } from "./bed.ts";
import { expectedPaeOutcome, type PaeCase } from "./pae-access-model.ts";
import { DIRECTORY2, NX, TABLE1, WideBed } from "./wide-bed.ts";

/** In GiB 1, entry 3 of the directory, entry 5 of the table; inside a 2 MiB page too. */
const ADDRESS = 0x4060_5678;
const PDE = 3;
const PTE = 5;
const FRAME = 0x400000;
const BIT13 = 0x2000;
const KINDS = ["read", "write", "fetch"] as const;
type Kind = (typeof KINDS)[number];

/** One access by one of the ways; error code, or -1. */
type Way = (bed: WideBed, kind: Kind, user: boolean) => number;

const software: Way = (bed, kind, user) => {
  const access = { gva: gva(ADDRESS), write: kind === "write", user, fetch: kind === "fetch" };
  const walk = bed.walker.walk(access, bed.paging);
  return walk.kind === "fault" ? walk.errorCode : -1;
};
const hardware: Way = (bed, kind, user) => bed.translate(ADDRESS, kind === "write", user, kind === "fetch");

const pagers = new WeakMap<WideBed, VtlbPager>();
const shadow: Way = (bed, kind, user) => {
  for (let tries = 0; tries < 3; tries++) {
    const errorCode = hardware(bed, kind, user);
    if (errorCode === -1) return -1;
    const verdict = classifyFault(bed.walker, bed.paging, gva(ADDRESS), errorCode);
    if (verdict.kind === "reflect") return verdict.reflection.errorCode;
    pagers.get(bed)?.fill(verdict.fault);
  }
  throw new Error("the shadow does not allow the access after three fills");
};

const bits = (n: number, ...masks: number[]): number =>
  masks.reduce((value, mask, i) => (n & (1 << i) ? value | mask : value), 0);

/**
 * Every combination of PTE P W U A D NX, PDE P W U A D PS NX and reserved bit 13, EFER.NXE, CR0.WP, privilege, kind of access, and whether a
 * supervisor has read there before; with at most one reserved bit (NX is one without NXE; bit 13 counts where a large page is mapped).
 */
function runMatrix(way: Way, bed = new WideBed(), pager?: VtlbPager) {
  bed.latch(1);
  let cases = 0;
  let faults = 0;
  const wrong: string[] = [];
  const try1 = (c: PaeCase, before: readonly [number, number]): [number, number] => {
    const expected = expectedPaeOutcome(c);
    const allowed = expected === "allowed";
    const dirty = c.kind === "write" ? D : 0;
    const after: [number, number] = !allowed
      ? [before[0], before[1]]
      : c.pde.large
        ? [before[0] | A | dirty, before[1]]
        : [before[0] | A, before[1] | A | dirty];
    const got = way(bed, c.kind, c.user);
    const pde = bed.machine.u32[pdeWord] as number;
    const pte = bed.machine.u32[pteWord] as number;
    if (got !== (allowed ? -1 : expected) || pde !== after[0] || pte !== after[1])
      wrong.push(`${JSON.stringify(c)}: ${got}, pde ${pde.toString(16)}, pte ${pte.toString(16)}`);
    const hpa = 0x400000 + FRAME + (c.pde.large ? 0x5000 : 0);
    if (allowed && way !== software && bed.hardware.hpa !== hpa)
      wrong.push(`${JSON.stringify(c)}: hpa ${bed.hardware.hpa}`);
    return after;
  };
  const words = bed.machine.u32;
  const pdeWord = (bed.memory.hpa((DIRECTORY2 + PDE * 8) as never) as number) >>> 2;
  const pteWord = (bed.memory.hpa((TABLE1 + PTE * 8) as never) as number) >>> 2;
  for (let registers = 0; registers < 4; registers++) {
    const nxe = (registers & 1) !== 0;
    const writeProtect = (registers & 2) !== 0;
    bed.paging.efer = nxe ? Efer.NXE : 0;
    pager?.contextChanged("efer");
    bed.paging.cr0 = (Cr0.PG | Cr0.PE | (writeProtect ? Cr0.WP : 0)) >>> 0;
    pager?.contextChanged("cr0");
    for (let n = 0; n < 1 << 14; n++) {
      const pteBits = bits(n, P, W, U, A, D);
      const pteNx = (n & 0x20) !== 0;
      const pdeBits = bits(n >> 6, P, W, U, A, D, PS);
      const pdeNx = (n & 0x1000) !== 0;
      const bit13 = (n & 0x2000) !== 0;
      const large = (pdeBits & PS) !== 0;
      if (bit13 && !large) continue;
      const reserved = (bit13 ? 1 : 0) + (nxe ? 0 : (pdeNx ? 1 : 0) + (pteNx ? 1 : 0));
      if (reserved > 1) continue;
      const pde = {
        present: (pdeBits & P) !== 0,
        writable: (pdeBits & W) !== 0,
        user: (pdeBits & U) !== 0,
        noExecute: pdeNx,
        large,
        bit13,
      };
      const pte = {
        present: (pteBits & P) !== 0,
        writable: (pteBits & W) !== 0,
        user: (pteBits & U) !== 0,
        noExecute: pteNx,
      };
      const before = [(large ? FRAME | (bit13 ? BIT13 : 0) : TABLE1) | pdeBits, FRAME | pteBits] as const;
      for (const user of [false, true])
        for (const kind of KINDS)
          for (const twice of [false, true]) {
            words[pdeWord] = before[0];
            words[pdeWord + 1] = pdeNx ? NX : 0;
            words[pteWord] = before[1];
            words[pteWord + 1] = pteNx ? NX : 0;
            pager?.invalidatePage(gva(ADDRESS));
            const c: PaeCase = { pde, pte, writeProtect, nxe, user, kind };
            cases++;
            const seen = twice ? try1({ ...c, user: false, kind: "read" }, before) : before;
            try1(c, seen);
            if (expectedPaeOutcome(c) !== "allowed") faults++;
          }
      if (pager !== undefined && n % 499 === 0) {
        const { violations, staleEntries } = pager.auditReport();
        wrong.push(...violations.map(({ detail }) => detail));
        if (staleEntries !== 0) wrong.push("stale entries without a change");
      }
    }
  }
  return { cases, faults, wrong: wrong.slice(0, 5) };
}

describe("every combination of entry bits, EFER.NXE, CR0.WP, privilege and access under PAE", () => {
  // The figures of the design's own model.
  const expected = { cases: 466_944, faults: 411_456, wrong: [] };

  test("has the written-out outcome, error code, A and D in the software walker", () => {
    expect(runMatrix(software)).toEqual(expected);
  }, 30_000);
  test("has them in the hardware walker of guest tables", () => {
    expect(runMatrix(hardware)).toEqual(expected);
  }, 30_000);
  test("has them under vtlb, through fills and reflected faults", () => {
    const bed = new WideBed();
    const pager = new VtlbPager({ ...bed });
    pagers.set(bed, pager);
    bed.hardware.set(pager.hardware);
    expect(runMatrix(shadow, bed, pager)).toEqual(expected);
  }, 30_000);
});
