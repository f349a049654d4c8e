/** Device → VirtualClock: (re)arm the alarm `id` of this device. */
export interface ClockArm {
  readonly type: "clock.arm";
  /** Actor that gets the `clock.alarm`. */
  readonly device: string;
  readonly id: string;
  /** Virtual nanoseconds since power-on; a time that has passed means as soon as possible. */
  readonly atNs: number;
}

/** Device → VirtualClock: forget the alarm. */
export interface ClockCancel {
  readonly type: "clock.cancel";
  readonly device: string;
  readonly id: string;
}

/** VirtualClock → device: its alarm is due. */
export interface ClockAlarm {
  readonly type: "clock.alarm";
  readonly id: string;
  readonly nowNs: number;
}

/** Switcher → VirtualClock: virtual time has passed; ring what is due. Answered by `clock.advanced`. */
export interface ClockAdvance {
  readonly type: "clock.advance";
  readonly vcpu: number;
  readonly nowNs: number;
}

/** VirtualClock → Switcher: every alarm that was due is on its way. */
export interface ClockAdvanced {
  readonly type: "clock.advanced";
  readonly vcpu: number;
}

/** Cpu → VirtualClock: the vcpu is halted and nothing is in flight: go to the next alarm. Answered by `clock.jumped` or `clock.none`. */
export interface ClockIdle {
  readonly type: "clock.idle";
  readonly vcpu: number;
  readonly nowNs: number;
}

/** VirtualClock → Cpu: time has jumped to the next alarm, which is on its way to its device. */
export interface ClockJumped {
  readonly type: "clock.jumped";
  readonly vcpu: number;
  readonly nowNs: number;
}

/** VirtualClock → Cpu: no alarm is armed. */
export interface ClockNone {
  readonly type: "clock.none";
  readonly vcpu: number;
}

export type ClockMessage =
  | ClockArm
  | ClockCancel
  | ClockAlarm
  | ClockAdvance
  | ClockAdvanced
  | ClockIdle
  | ClockJumped
  | ClockNone;
