import { describe, expect, test } from "vitest";
import { createPager } from "../../../src/mmu/shadow/create.ts";
import { InvalidationLedger } from "../../../src/mmu/shadow/vtlb/ledger.ts";
import { VtlbPager } from "../../../src/mmu/shadow/vtlb/pager.ts";
import { Bed, gva, P } from "../bed.ts";
import { ShadowVcpu } from "./vcpu.ts";

describe("the invalidation ledger", () => {
  /** Was an entry, filled before the demand, to be dropped? By size of the guest's page and global. */
  const missed = (
    demand: (ledger: InvalidationLedger) => void,
    at: number,
    global: boolean,
    pageShift: 12 | 21 | 22,
  ) => {
    const ledger = new InvalidationLedger();
    const filledAt = ledger.now;
    demand(ledger);
    expect(ledger.missed(at, ledger.now, global, pageShift)).toBe(false);
    return ledger.missed(at, filledAt, global, pageShift);
  };

  test("ends every translation, those that are not global, or those of one page", () => {
    const demands = [
      (l: InvalidationLedger) => l.demandAll(),
      (l: InvalidationLedger) => l.demandNonGlobal(),
      (l: InvalidationLedger) => l.demandPage(gva(0x401fff)),
    ];
    const table = demands.map((demand) => [
      missed(demand, 0x401000, false, 12),
      missed(demand, 0x401000, true, 12),
      missed(demand, 0x402000, false, 12),
      missed(demand, 0x402000, true, 22),
      missed(demand, 0x402000, true, 21),
      missed(demand, 0x600000, true, 22),
      missed(demand, 0x600000, true, 21),
      missed(demand, 0x800000, true, 22),
    ]);
    expect(table).toEqual([
      [true, true, true, true, true, true, true, true],
      [true, false, true, false, false, false, false, false],
      [true, true, false, true, true, true, false, false],
    ]);
  });

  test("is renewed with an empty shadow before its stamps run out", () => {
    class Old extends VtlbPager {
      override readonly ledger = new InvalidationLedger(0xffffffee);
    }
    const vcpu = new ShadowVcpu({}, (context, options) => new Old(context, options));
    vcpu.bed.map(0x401000, 0x345000 | P);
    vcpu.bed.map(0x402000, 0x346000 | P);
    const leaves = () => vcpu.bed.shadow(vcpu.pager.hardware).length;
    for (const at of [0x401000, 0x402000]) vcpu.access(at, false, false);
    vcpu.invlpg(0x401000);
    expect([leaves(), vcpu.pager.ledger.exhausted]).toEqual([1, false]);
    vcpu.invlpg(0x401000);
    expect([leaves(), vcpu.pager.ledger.exhausted, vcpu.tlb.pages.size]).toEqual([0, false, 0]);
    vcpu.access(0x402000, false, false);
    expect([vcpu.pager.audit(), vcpu.pager.ledger.now]).toEqual([[], 1]);
  });
});

test("pagers are made by name", () => {
  const bed = new Bed();
  for (const name of ["bare", "vtlb"] as const) {
    const pager = createPager(name, { ...bed });
    expect([pager.name, pager.audit()]).toEqual([name, []]);
    pager.dispose();
  }
});
