import { describe, expect, test } from "vitest";
import { Cr0, Cr4, Efer } from "../../src/cpu/state.ts";
import { GUEST_PAGE_FAULT, type TlbControl } from "../../src/mmu/pager.ts";
import { classifyFault } from "../../src/mmu/reflect.ts";
import { KvmPager } from "../../src/mmu/shadow/kvm/pager.ts";
import { VtlbPager } from "../../src/mmu/shadow/vtlb/pager.ts";
import { A, Bed, D, gpa, gva, P, PS, tableOf, U, W } from "./bed.ts";
import { seededRandom } from "./shadow/kvm/random.ts";
import { DIRECTORY2, TABLE1, WideBed } from "./wide-bed.ts";

const KINDS = ["read", "write", "fetch"] as const;

interface Access {
  readonly kind: (typeof KINDS)[number];
  readonly user: boolean;
  /** SMAP applies: EFLAGS.AC is clear, or the access is implicit. */
  readonly guarded: boolean;
}

interface Setting {
  readonly smep: boolean;
  readonly smap: boolean;
  readonly writeProtect: boolean;
  readonly nxe: boolean;
  readonly usersPage: boolean;
  readonly writable: boolean;
}

/** Intel SDM vol. 3, 4.6.1 and 4.7, in booleans: error code, or "allowed". */
function expected(s: Setting, a: Access): number | "allowed" {
  const supervisor = !a.user;
  const refused =
    (a.user && !s.usersPage) ||
    (supervisor && a.kind === "fetch" && s.smep && s.usersPage) ||
    (supervisor && a.kind !== "fetch" && s.smap && s.usersPage && a.guarded) ||
    (a.kind === "write" && !s.writable && (a.user || s.writeProtect));
  if (!refused) return "allowed";
  const instruction = a.kind === "fetch" && (s.smep || s.nxe) ? 16 : 0;
  return 1 + (a.kind === "write" ? 2 : 0) + (a.user ? 4 : 0) + instruction;
}

/** The paging of one bed, with one page at `at` and what lets the guest do an access there: error code, or -1. */
interface Way {
  readonly bed: Bed;
  readonly try: (access: Access) => number;
  readonly audit: () => unknown[];
}

const AT_NARROW = 0x40_5678;
const AT_WIDE = 0x4060_5678;
const FRAME = 0x500000;

function prepared(wide: boolean, large: boolean, s: Setting): Bed {
  const bed = wide ? new WideBed() : new Bed();
  const bits = P | A | D | (s.usersPage ? U : 0) | (s.writable ? W : 0);
  if (wide) {
    const b = bed as WideBed;
    b.latch(1);
    b.put(DIRECTORY2, 3, large ? 0x400000 | PS | bits : TABLE1 | P | W | U | A);
    b.put(TABLE1, 5, FRAME | bits);
    b.paging.efer = s.nxe ? Efer.NXE : 0;
  } else {
    bed.setPde(1, large ? 0x400000 | PS | bits : tableOf(1) | P | W | U | A);
    bed.setPte(AT_NARROW, FRAME | bits);
  }
  bed.paging.cr0 = (Cr0.PG | Cr0.PE | (s.writeProtect ? Cr0.WP : 0)) >>> 0;
  bed.paging.cr4 = (wide ? Cr4.PAE : Cr4.PSE) | (s.smep ? Cr4.SMEP : 0) | (s.smap ? Cr4.SMAP : 0);
  return bed;
}

function hardware(bed: Bed, at: number, { kind, user, guarded }: Access): number {
  const { cr0, cr3, cr4 } = bed.paging;
  const allowed = bed.hardware.translate(at, KINDS.indexOf(kind), user, cr0, cr3, cr4, guarded);
  return allowed ? -1 : bed.hardware.errorCode;
}

const WAYS: Record<string, (bed: Bed, at: number) => Way> = {
  software: (bed, at) => ({
    bed,
    try: ({ kind, user, guarded }) => {
      const access = { gva: gva(at), write: kind === "write", user, fetch: kind === "fetch" };
      const walk = bed.walker.walk({ ...access, guarded: guarded && !user && kind !== "fetch" }, bed.paging);
      return walk.kind === "fault" ? walk.errorCode : -1;
    },
    audit: () => [],
  }),
  hardware: (bed, at) => ({
    bed,
    try: (access) => {
      const code = hardware(bed, at, access);
      return code === -1 ? -1 : code & GUEST_PAGE_FAULT;
    },
    audit: () => [],
  }),
  vtlb: (bed, at) => {
    const pager = new VtlbPager({ ...bed });
    bed.hardware.set(pager.hardware);
    return {
      bed,
      try: shadowed(bed, at, (fault) => void pager.fill(fault as never)),
      audit: () => pager.audit(),
    };
  },
  kvm: (bed, at) => {
    let load = () => {};
    const nothing = () => {};
    const tlb: TlbControl = {
      flush: nothing,
      flushNonGlobal: nothing,
      flushPage: nothing,
      flushTag: nothing,
      loadRoot: () => load(),
      translations: () => [],
    };
    const { paging, memory, frames } = bed;
    const pager = new KvmPager({ paging, memory, frames, tlb });
    load = () => bed.hardware.set(pager.hardware);
    load();
    pager.enter();
    return {
      bed,
      try: shadowed(bed, at, ({ errorCode }) => {
        pager.fault(gva(at), errorCode);
        pager.enter();
      }),
      audit: () => pager.audit(),
    };
  },
};

function shadowed(bed: Bed, at: number, fill: (fault: { errorCode: number }) => void): Way["try"] {
  return (access) => {
    for (let turn = 0; turn < 4; turn++) {
      const errorCode = hardware(bed, at, access);
      if (errorCode === -1) return -1;
      const verdict = classifyFault(bed.walker, bed.paging, gva(at), errorCode);
      if (verdict.kind === "reflect") return verdict.reflection.errorCode;
      fill(verdict.fault);
    }
    throw new Error("the shadow does not allow the access in time");
  };
}

const bit = (n: number, place: number): boolean => ((n >>> place) & 1) !== 0;
const ROWS = Object.keys(WAYS).flatMap((way) =>
  [false, true].flatMap((wide) => [false, true].map((large) => ({ way, wide, large }) as const)),
);

describe.each(ROWS)(
  "SMEP and SMAP, $way, 8-byte entries $wide, large page $large",
  ({ way, wide, large }) => {
    const at = wide ? AT_WIDE : AT_NARROW;
    test("refuse what the manual says, whatever was allowed before", () => {
      const random = seededRandom(0x5a);
      const wrong: string[] = [];
      let refusals = 0;
      for (let n = 0; n < 64; n++) {
        const s: Setting = {
          smep: bit(n, 0),
          smap: bit(n, 1),
          writeProtect: bit(n, 2),
          usersPage: bit(n, 3),
          writable: bit(n, 4),
          nxe: wide && bit(n, 5),
        };
        const tried = (WAYS[way] as (bed: Bed, at: number) => Way)(prepared(wide, large, s), at);
        for (let turn = 0; turn < 40; turn++) {
          const access = {
            kind: KINDS[random(3)] as Access["kind"],
            user: random(2) === 0,
            guarded: random(2) === 0,
          };
          const want = expected(s, access);
          const got = tried.try(access);
          if (want !== "allowed") refusals++;
          if (got !== (want === "allowed" ? -1 : want))
            wrong.push(`${JSON.stringify({ ...s, ...access })}: ${got}, not ${want}`);
        }
        for (const violation of tried.audit()) wrong.push(JSON.stringify(violation));
      }
      expect(wrong.slice(0, 5)).toEqual([]);
      expect(refusals).toBeGreaterThan(500);
    });
  },
);

test("with paging off, neither keeps anybody from anything", () => {
  const bed = new Bed();
  bed.paging.cr0 = Cr0.PE;
  bed.paging.cr4 = Cr4.SMEP | Cr4.SMAP;
  for (const kind of KINDS) expect(hardware(bed, 0x1000, { kind, user: false, guarded: true })).toBe(-1);
  expect(bed.memory.read32(gpa(0x1000))).toBe(0);
});
