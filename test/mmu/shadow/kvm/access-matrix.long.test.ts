import { describe, expect, test } from "vitest";
import { Cr0, Efer } from "../../../../src/cpu/state.ts";
import type { TlbControl } from "../../../../src/mmu/pager.ts";
import { classifyFault } from "../../../../src/mmu/reflect.ts";
import type { KvmOptions } from "../../../../src/mmu/shadow/kvm/options.ts";
import { KvmPager } from "../../../../src/mmu/shadow/kvm/pager.ts";
import { expectedOutcome } from "../../access-model.ts";
import { A, Bed, D, gpa, gva, P, PS, tableOf, U, W } from "../../bed.ts";
import { expectedPaeOutcome } from "../../pae-access-model.ts";
import { DIRECTORY2, NX, TABLE1, WideBed } from "../../wide-bed.ts";

const KINDS = ["read", "write", "fetch"] as const;
type Kind = (typeof KINDS)[number];
const FRAME = 0x400000;
const BIT13 = 0x2000;
const TURNS = 4;

const bits = (n: number, ...masks: number[]): number =>
  masks.reduce((value, mask, i) => (n & (1 << i) ? value | mask : value), 0);

/** A pager with no TLB in front of it: every access is walked. */
function driven(bed: Bed, options: KvmOptions): KvmPager {
  let load = () => {};
  const tlb: TlbControl = {
    flush: () => {},
    flushNonGlobal: () => {},
    flushPage: () => {},
    flushTag: () => {},
    loadRoot: () => load(),
    translations: () => [],
  };
  const { paging, memory, frames } = bed;
  const pager = new KvmPager({ paging, memory, frames, tlb }, options);
  load = () => bed.hardware.set(pager.hardware);
  load();
  return pager;
}

/** Error code that the guest sees, or -1. */
function access(bed: Bed, pager: KvmPager, at: number, kind: Kind, user: boolean): number {
  for (let turn = 0; turn < TURNS; turn++) {
    const errorCode = bed.translate(at, kind === "write", user, kind === "fetch");
    if (errorCode === -1) return -1;
    const verdict = classifyFault(bed.walker, bed.paging, gva(at), errorCode);
    if (verdict.kind === "reflect") return verdict.reflection.errorCode;
    pager.fault(gva(at), errorCode);
    pager.enter();
  }
  throw new Error("the shadow does not allow the access in time");
}

describe.each<KvmOptions>([{}, { unsync: false, largeHostPages: true }])(
  "every combination of entry bits under kvm (%o)",
  (options) => {
    test("two-level: outcome, error code, A and D as written out", () => {
      const at = 0x40_5678;
      const bed = new Bed();
      const pager = driven(bed, options);
      let faults = 0;
      const wrong: string[] = [];
      for (let n = 0; n < 1 << 14; n++) {
        const wp = (n & (1 << 13)) !== 0;
        const user = (n & (1 << 12)) !== 0;
        const kind = (n & (1 << 11)) !== 0 ? "write" : "read";
        const pdeBits = bits(n >> 5, P, W, U, A, D, PS);
        const large = (pdeBits & PS) !== 0;
        const pdeBefore = (large ? FRAME : tableOf(1)) | pdeBits;
        const pteBefore = FRAME | bits(n, P, W, U, A, D);
        bed.setPde(1, pdeBefore);
        pager.guestTableWritten(gpa(bed.paging.cr3 + 4), 4);
        bed.setPte(at, pteBefore);
        pager.guestTableWritten(gpa(tableOf(1) + 5 * 4), 4);
        const cr0 = (Cr0.PG | Cr0.PE | (wp ? Cr0.WP : 0)) >>> 0;
        if (bed.paging.cr0 !== cr0) {
          bed.paging.cr0 = cr0;
          pager.contextChanged("cr0");
        }
        pager.invalidatePage(gva(at));
        pager.enter();
        const has = (value: number, bit: number) => (value & bit) !== 0;
        const outcome = expectedOutcome({
          pde: { present: has(pdeBefore, P), writable: has(pdeBefore, W), user: has(pdeBefore, U), large },
          pte: { present: has(pteBefore, P), writable: has(pteBefore, W), user: has(pteBefore, U) },
          writeProtect: wp,
          user,
          write: kind === "write",
        });
        const allowed = outcome === "allowed";
        const dirty = kind === "write" ? D : 0;
        const pdeAfter = allowed ? pdeBefore | A | (large ? dirty : 0) : pdeBefore;
        const pteAfter = allowed && !large ? pteBefore | A | dirty : pteBefore;
        for (let twice = 0; twice < 2; twice++) {
          const got = access(bed, pager, at, kind, user);
          if (got !== -1) faults++;
          if (got !== (allowed ? -1 : outcome) || bed.pde(1) !== pdeAfter || bed.pte(at) !== pteAfter)
            wrong.push(`${n}: ${got}, not ${outcome}; pde ${bed.pde(1)}, pte ${bed.pte(at)}`);
          if (allowed && bed.hardware.hpa !== 0x400000 + FRAME + (large ? 0x5000 : 0))
            wrong.push(`${n}: hpa ${bed.hardware.hpa}`);
        }
        if (n % 499 === 0) wrong.push(...pager.audit().map(({ detail }) => detail));
      }
      expect({ faults, wrong: wrong.slice(0, 5) }).toEqual({ faults: 25_664, wrong: [] });
    }, 60_000);
  },
);

test("PAE, every combination of entry bits with NX and reserved ones under kvm: as written out", () => {
  const at = 0x4060_5678;
  const bed = new WideBed();
  bed.latch(1);
  const pager = driven(bed, {});
  const words = bed.machine.u32;
  const [pdeAt, pteAt] = [DIRECTORY2 + 3 * 8, TABLE1 + 5 * 8];
  const pdeWord = bed.memory.hpa(gpa(pdeAt)) >>> 2;
  const pteWord = bed.memory.hpa(gpa(pteAt)) >>> 2;
  let cases = 0;
  let faults = 0;
  const wrong: string[] = [];
  for (let registers = 0; registers < 4; registers++) {
    const nxe = (registers & 1) !== 0;
    const writeProtect = (registers & 2) !== 0;
    bed.paging.efer = nxe ? Efer.NXE : 0;
    pager.contextChanged("efer");
    bed.paging.cr0 = (Cr0.PG | Cr0.PE | (writeProtect ? Cr0.WP : 0)) >>> 0;
    pager.contextChanged("cr0");
    for (let n = 0; n < 1 << 14; n++) {
      const pteBits = bits(n, P, W, U, A, D);
      const pteNx = (n & 0x20) !== 0;
      const pdeBits = bits(n >> 6, P, W, U, A, D, PS);
      const pdeNx = (n & 0x1000) !== 0;
      const bit13 = (n & 0x2000) !== 0;
      const large = (pdeBits & PS) !== 0;
      if (bit13 && !large) continue;
      if ((bit13 ? 1 : 0) + (nxe ? 0 : (pdeNx ? 1 : 0) + (pteNx ? 1 : 0)) > 1) continue;
      const entry = (flags: number, noExecute: boolean) => ({
        present: (flags & P) !== 0,
        writable: (flags & W) !== 0,
        user: (flags & U) !== 0,
        noExecute,
      });
      const base = {
        pde: { ...entry(pdeBits, pdeNx), large, bit13 },
        pte: entry(pteBits, pteNx),
        writeProtect,
        nxe,
      };
      const pdeBefore = (large ? FRAME | (bit13 ? BIT13 : 0) : TABLE1) | pdeBits;
      const pteBefore = FRAME | pteBits;
      for (const user of [false, true])
        for (const kind of KINDS)
          for (const twice of [false, true]) {
            words[pdeWord] = pdeBefore;
            words[pdeWord + 1] = pdeNx ? NX : 0;
            pager.guestTableWritten(gpa(pdeAt), 8);
            words[pteWord] = pteBefore;
            words[pteWord + 1] = pteNx ? NX : 0;
            pager.guestTableWritten(gpa(pteAt), 8);
            pager.invalidatePage(gva(at));
            cases++;
            const tries = [...(twice ? [{ user: false, kind: "read" as const }] : []), { user, kind }];
            let pde = pdeBefore;
            let pte = pteBefore;
            for (const each of tries) {
              const outcome = expectedPaeOutcome({ ...base, ...each });
              const allowed = outcome === "allowed";
              if (allowed) {
                const dirty = each.kind === "write" ? D : 0;
                pde |= A | (large ? dirty : 0);
                pte |= large ? 0 : A | dirty;
              }
              const got = access(bed, pager, at, each.kind, each.user);
              if (got !== (allowed ? -1 : outcome) || words[pdeWord] !== pde || words[pteWord] !== pte)
                wrong.push(`${registers} ${n} ${user} ${kind} ${twice}: ${got}, not ${outcome}`);
              if (allowed && bed.hardware.hpa !== 0x400000 + FRAME + (large ? 0x5000 : 0))
                wrong.push(`${registers} ${n} ${user} ${kind} ${twice}: hpa ${bed.hardware.hpa}`);
            }
            if (expectedPaeOutcome({ ...base, user, kind }) !== "allowed") faults++;
          }
      if (n % 997 === 0) wrong.push(...pager.audit().map(({ detail }) => detail));
    }
  }
  expect({ cases, faults, wrong: wrong.slice(0, 5) }).toEqual({ cases: 466_944, faults: 411_456, wrong: [] });
}, 120_000);
