import type { Gva } from "../../../src/mmu/address.ts";
import type { ShadowFill, TlbControl, TranslationChange } from "../../../src/mmu/pager.ts";
import { classifyFault } from "../../../src/mmu/reflect.ts";
import type { PagerContext } from "../../../src/mmu/shadow/context.ts";
import { type VtlbOptions, VtlbPager } from "../../../src/mmu/shadow/vtlb/pager.ts";
import { Bed, gva } from "../bed.ts";

/** What an access came to: the fault that the guest sees, or the guest-physical address reached and whether memory is there. */
export type Seen = { readonly fault: number } | { readonly gpa: number; readonly backed: boolean };

interface CachedPage {
  readonly hpa: number;
  readonly gpaPage: number;
  readonly backed: boolean;
  readonly user: boolean;
  readonly supervisorWritable: boolean;
  readonly userWritable: boolean;
  readonly executable: boolean;
  readonly dirtyOk: boolean;
  readonly global: boolean;
}

/** A TLB that keeps whatever it may: the worst one for a pager that forgets to flush. */
export class GreedyTlb implements TlbControl {
  readonly pages = new Map<number, CachedPage>();
  flush(): void {
    this.pages.clear();
  }
  flushNonGlobal(): void {
    for (const [page, entry] of this.pages) if (!entry.global) this.pages.delete(page);
  }
  flushPage(at: Gva): void {
    this.pages.delete(at >>> 12);
  }
  flushTag(): void {
    this.pages.clear();
  }
  loadRoot(): void {
    this.pages.clear();
    this.onLoadRoot();
  }
  translations(): [] {
    return [];
  }
  onLoadRoot = (): void => {};
}

/** A bed with a vtlb pager behind a TLB, driven as the machine would. */
export class ShadowVcpu<B extends Bed = Bed> {
  readonly bed: B;
  readonly tlb = new GreedyTlb();
  readonly pager: VtlbPager;
  readonly fills: ShadowFill[] = [];

  constructor(
    options: VtlbOptions = {},
    make: (context: PagerContext, options: VtlbOptions) => VtlbPager = (c, o) => new VtlbPager(c, o),
    bed: B = new Bed() as B,
  ) {
    this.bed = bed;
    const { paging, memory, frames } = this.bed;
    this.pager = make({ paging, memory, frames, tlb: this.tlb }, options);
    this.tlb.onLoadRoot = () => this.bed.hardware.set(this.pager.hardware);
    this.tlb.onLoadRoot();
  }

  access(at: number, write: boolean, user: boolean, fetch = false): Seen {
    const hit = this.tlb.pages.get(at >>> 12);
    if (hit !== undefined && (!user || hit.user) && (!fetch || hit.executable)) {
      const writable = (user ? hit.userWritable : hit.supervisorWritable) && hit.dirtyOk;
      if (!write || writable) return this.#seen(hit, at);
    }
    for (let tries = 0; tries < 3; tries++) {
      const errorCode = this.bed.translate(at, write, user, fetch);
      if (errorCode === -1) return this.#seen(this.#cache(at), at);
      const verdict = classifyFault(this.bed.walker, this.bed.paging, gva(at), errorCode);
      if (verdict.kind === "reflect") return { fault: verdict.reflection.errorCode };
      this.fills.push(this.pager.fill(verdict.fault));
    }
    throw new Error(`access to 0x${at.toString(16)} still faults after three fills`);
  }

  loadCr3(cr3: number): number {
    this.bed.paging.cr3 = cr3;
    return this.pager.contextChanged("cr3");
  }
  setControl(register: "cr0" | "cr4" | "efer", value: number): number {
    this.bed.paging[register] = value >>> 0;
    return this.pager.contextChanged(register satisfies TranslationChange);
  }
  invlpg(at: number): void {
    this.pager.invalidatePage(gva(at));
  }

  /** Pages that the TLB holds and the shadow does not allow any more. */
  uncovered(): number[] {
    const leaves = this.bed.shadow(this.pager.hardware);
    const covers = (page: number, entry: CachedPage) =>
      leaves.some(
        (leaf) =>
          page * 4096 >= leaf.gva &&
          page * 4096 < leaf.gva + leaf.sizeBytes &&
          (!entry.backed || (leaf.frame + (page - leaf.gva / 4096)) * 4096 === entry.hpa) &&
          (!entry.userWritable || leaf.flags.startsWith("WU")) &&
          (!entry.user || leaf.flags.includes("U")) &&
          (!entry.executable || !leaf.flags.includes("N")) &&
          (!entry.global || leaf.flags.includes("G")),
      );
    return [...this.tlb.pages].filter(([page, entry]) => !covers(page, entry)).map(([page]) => page * 4096);
  }

  #cache(at: number): CachedPage {
    const { hpa, gpa, notBacked, user, supervisorWritable, userWritable, executable, dirtyOk, global } =
      this.bed.hardware;
    const base = this.bed.p2m.base * 4096;
    const gpaPage = notBacked ? gpa - (gpa % 0x1000) : hpa - base;
    const page = {
      hpa,
      gpaPage,
      backed: !notBacked,
      user,
      supervisorWritable,
      userWritable,
      executable,
      dirtyOk,
      global,
    };
    this.tlb.pages.set(at >>> 12, page);
    return page;
  }

  #seen(page: CachedPage, at: number): Seen {
    return { gpa: page.gpaPage + (at & 0xfff), backed: page.backed };
  }
}
