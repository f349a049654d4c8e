import type { Gpa, Gva } from "../mmu/address.ts";
import { GUEST_PAGE_FAULT } from "../mmu/pager.ts";
import type { Burst } from "./burst.ts";
import { type ExitSignal, type GuestFault, Vector } from "./core.ts";
import { ExitControl, ExitReason, type ExitRecord } from "./exit.ts";
import type { AccessMonitor } from "./linear-memory.ts";

/** Spaces of answered accesses. */
export const Space = { linear: 0, physical: 1, port: 2, apic: 3 } as const;

export const answerKind = (space: number, access: number, size: number): number =>
  (space << 8) | (access << 4) | size;

/** Accesses that reached no memory: answered before, a page fault of the guest, or an exit. */
export class AccessExits implements AccessMonitor {
  private readonly burst: Burst;

  constructor(burst: Burst) {
    this.burst = burst;
  }

  refused(linear: number, errorCode: number, access: number, size: number, value: number): number {
    const { burst } = this;
    const kind = answerKind(Space.linear, access, size);
    const index = burst.answers.take(burst.retiredBefore(), linear, kind);
    if (index >= 0) return index;
    throw this.refusal(linear, errorCode, access, size, value);
  }

  /** Notes a refused access that no answer is for: as the guest's page fault, or as an exit. What to throw. */
  refusal(
    linear: number,
    errorCode: number,
    access: number,
    size: number,
    value: number,
  ): GuestFault | ExitSignal {
    const { burst } = this;
    const { fault, exitRecord } = burst;
    if ((burst.controls & ExitControl.pageFault) === 0) {
      fault.vector = Vector.PF;
      fault.errorCode = errorCode & GUEST_PAGE_FAULT;
      fault.address = linear;
      return fault;
    }
    this.begin(ExitReason.pageFault, access, size, value);
    exitRecord.gva = linear as Gva;
    exitRecord.errorCode = errorCode;
    exitRecord.begun = burst.answers.outstandingIn(Space.linear, burst.retiredBefore());
    burst.lastIo.address = linear;
    burst.lastIo.kind = answerKind(Space.linear, access, size);
    return burst.exitSignal;
  }

  unbacked(linear: number, gpa: number, access: number, size: number, value: number): number {
    const { burst } = this;
    const kind = answerKind(Space.physical, access, size);
    const index = burst.answers.take(burst.retiredBefore(), gpa, kind);
    if (index >= 0) return index;
    this.begin(ExitReason.mmio, access, size, value);
    burst.exitRecord.gva = linear as Gva;
    burst.exitRecord.gpa = gpa as Gpa;
    burst.lastIo.address = gpa;
    burst.lastIo.kind = kind;
    throw burst.exitSignal;
  }

  answerValue(index: number): number {
    return this.burst.answers.value(index);
  }

  misaligned(): never {
    const { fault } = this.burst;
    fault.vector = Vector.AC;
    fault.errorCode = 0;
    throw fault;
  }

  private begin(reason: ExitReason, access: number, size: number, value: number): void {
    const exit = this.burst.exitRecord;
    exit.reason = reason;
    exit.length = 0;
    exit.access = access as ExitRecord["access"];
    exit.write = access === 1;
    exit.size = size;
    exit.value = value >>> 0;
  }
}
