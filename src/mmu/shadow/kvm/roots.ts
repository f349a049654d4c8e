import { type Hpa, hpaOf, type Mfn, PAGE_SHIFT } from "../../address.ts";
import { ALL_RIGHTS, frameOf, Pte } from "../../format.ts";
import type { HardwarePaging } from "../../pager.ts";
import { reserve } from "./budget.ts";
import { directPage, tablePage } from "./find-page.ts";
import { isInvalid } from "./role.ts";
import type { KvmShadow } from "./state.ts";
import { syncChildren } from "./sync.ts";
import { commitZap, prepareZap, type ZapList } from "./zap.ts";

type ShadowHardware = Extract<HardwarePaging, { mode: "shadow" }>;

/**
 * The vcpu's root registers. With PAE tables (guests of two levels, PAE, no paging) four pointers in a frame of their own, `pae_root`, each
 * leading to a level-2 shadow page; with 4-level tables one page. The pointers are no sptes: the pages know them by their root count.
 */
export class Roots {
  readonly hardware: ShadowHardware;
  readonly #s: KvmShadow;
  /** Frame of the four pointers. */
  readonly #paeRoot: Mfn;

  /** Takes a frame for the pointers; throws OutOfFrames. */
  constructor(s: KvmShadow) {
    this.#s = s;
    const { machine, p2m } = s.memory;
    this.#paeRoot = s.context.frames.allocate(s.pages.owner);
    machine.clearFrame(this.#paeRoot);
    this.hardware = {
      mode: "shadow",
      p2m: p2m.table,
      format: "PAE",
      root: hpaOf(this.#paeRoot),
      writeProtect: true,
      tag: 0,
    };
  }

  /** Finds or makes the root pages of what CR3 names, brings all below them up to date, and has the hardware load them. */
  load(): void {
    const s = this.#s;
    reserve(s);
    // Making room invalidates old roots at worst, and none is loaded now.
    s.requests.reload = false;
    for (let i = 0; i < (s.mode.topLevel === 4 ? 1 : 4); i++) {
      const sid = this.#rootPage(i);
      s.roots[i] = sid;
      if (sid === 0) continue;
      s.pages.rootCount[sid] = (s.pages.rootCount[sid] as number) + 1;
      s.pages.rootIndexes[sid] = (s.pages.rootIndexes[sid] as number) | (1 << i);
    }
    s.rootsLoaded = true;
    this.sync();
    this.#tellHardware();
  }

  /** Lets go of the roots; those zapped meanwhile are freed. */
  free(): void {
    const s = this.#s;
    if (!s.rootsLoaded) return;
    const zapped: ZapList = [];
    for (let i = 0; i < 4; i++) {
      const sid = s.roots[i] as number;
      if (sid === 0) continue;
      s.roots[i] = 0;
      const count = (s.pages.rootCount[sid] as number) - 1;
      s.pages.rootCount[sid] = count;
      if (count === 0 && isInvalid(s.pages.role[sid] as number)) prepareZap(s, sid, zapped);
    }
    s.rootsLoaded = false;
    commitZap(s, zapped);
  }

  /** Brings everything that the vcpu can reach up to date. */
  sync(): void {
    const s = this.#s;
    s.requests.sync = false;
    for (let i = 0; i < 4; i++) {
      const sid = s.roots[i] as number;
      if (sid !== 0 && !isInvalid(s.pages.role[sid] as number)) syncChildren(s, sid);
    }
    s.rootsSynced = true;
  }

  /** Does what must be done before the vcpu enters the guest, until nothing is left to do. */
  prepareEntry(): void {
    const s = this.#s;
    for (;;) {
      if (s.requests.reload) {
        s.requests.reload = false;
        this.free();
      } else if (!s.rootsLoaded) this.load();
      else if (s.requests.sync) this.sync();
      else break;
    }
    s.settleFlush();
  }

  dispose(): void {
    this.free();
    this.#s.context.frames.free(this.#paeRoot, this.#s.pages.owner);
  }

  get paeRootHpa(): Hpa {
    return hpaOf(this.#paeRoot);
  }

  /** The page for root `i`, 0 where the guest has none. */
  #rootPage(i: number): number {
    const s = this.#s;
    const { paging } = s.context;
    const gib = i * 2 ** 30;
    switch (s.mode.rootLevel) {
      case 0:
        return directPage(s, i << (30 - PAGE_SHIFT), 2, ALL_RIGHTS);
      case 2:
        return tablePage(s, paging.cr3 >>> PAGE_SHIFT, gib, 2);
      case 4:
        return tablePage(s, paging.cr3 >>> PAGE_SHIFT, 0, 4);
      case 3: {
        const low = paging.pdptes[2 * i] as number;
        if ((low & Pte.present) === 0) return 0;
        return tablePage(s, frameOf(low, paging.pdptes[2 * i + 1] as number, PAGE_SHIFT), gib, 2);
      }
    }
  }

  #tellHardware(): void {
    const s = this.#s;
    if (s.mode.topLevel === 4) {
      this.hardware.format = "4-level";
      this.hardware.root = hpaOf(s.pages.frame[s.roots[0]] as Mfn);
    } else {
      this.hardware.format = "PAE";
      this.hardware.root = this.paeRootHpa;
      const words = s.memory.machine.u32;
      const first = this.paeRootHpa >>> 2;
      for (let i = 0; i < 4; i++) {
        const sid = s.roots[i] as number;
        words[first + 2 * i] = sid === 0 ? 0 : ((s.pages.frame[sid] as number) << PAGE_SHIFT) | Pte.present;
        words[first + 2 * i + 1] = 0;
      }
    }
    this.hardware.tag = s.tags.tagOf(s.roots);
    s.settleFlush();
    s.context.tlb.loadRoot();
  }
}
