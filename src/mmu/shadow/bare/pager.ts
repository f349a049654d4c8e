import { NO_FRAME } from "../../address.ts";
import {
  type AuditViolation,
  type HardwarePaging,
  type Pager,
  PagerError,
  type ShadowFault,
  type ShadowFill,
} from "../../pager.ts";
import type { PagerContext } from "../context.ts";

/** No shadow at all: the hardware walks the guest's own tables, every guest frame number going through the p2m. See README.md. */
export class BarePager implements Pager {
  readonly name = "bare";
  readonly controls = 0;
  readonly framesHeld = 0;
  readonly hardware: HardwarePaging;
  readonly #context: PagerContext;

  constructor(context: PagerContext) {
    this.#context = context;
    this.hardware = { mode: "guest", p2m: context.memory.p2m.table };
  }

  /** Never called: without exit control no page fault leaves the guest. Throws PagerError. */
  fill(fault: ShadowFault): ShadowFill {
    throw new PagerError(
      `the bare pager has no shadow to fill, yet a page fault at 0x${fault.gva.toString(16)} was brought to it: page faults must not exit under it`,
    );
  }

  /** The CPU flushes its TLB by itself. */
  contextChanged(): number {
    return 0;
  }

  invalidatePage(): void {}

  remapped(): void {
    this.#context.tlb.flush();
  }

  /** The p2m is all that confines the guest: every frame exists, is the guest's own, and backs one gfn only (two that differ in address line 20 while that is low). */
  audit(): AuditViolation[] {
    const { memory, frames } = this.#context;
    const violations: AuditViolation[] = [];
    const backs = new Map<number, number>();
    const { table, owner } = memory.p2m;
    for (let gfn = 0; gfn < table.length; gfn++) {
      const mfn = table[gfn] as number;
      if (mfn === NO_FRAME) continue;
      const where = `gfn 0x${gfn.toString(16)} → mfn 0x${mfn.toString(16)}`;
      if (!memory.machine.contains(mfn)) {
        violations.push({ rule: "p2m-range", detail: `${where}: the machine has no such frame` });
        continue;
      }
      const holder = frames.ownerOf(mfn);
      if (holder !== owner)
        violations.push({
          rule: "p2m-owner",
          detail: `${where}: the frame ${holder === undefined ? "is free" : `belongs to ${holder}`}, not to ${owner}`,
        });
      const other = backs.get(mfn);
      if (other !== undefined && !(memory.p2m.a20Closed && gfn - other === 0x100))
        violations.push({
          rule: "p2m-injective",
          detail: `${where}: the frame backs gfn 0x${other.toString(16)} too`,
        });
      backs.set(mfn, gfn);
    }
    return violations;
  }

  dispose(): void {}
}
