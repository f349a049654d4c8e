/**
 * An event on its way into the guest. Mmu → Switcher (a page fault that the guest's own tables cause), then Switcher → Cpu
 * (that, or an interrupt, or what the double-fault rules made of two exceptions). Delivered through the guest's IDT at the
 * next entry.
 */
export interface TrapInject {
  readonly type: "trap.inject";
  readonly vcpu: number;
  readonly vector: number;
  /** external: an interrupt from the controller; exception: raised by the processor. */
  readonly kind: "external" | "nmi" | "exception";
  /** -1 when none is pushed. */
  readonly errorCode: number;
  /** Linear address for CR2 (vector 14 only). */
  readonly cr2?: number;
}

export type TrapMessage = TrapInject;
