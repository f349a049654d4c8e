/** Vm → Switcher: the vcpu may run. */
export interface SchedReady {
  readonly type: "sched.ready";
  readonly vcpu: number;
}

/** Vm → Switcher: the vcpu must not run until the next `sched.ready`; what is being done for it is finished first. Answered by `sched.suspended`. */
export interface SchedSuspend {
  readonly type: "sched.suspend";
  readonly vcpu: number;
}

/** Switcher → Vm: the vcpu is off the CPU, between two instructions. */
export interface SchedSuspended {
  readonly type: "sched.suspended";
  readonly vcpu: number;
}

/** Vm → Switcher: the vcpu has ended; whatever is being done for it is abandoned. Answered by `sched.removed`. */
export interface SchedRemove {
  readonly type: "sched.remove";
  readonly vcpu: number;
}

/** Switcher → Vm: the vcpu is off the CPU for good; nobody will work for it any more. */
export interface SchedRemoved {
  readonly type: "sched.removed";
  readonly vcpu: number;
}

/** Fact, from Switcher: another vcpu's state is on the physical CPU now. -1: none was. */
export interface SchedSwitched {
  readonly type: "sched.switched";
  readonly from: number;
  readonly to: number;
}

/** Switcher → Vm: the vcpu is halted and only input can wake it. */
export interface SchedAsleep {
  readonly type: "sched.asleep";
  readonly vcpu: number;
}

/** Switcher → Vm: an interrupt has woken it. */
export interface SchedAwake {
  readonly type: "sched.awake";
  readonly vcpu: number;
}

export type SchedMessage =
  | SchedReady
  | SchedSuspend
  | SchedSuspended
  | SchedRemove
  | SchedRemoved
  | SchedSwitched
  | SchedAsleep
  | SchedAwake;
