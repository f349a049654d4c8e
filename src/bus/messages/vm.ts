import type { CauseLink } from "../envelope.ts";

/** Why a vm is over. `halted`: HLT with interrupts off, or switched off; `shutdown`: triple fault; `reset`: the guest asked
 * for it; `exited`: it ended itself through the debug-exit port. */
export type VmEnd = "halted" | "shutdown" | "reset" | "exited" | "killed" | "failed";

/** Embedder → Vm: load the guest and set it running. */
export interface VmBoot {
  readonly type: "vm.boot";
}

export interface VmPause {
  readonly type: "vm.pause";
}

export interface VmResume {
  readonly type: "vm.resume";
}

/** Anyone → Vm: the guest has broken a rule, or its owner wants it gone. */
export interface VmKill {
  readonly type: "vm.kill";
  /** What it did, at which eip, which rule; a sentence for a person. */
  readonly reason: string;
}

/** Switcher → Vm: HLT with interrupts off and nothing that could wake it. Or a device → Vm: the guest has switched itself off. */
export interface VmHalt {
  readonly type: "vm.halt";
  readonly reason: string;
}

/** Switcher → Vm: triple fault. */
export interface VmShutdown {
  readonly type: "vm.shutdown";
  readonly reason: string;
}

/** A device → Vm: the guest has asked for a reset through it. Or the embedder has pressed the button. */
export interface VmReset {
  readonly type: "vm.reset";
  /** E.g. "port 0xCF9", "keyboard controller". */
  readonly by: string;
}

/** A device → Vm: the guest ends itself, with this exit code (0 to 255). */
export interface VmExit {
  readonly type: "vm.exit";
  readonly code: number;
}

/** Bus or Cpu → Vm: an actor or the engine threw (a defect of the monitor, not of the guest). */
export interface VmFail {
  readonly type: "vm.fail";
  /** Actor that threw. */
  readonly actor: string;
  readonly error: unknown;
  /** The message that it was handling, then what caused that, as far back as is known. */
  readonly causes: readonly CauseLink[];
}

/** Embedder → ShadowManager of the vm: keep at most so many shadow pages from now on; the oldest beyond that are zapped. Nobody answers. */
export interface VmBudget {
  readonly type: "vm.budget";
  /** Shadow pages; brought into the range that is possible (64 to the pager's capacity). */
  readonly max: number;
}

/** Fact, from Vm: it has been reset, and begins anew: all its other actors are new ones, by the same names. */
export interface VmRestarted {
  readonly type: "vm.restarted";
  /** Who reset it: as in `vm.reset`, or "a triple fault". */
  readonly by: string;
  /** Which restart it is, from 1 on. */
  readonly count: number;
}

/** Fact, from Vm: it is over, its frames are returned. */
export interface VmEnded {
  readonly type: "vm.ended";
  readonly status: VmEnd;
  readonly reason: string;
}

export type VmMessage =
  | VmBoot
  | VmPause
  | VmResume
  | VmKill
  | VmHalt
  | VmShutdown
  | VmReset
  | VmExit
  | VmFail
  | VmBudget
  | VmRestarted
  | VmEnded;
