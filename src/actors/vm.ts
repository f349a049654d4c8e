import type {
  ConsoleLog,
  ConsoleOutput,
  VmEnd,
  VmExit,
  VmFail,
  VmKill,
  VmReset,
} from "../bus/messages/index.ts";
import { vmChart } from "../machines/vm.ts";
import { SWITCHER, type VmAddresses } from "./addresses.ts";
import type { Stage } from "./stage.ts";

/** How a vm has ended. */
export interface VmEnding {
  readonly status: VmEnd;
  readonly reason: string;
  /** What was thrown, of a vm that has failed. */
  readonly error: unknown;
  /** Of a vm that has exited. */
  readonly exitCode?: number;
}

export interface VmParts {
  readonly addresses: VmAddresses;
  /** Of the vm, on the machine. */
  readonly vcpus: readonly number[];
  /** The vcpu is about to be handed to the Switcher for the first time. */
  readonly started: () => void;
  /** The Switcher has let go of every vcpu that was suspended. */
  readonly isSuspended: () => boolean;
  /** A reset is no end. */
  readonly mayRestart: () => boolean;
  /** Every vcpu is suspended: reset them and put new actors in the place of all others, and the guest into memory. Returns the count of restarts. */
  readonly restart: (by: string) => number;
  /** The supervisor has decided: nothing more will run; resources are still held. */
  readonly retired: (end: VmEnding) => void;
  /** Stop the other actors and give every frame back. */
  readonly release: () => void;
  /** A byte on the console. */
  readonly output: (byte: number) => void;
  /** A byte of firmware's log. */
  readonly log: (byte: number) => void;
}

/** The supervisor of one vm as an actor. */
export function addVm(stage: Stage, parts: VmParts) {
  const { addresses, vcpus } = parts;
  /** Vcpus whose removal has not been confirmed. */
  let awaited = 0;
  let resetBy = "";
  let status: VmEnd = "killed";
  let reason = "";
  return stage.add(addresses.vm, vmChart, (self) => ({
    guards: {
      isSuspended: parts.isSuspended,
      mayRestart: parts.mayRestart,
      isLastAnswer: () => awaited === 1,
    },
    actions: {
      start: () => {
        parts.started();
        for (const vcpu of vcpus) self.post(SWITCHER, { type: "sched.ready", vcpu });
      },
      suspend: ({ event }) => {
        if (event.type === "vm.reset") resetBy = (event as VmReset).by;
        else if (event.type === "vm.shutdown") resetBy = "a triple fault";
        for (const vcpu of vcpus) self.post(SWITCHER, { type: "sched.suspend", vcpu });
      },
      restart: () => {
        const count = parts.restart(resetBy);
        self.announce({ type: "vm.restarted", by: resetBy, count });
      },
      countAnswer: () => {
        awaited--;
      },
      resume: () => {
        for (const vcpu of vcpus) self.post(SWITCHER, { type: "sched.ready", vcpu });
      },
      retire: ({ event }) => {
        let error: unknown;
        let code: number | undefined;
        switch (event.type) {
          case "vm.halt":
            status = "halted";
            reason = event.reason;
            break;
          case "vm.shutdown":
            status = "shutdown";
            reason = event.reason;
            break;
          case "vm.reset":
            status = "reset";
            reason = `reset by ${(event as VmReset).by}`;
            break;
          case "vm.exit":
            status = "exited";
            ({ code } = event as VmExit);
            reason = `the guest ended itself with exit code ${code}`;
            break;
          case "vm.fail":
            status = "failed";
            error = (event as VmFail).error;
            reason = failureReason(event as VmFail);
            break;
          default:
            status = "killed";
            reason = (event as VmKill).reason;
        }
        parts.retired({ status, reason, error, ...(code !== undefined && { exitCode: code }) });
        awaited = vcpus.length;
        for (const vcpu of vcpus) self.post(SWITCHER, { type: "sched.remove", vcpu });
      },
      release: () => {
        parts.release();
        self.announce({ type: "vm.ended", status, reason });
      },
      emitOutput: ({ event }) => parts.output((event as ConsoleOutput).byte),
      emitLog: ({ event }) => parts.log((event as ConsoleLog).byte),
    },
  }));
}

/** One line: who threw what, and the messages that led there, the latest first. */
export function failureReason({ actor, error, causes }: VmFail): string {
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const chain = causes.map(({ seq, type }) => `#${seq} ${type}`).join(" ← ");
  return `the monitor has a defect: ${actor} threw ${what}${chain === "" ? "" : ` (${chain})`}`;
}
