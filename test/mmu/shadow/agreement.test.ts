import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Cr0, Cr4 } from "../../../src/cpu/state.ts";
import { A, Bed, D, G, gpa, gva, P, PS, tableOf, U, W } from "../bed.ts";
import { type Seen, ShadowVcpu } from "./vcpu.ts";

const DIRECTORIES = [0x10000, 0x11000, 0x12000];
/** Each directory has tables of its own for the user slots; kernel slots are shared and may be global, as kernels do it. */
const USER_SLOTS = [0, 1, 2];
const KERNEL_SLOTS = [0x300, 0x301];
const SLOTS = [...USER_SLOTS, ...KERNEL_SLOTS];
const PAGES = [0, 1, 0x3ff];
const FRAMES = [0x345000, 0x346000, 0x9f000, 0xb8000, 0xbff000, 0xc00000, 0xfffff000];
const LARGE_FRAMES = [0, 0x400000, 0x800000, 0xc00000];

const tableFor = (directory: number, slot: number): number =>
  USER_SLOTS.includes(slot)
    ? 0x300000 + DIRECTORIES.indexOf(directory) * 0x4000 + slot * 0x1000
    : tableOf(slot & 0xff);
const addressOf = (slot: number, page: number): number => slot * 0x400000 + page * 0x1000;

const flags = (...bits: number[]) => fc.subarray(bits).map((some) => some.reduce((a, b) => a | b, 0));
const chance = (bit: number, oneIn: number) => fc.nat(oneIn - 1).map((n) => (n === 0 ? bit : 0));
const mostly = (bit: number, oneIn: number) => fc.nat(oneIn - 1).map((n) => (n === 0 ? 0 : bit));
const or = (...parts: fc.Arbitrary<number>[]) =>
  fc.tuple(...parts).map((values) => values.reduce((a, b) => (a | b) >>> 0, 0));

const slot = fc.constantFrom(...SLOTS);
const page = fc.constantFrom(...PAGES);
const dir = fc.nat(DIRECTORIES.length - 1);
const pteBits = or(fc.constantFrom(...FRAMES), mostly(P, 8), flags(W, U, A, D, G), chance(0x80, 20));
const largeBits = or(
  fc.constantFrom(...LARGE_FRAMES),
  mostly(P, 8),
  flags(W, U, A, D, G),
  chance(0x2000, 20),
);
const linkBits = or(mostly(P, 8), mostly(W, 4), mostly(U, 4), flags(A));

type Op =
  | { kind: "access"; slot: number; page: number; write: boolean; user: boolean }
  | { kind: "pte"; dir: number; slot: number; page: number; entry: number }
  | { kind: "link"; dir: number; slot: number; bits: number }
  | { kind: "large"; dir: number; slot: number; entry: number }
  | { kind: "cr3"; dir: number }
  | { kind: "invlpg"; slot: number; page: number }
  | { kind: "cr0"; value: number }
  | { kind: "cr4"; value: number };

const access = fc.record({
  kind: fc.constant("access" as const),
  slot,
  page,
  write: fc.boolean(),
  user: fc.boolean(),
});
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 12, arbitrary: access },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("pte" as const), dir, slot, page, entry: pteBits }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("link" as const), dir, slot, bits: linkBits }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("large" as const), dir, slot, entry: largeBits }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cr3" as const), dir }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("invlpg" as const), slot, page }) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(Cr0.PG, Cr0.PG | Cr0.WP, Cr0.PG | Cr0.WP, 0)
      .map((bits) => ({ kind: "cr0" as const, value: (bits | Cr0.PE) >>> 0 })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom(Cr4.PSE, Cr4.PSE | Cr4.PGE, Cr4.PGE, 0)
      .map((value) => ({ kind: "cr4" as const, value })),
  },
);

/** Links every slot of every directory to its table and fills the tables with the given entries. */
function prepare(bed: Bed, entries: number[]): void {
  let next = 0;
  for (const directory of DIRECTORIES)
    for (const slot of SLOTS) {
      bed.setPde(
        slot,
        tableFor(directory, slot) | P | W | U | (KERNEL_SLOTS.includes(slot) ? A : 0),
        directory,
      );
      for (const page of PAGES)
        bed.memory.write32(
          gpa(tableFor(directory, slot) + page * 4),
          entries[next++ % entries.length] as number,
        );
    }
}

/** The change to the guest's tables that an op makes; user slots are never global. */
function change(bed: Bed, op: Extract<Op, { kind: "pte" | "link" | "large" }>): void {
  const kernel = KERNEL_SLOTS.includes(op.slot);
  const directory = DIRECTORIES[op.dir] as number;
  // Memory that does not exist reads as ones, G among them: a table there (a large entry while PSE is off) would be global too.
  const local = (entry: number) =>
    (kernel ? entry : entry >= 0xc00000 ? entry & ~G & ~0x400000 : entry & ~G) >>> 0;
  if (op.kind === "pte") {
    const entry = kernel ? op.entry : (op.entry & ~G) >>> 0;
    bed.memory.write32(gpa(tableFor(directory, op.slot) + op.page * 4), entry);
    return;
  }
  // Kernels set A and D of shared directory entries beforehand: a kept global entry sets them in no other directory's copy.
  const preset = kernel ? A | D : 0;
  const entry = preset | (op.kind === "link" ? tableFor(directory, op.slot) | op.bits : local(op.entry | PS));
  for (const each of kernel ? DIRECTORIES : [directory]) bed.setPde(op.slot, entry, each);
}

/** What the processor itself would do, with no TLB: the hardware walker over the guest's tables. */
function bare(bed: Bed, at: number, write: boolean, user: boolean): Seen {
  const errorCode = bed.translate(at, write, user);
  if (errorCode !== -1) return { fault: errorCode };
  const { hpa, gpa: reached, notBacked } = bed.hardware;
  if (!notBacked) expect(hpa - bed.p2m.base * 4096).toBe((reached & ~0xfff) >>> 0);
  return { gpa: reached, backed: !notBacked };
}

function software(bed: Bed, at: number, write: boolean, user: boolean): Seen {
  const walk = bed.walker.walk({ gva: gva(at), write, user }, bed.paging);
  if (walk.kind === "fault") return { fault: walk.errorCode };
  return { gpa: walk.gpa, backed: bed.memory.isBacked(walk.gpa) };
}

const tablesOf = (bed: Bed) =>
  Buffer.concat([
    bed.memory.readBytes(gpa(DIRECTORIES[0] as number), 0x3000),
    bed.memory.readBytes(gpa(tableFor(DIRECTORIES[0] as number, 0)), 0xc000),
    bed.memory.readBytes(gpa(tableOf(0)), 0x2000),
  ]);

const entries = fc.array(or(fc.constantFrom(...FRAMES), mostly(P, 6), flags(W, U, A, D)), {
  minLength: 7,
  maxLength: 7,
});
const script = fc.array(op, { minLength: 20, maxLength: 60 });

describe("random guest tables and random accesses", () => {
  test("the two walkers and vtlb agree on outcome, frame, A and D while the guest invalidates what it changes", () => {
    let allowed = 0;
    let refused = 0;
    fc.assert(
      fc.property(
        entries,
        script,
        fc.boolean(),
        fc.constantFrom(1, 2, 1024),
        (start, ops, keepGlobal, tableBudget) => {
          const one = new Bed();
          const two = new Bed();
          const three = new ShadowVcpu({ keepGlobal, tableBudget });
          const beds = [one, two, three.bed];
          for (const bed of beds) prepare(bed, start);
          for (const op of ops) {
            switch (op.kind) {
              case "access": {
                const at = addressOf(op.slot, op.page) + 0x123;
                const seen = bare(one, at, op.write, op.user);
                expect(software(two, at, op.write, op.user)).toEqual(seen);
                expect(three.access(at, op.write, op.user)).toEqual(seen);
                if ("fault" in seen) refused++;
                else allowed++;
                break;
              }
              case "cr3":
                for (const bed of beds) bed.paging.cr3 = DIRECTORIES[op.dir] as number;
                three.loadCr3(DIRECTORIES[op.dir] as number);
                break;
              case "invlpg":
                three.invlpg(addressOf(op.slot, op.page));
                break;
              case "cr0":
              case "cr4":
                for (const bed of beds) bed.paging[op.kind] = op.value;
                three.setControl(op.kind, op.value);
                break;
              default:
                for (const bed of beds) change(bed, op);
                if (op.kind === "pte") three.invlpg(addressOf(op.slot, op.page));
                else {
                  // A directory entry was changed: toggling PGE and loading CR3 drops all of it.
                  const { cr3, cr4 } = three.bed.paging;
                  three.setControl("cr4", cr4 ^ Cr4.PGE);
                  three.setControl("cr4", cr4);
                  three.loadCr3(cr3);
                }
            }
            const tables = tablesOf(one);
            expect(tables.equals(tablesOf(two))).toBe(true);
            expect(tables.equals(tablesOf(three.bed))).toBe(true);
            const report = three.pager.auditReport();
            expect([report.violations, three.uncovered()]).toEqual([[], []]);
            expect(report.staleEntries).toBe(0);
          }
        },
      ),
      { numRuns: 50 },
    );
    expect(Math.min(allowed, refused)).toBeGreaterThan(50);
  }, 60_000);

  test("a guest that forgets to invalidate sees at worst its own old mappings, and the audit raises no false alarm", () => {
    let stale = 0;
    fc.assert(
      fc.property(
        entries,
        script,
        fc.boolean(),
        fc.constantFrom(1, 2, 1024),
        (start, ops, keepGlobal, tableBudget) => {
          const vcpu = new ShadowVcpu({ keepGlobal, tableBudget });
          prepare(vcpu.bed, start);
          for (const op of ops) {
            switch (op.kind) {
              case "access": {
                const seen = vcpu.access(addressOf(op.slot, op.page), op.write, op.user);
                if ("gpa" in seen) expect(seen.backed).toBe(vcpu.bed.memory.isBacked(gpa(seen.gpa)));
                break;
              }
              case "cr3":
                vcpu.loadCr3(DIRECTORIES[op.dir] as number);
                break;
              case "invlpg":
                vcpu.invlpg(addressOf(op.slot, op.page));
                break;
              case "cr0":
              case "cr4":
                vcpu.setControl(op.kind, op.value);
                break;
              default:
                change(vcpu.bed, op);
            }
            const report = vcpu.pager.auditReport();
            expect([report.violations, vcpu.uncovered()]).toEqual([[], []]);
            stale += report.staleEntries;
          }
        },
      ),
      { numRuns: 50 },
    );
    expect(stale).toBeGreaterThan(0);
  }, 60_000);
});
