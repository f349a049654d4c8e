import type { Gva, Hpa } from "../../../../src/mmu/address.ts";
import type { CachedTranslation } from "../../../../src/mmu/pager.ts";
import { classifyFault } from "../../../../src/mmu/reflect.ts";
import { FactLog } from "../../../../src/mmu/shadow/kvm/listener.ts";
import type { KvmOptions } from "../../../../src/mmu/shadow/kvm/options.ts";
import { KvmPager } from "../../../../src/mmu/shadow/kvm/pager.ts";
import { decodeRole } from "../../../../src/mmu/shadow/kvm/role.ts";
import type { KvmShadow } from "../../../../src/mmu/shadow/kvm/state.ts";
import { Bed, gpa, gva } from "../../bed.ts";

/** What an access came to: the fault that the guest sees, or the guest-physical address reached and whether memory is there. */
export type Seen = { readonly fault: number } | { readonly gpa: number; readonly backed: boolean };

interface CachedPage {
  readonly gpaPage: number;
  readonly hpa: number;
  readonly backed: boolean;
  readonly user: boolean;
  readonly userWritable: boolean;
  readonly supervisorWritable: boolean;
  readonly dirtyOk: boolean;
  readonly executable: boolean;
  /** Of the large page that it is a piece of, else 12. */
  readonly pageShift: number;
}

/** A page that the hardware could reach by the shadow tables of now. */
export interface Leaf {
  readonly gva: number;
  readonly pages: number;
  readonly frame: number;
  readonly rights: string;
}

/** A bed with a kvm pager behind a TLB that forgets nothing, driven as the machine would. */
export class KvmVcpu {
  readonly bed: Bed;
  readonly pager: KvmPager;
  readonly facts = new FactLog();
  /** What is cached, by page: one such map a tag, and the one in use. */
  readonly spaces = new Map<number, Map<number, CachedPage>>();
  tlb = new Map<number, CachedPage>();
  /** Page-fault exits. */
  exits = 0;
  /** Stores done for the guest. */
  emulated = 0;
  reloads = 0;
  /** By machine frame: guest frame. */
  readonly #gfnOf = new Map<number, number>();

  constructor(options: KvmOptions = {}, bed = new Bed()) {
    this.bed = bed;
    const { paging, memory, frames, hardware } = bed;
    let load = () => {};
    const flush = () => {
      for (const space of this.spaces.values()) space.clear();
    };
    const tlb = {
      flush,
      flushNonGlobal: flush,
      flushPage: (at: Gva) => {
        for (const space of this.spaces.values())
          for (const [page, { pageShift }] of space)
            if ((page * 4096) >>> pageShift === at >>> pageShift) space.delete(page);
      },
      flushTag: (tag: number) => this.spaces.get(tag)?.clear(),
      loadRoot: () => load(),
      translations: () => this.#translations(),
    };
    this.pager = new KvmPager(
      { paging, memory, frames, tlb },
      { listener: this.facts, records: true, ...options },
    );
    load = () => {
      hardware.set(this.pager.hardware);
      this.#enterSpace(this.pager.hardware.tag);
    };
    load();
    this.noteFrames();
  }

  #enterSpace(tag: number): void {
    this.tlb = this.spaces.get(tag) ?? new Map();
    this.spaces.set(tag, this.tlb);
  }

  *#translations(): Generator<CachedTranslation> {
    for (const [tag, space] of this.spaces)
      for (const [page, { backed, hpa, executable, ...entry }] of space)
        if (backed)
          yield {
            tag,
            gva: gva(page * 4096),
            hpa: (hpa - (hpa % 4096)) as Hpa,
            supervisor: {
              read: true,
              write: entry.supervisorWritable && entry.dirtyOk,
              execute: executable,
            },
            user: {
              read: entry.user,
              write: entry.userWritable && entry.dirtyOk,
              execute: entry.user && executable,
            },
          };
  }

  get shadow(): KvmShadow {
    return this.pager.shadow;
  }

  /** The p2m was changed by the test. */
  noteFrames(): void {
    for (const [gfn, mfn] of this.bed.p2m.table.entries()) if (mfn >= 0) this.#gfnOf.set(mfn, gfn);
  }

  /** One access; a write stores `value` (of `size` bytes), or again what is there. */
  access(at: number, write: boolean, user = false, value?: number, size: 1 | 2 | 4 = 4, fetch = false): Seen {
    const cached = this.tlb.get(at >>> 12);
    if (cached !== undefined && (!user || cached.user) && (!fetch || cached.executable)) {
      const writable = (user ? cached.userWritable : cached.supervisorWritable) && cached.dirtyOk;
      if (!write || writable) return this.#reach(cached, at, write, value, size);
    }
    for (let tries = 0; tries < 8; tries++) {
      const errorCode = this.bed.translate(at, write, user, fetch);
      if (errorCode === -1) return this.#reach(this.#cache(at), at, write, value, size);
      this.tlb.delete(at >>> 12);
      this.exits++;
      const verdict = classifyFault(this.bed.walker, this.bed.paging, gva(at), errorCode);
      if (verdict.kind === "reflect") {
        this.pager.faultReflected();
        return { fault: verdict.reflection.errorCode };
      }
      const outcome = this.pager.fault(gva(at), errorCode);
      if (outcome.kind === "reload") this.reloads++;
      if (outcome.kind === "emulate") {
        if (outcome.why === "tableWrite") {
          this.emulated++;
          this.pager.store(outcome.gpa, size, value ?? this.bed.memory.read32(gpa(outcome.gpa & ~3)));
        }
        this.pager.enter();
        return { gpa: outcome.gpa, backed: outcome.why === "tableWrite" };
      }
      this.pager.enter();
    }
    throw new Error(`access to 0x${at.toString(16)} still faults after eight turns`);
  }

  read(at: number, user = false): Seen {
    return this.access(at, false, user);
  }
  write(at: number, value?: number, user = false, size: 1 | 2 | 4 = 4): Seen {
    return this.access(at, true, user, value, size);
  }

  loadCr3(cr3: number): void {
    this.bed.paging.cr3 = cr3;
    if ((this.bed.paging.cr4 & 0x20) !== 0 && !this.bed.hardware.latchPdptes(cr3)) throw new Error("#GP");
    this.pager.contextChanged("cr3");
  }
  setControl(register: "cr0" | "cr4", value: number): void {
    this.bed.paging[register] = value >>> 0;
    this.pager.contextChanged(register);
  }
  invlpg(at: number): void {
    this.pager.invalidatePage(gva(at));
    this.pager.enter();
  }

  /** Exits that `work` costs. */
  exitsOf(work: () => void): number {
    const before = this.exits;
    work();
    return this.exits - before;
  }

  /** Live pages, oldest first, as "level gfn quadrant direct". */
  livePages(): string[] {
    const { pages } = this.shadow;
    return [...pages.active].reverse().map((sid) => {
      const role = decodeRole(pages.role[sid] as number);
      const kind = role.direct ? " direct" : role.wide ? "" : ` q${role.quadrant}`;
      const state = (role.invalid ? " invalid" : "") + (pages.isUnsync(sid) ? " unsync" : "");
      return `L${role.level} ${(pages.gfn[sid] as number).toString(16)}${kind}${state}`;
    });
  }

  /** The page of that description. */
  page(name: string): number {
    const { pages } = this.shadow;
    const names = this.livePages().reverse();
    const index = names.indexOf(name);
    if (index < 0) throw new Error(`no page ${name}, there are ${names.join(", ")}`);
    return [...pages.active][index] as number;
  }

  /** The whole shadow: every leaf that the hardware could reach, with gfns for frames. */
  leaves(): Leaf[] {
    const { pages, roots, mode } = this.shadow;
    const found: Leaf[] = [];
    const descend = (sid: number, base: number): void => {
      const level = pages.level(sid);
      for (let slot = 0; slot < 512; slot++) {
        const g = sid * 512 + slot;
        const lo = pages.lo(g);
        if ((lo & 1) === 0) continue;
        const at = base + slot * 2 ** (12 + 9 * (level - 1));
        const child = pages.child(g);
        if (child !== 0) descend(child, at);
        else {
          const frame = lo >>> 12;
          const unbacked = (lo & 0x800) !== 0;
          found.push({
            gva: at,
            pages: level === 1 ? 1 : 2 ** (9 * (level - 1)),
            frame: unbacked ? frame : (this.#gfnOf.get(frame) ?? -frame),
            rights: `${lo & 2 ? "W" : ""}${lo & 4 ? "U" : ""}${pages.hi(g) >>> 31 ? "" : "X"}${unbacked ? "?" : ""}`,
          });
        }
      }
    };
    for (const [i, sid] of roots.entries())
      if (sid !== 0) descend(sid, mode.topLevel === 4 ? 0 : i * 2 ** 30);
    return found;
  }

  /** Pages that the TLB holds and the shadow does not allow any more. */
  uncovered(): string[] {
    const leaves = this.leaves();
    const covers = (page: number, entry: CachedPage) =>
      leaves.some((leaf) => {
        const first = leaf.gva / 4096;
        if (page < first || page >= first + leaf.pages) return false;
        if (!entry.backed) return leaf.rights.includes("?");
        return (
          leaf.frame + (page - first) === entry.gpaPage / 4096 &&
          (!entry.supervisorWritable || leaf.rights.includes("W")) &&
          (!entry.user || leaf.rights.includes("U")) &&
          (!entry.executable || leaf.rights.includes("X"))
        );
      });
    return [...this.tlb]
      .filter(([page, entry]) => !covers(page, entry))
      .map(([page]) => (page * 4096).toString(16));
  }

  #cache(at: number): CachedPage {
    const {
      hpa,
      gpa: reached,
      notBacked,
      user,
      supervisorWritable,
      userWritable,
      dirtyOk,
      executable,
      pageShift,
    } = this.bed.hardware;
    const gpaPage = notBacked ? reached - (reached % 4096) : (this.#gfnOf.get(hpa / 4096) ?? -1) * 4096;
    const page = {
      gpaPage,
      hpa,
      backed: !notBacked,
      user,
      supervisorWritable,
      userWritable,
      dirtyOk,
      executable,
      pageShift,
    };
    this.tlb.set(at >>> 12, page);
    return page;
  }

  #reach(page: CachedPage, at: number, write: boolean, value: number | undefined, size: 1 | 2 | 4): Seen {
    const reached = page.gpaPage + (at & 0xfff);
    if (write && value !== undefined && page.backed) {
      const { memory } = this.bed;
      if (size === 4) memory.write32(gpa(reached), value);
      else if (size === 2) memory.write16(gpa(reached), value);
      else memory.write8(gpa(reached), value);
    }
    return { gpa: reached, backed: page.backed };
  }
}
