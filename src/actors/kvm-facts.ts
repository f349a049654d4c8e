import type { Message } from "../bus/messages/index.ts";
import type { Gfn, Gva } from "../mmu/address.ts";
import type { KvmListener } from "./kvm-port.ts";
import type { MessageEndpoint } from "./stage.ts";

/**
 * Notes what the mechanism changes during a turn, and announces it afterwards: whoever hears of a change finds the tables consistent.
 */
export class KvmFacts implements KvmListener {
  readonly #self: MessageEndpoint;
  readonly #noted: Message[] = [];

  constructor(self: MessageEndpoint) {
    this.#self = self;
  }

  announce(): void {
    const noted = this.#noted;
    for (let at = 0; at < noted.length; at++) this.#self.announce(noted[at] as Message);
    noted.length = 0;
  }

  created(sid: number, gfn: number, role: number): void {
    this.#noted.push({ type: "shadow.created", sid, gfn: gfn as Gfn, role });
  }
  linked(g: number, sid: number): void {
    this.#noted.push({ type: "shadow.linked", g, sid });
  }
  unlinked(g: number, sid: number): void {
    this.#noted.push({ type: "shadow.unlinked", g, sid });
  }
  zapped(sid: number, gfn: number, role: number): void {
    this.#noted.push({ type: "shadow.zapped", sid, gfn: gfn as Gfn, role });
  }
  freed(sid: number, gfn: number, role: number): void {
    this.#noted.push({ type: "shadow.freed", sid, gfn: gfn as Gfn, role });
  }
  filled(g: number, gfn: number, low: number, high: number): void {
    this.#noted.push({ type: "shadow.filled", g, gfn: gfn as Gfn, low, high });
  }
  dropped(g: number, gfn: number, low: number, high: number): void {
    this.#noted.push({ type: "shadow.dropped", g, gfn: gfn as Gfn, low, high });
  }
  protected(g: number, gfn: number, low: number, high: number): void {
    this.#noted.push({ type: "shadow.protected", g, gfn: gfn as Gfn, low, high });
  }
  unsynced(sid: number, gfn: number, role: number): void {
    this.#noted.push({ type: "shadow.unsynced", sid, gfn: gfn as Gfn, role });
  }
  resynced(sid: number, gfn: number, role: number): void {
    this.#noted.push({ type: "shadow.resynced", sid, gfn: gfn as Gfn, role });
  }
  flooded(gfn: number): void {
    this.#noted.push({ type: "shadow.flooded", gfn: gfn as Gfn });
  }
  evicted(pages: number): void {
    this.#noted.push({ type: "shadow.evicted", pages });
  }
  recycled(gfn: number, entries: number): void {
    this.#noted.push({ type: "shadow.recycled", gfn: gfn as Gfn, entries });
  }
  flushed(scope: "all" | "vcpu" | "page", gva?: Gva): void {
    this.#noted.push(
      gva === undefined ? { type: "tlb.flushed", scope } : { type: "tlb.flushed", scope, gva },
    );
  }
}
