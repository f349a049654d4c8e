import type { CachedTranslation } from "../mmu/pager.ts";
import * as L from "./layout.ts";
import { TlbSpace } from "./tlb-space.ts";

/**
 * The physical CPU's TLB, in the machine's memory so that generated code reads it: a few address spaces, one of them in use. Whoever loads tables
 * under a tag finds what was cached under that tag before, unless it was dropped or the space was needed for another tag; drops concern every space.
 */
export class Tlb {
  private readonly u32: Uint32Array;
  private readonly spaces: readonly TlbSpace[];
  private current: TlbSpace;
  private clock = 0;
  /** Entries filled since the machine began (statistics). */
  fills = 0;
  flushes = 0;

  constructor(u32: Uint32Array) {
    this.u32 = u32;
    this.spaces = Array.from({ length: L.TLB_SPACES }, (_, n) => new TlbSpace(u32, n));
    this.current = this.spaces[0] as TlbSpace;
    const never = (L.TLB_BASE + L.TLB_ALIGNED) >> 2;
    u32.fill(L.TLB_INVALID, never, never + (L.TLB_SPACE_SIZE >> 2));
  }

  /**
   * Maps the page of `linear` to the bytes at `host` (a page's byte index in the WebAssembly memory). `pageShift` above 12: it is a piece
   * of a large page of 2 to the power of that.
   */
  fill(linear: number, host: number, rights: number, global: boolean, pageShift: number): void {
    this.fills++;
    this.current.fill(linear, host, rights, global, pageShift);
  }

  /**
   * Uses the address space of a tag (from 1 on) from now on; the state's tags of the TLB are to be chosen anew. The one not used for the longest time
   * is emptied for a new tag.
   */
  enter(tag: number): void {
    let space = this.current;
    let oldest = space;
    for (const each of this.spaces) {
      if (each.tag === tag) space = each;
      if (each.usedAt < oldest.usedAt) oldest = each;
    }
    if (space.tag !== tag) {
      space = oldest;
      space.drop();
      space.tag = tag;
    }
    space.usedAt = ++this.clock;
    this.current = space;
    this.u32[L.TLB_SPACE >> 2] = space.offset;
  }

  /** Drops everything, and uses the space without a tag. */
  reset(): void {
    this.flushAll();
    for (const space of this.spaces) {
      space.tag = 0;
      space.usedAt = 0;
    }
    this.current = this.spaces[0] as TlbSpace;
    this.u32[L.TLB_SPACE >> 2] = this.current.offset;
  }

  /** Drops all entries but global ones. */
  flush(): void {
    this.flushes++;
    for (const space of this.spaces) space.dropNonGlobal();
  }

  flushAll(): void {
    this.flushes++;
    for (const space of this.spaces) space.drop();
  }

  /** Drops what could translate `linear`: its page, and the rest of the large page that it may lie in. */
  flushPage(linear: number): void {
    for (const space of this.spaces) space.dropPage(linear);
  }

  /** Drops what is cached under a tag. */
  flushTag(tag: number): void {
    this.spaces.find((space) => space.tag === tag)?.drop();
  }

  /** Withdraws direct write access to the bytes of one page, under whatever linear addresses. */
  revokeWrite(host: number): void {
    for (const space of this.spaces) space.revokeWrite(host);
  }

  /** All that is cached at present. */
  *translations(): Generator<CachedTranslation> {
    for (const space of this.spaces) yield* space.translations();
  }
}
