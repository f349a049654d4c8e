/** InterruptController → Switcher, or → local APIC and from there → Switcher: the INTR pin of the vcpu is high. */
export interface IntrRequest {
  readonly type: "intr.request";
  readonly vcpu: number;
}

/** InterruptController → Switcher: the INTR pin is low again, before an acknowledge (masked, or the line fell). */
export interface IntrWithdraw {
  readonly type: "intr.withdraw";
  readonly vcpu: number;
}

/** Switcher → InterruptController, or → local APIC, which passes it on when it is not for itself: the INTA cycle; the guest takes an interrupt now. Answered by `intr.vector`. */
export interface IntrAcknowledge {
  readonly type: "intr.acknowledge";
  readonly vcpu: number;
}

/** InterruptController → Switcher: the vector to deliver. */
export interface IntrVector {
  readonly type: "intr.vector";
  readonly vcpu: number;
  readonly vector: number;
  /** The request had gone when it was acknowledged (IRQ 7 or 15 without in-service bit). */
  readonly spurious: boolean;
}

/** Local APIC → Switcher: a non-maskable interrupt for the vcpu. */
export interface IntrNmi {
  readonly type: "intr.nmi";
  readonly vcpu: number;
}

/** Fact, from InterruptController: the guest has ended the service of these lines (16 bits, one a line). */
export interface IntrEoi {
  readonly type: "intr.eoi";
  readonly lines: number;
}

export type IntrMessage = IntrRequest | IntrWithdraw | IntrAcknowledge | IntrVector | IntrNmi | IntrEoi;

/** Local APIC → Switcher: INIT for the vcpu, which is reset, and then waits for `ipi.startup` (the bootstrap processor begins at the reset vector). */
export interface IpiInit {
  readonly type: "ipi.init";
  readonly vcpu: number;
}

/** Local APIC → Switcher: start-up for the vcpu: if it waits for that, it begins in real mode at `vector` * 4096. */
export interface IpiStartup {
  readonly type: "ipi.startup";
  readonly vcpu: number;
  readonly vector: number;
}

export type IpiMessage = IpiInit | IpiStartup;
