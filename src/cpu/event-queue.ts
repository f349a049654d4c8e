import { DR6_BREAKPOINTS } from "./breakpoints.ts";
import type { Burst } from "./burst.ts";
import { type Core, type GuestFault, Vector } from "./core.ts";
import { ExitReason } from "./exit.ts";
import * as L from "./layout.ts";
import type { InjectedEvent } from "./processor.ts";
import { type CpuState, Flag } from "./state.ts";
import {
  deliverEvent,
  type Event,
  interceptException,
  isIntercepted,
  nextEvent,
  raiseAndDeliver,
} from "./system/index.ts";
import { enterTask, switchingException, TaskPending } from "./system/task-entry.ts";

const DEBUG_TRAP: InjectedEvent = { kind: "exception", vector: Vector.DB };
const DR6_SINGLE_STEP = 1 << 14;

/** An exception to be delivered later. */
const asInjected = ({ vector, errorCode, address }: GuestFault | Event): InjectedEvent => ({
  kind: "exception",
  vector,
  ...(errorCode >= 0 && { errorCode }),
  ...(vector === Vector.PF && { cr2: address }),
});

/** What comes between two instructions: events to be delivered, and task switches to be completed. */
export class EventQueue {
  pending: InjectedEvent | undefined;
  /** Left for the monitor, and nothing begins anew that would raise it again. */
  intercepted: InjectedEvent | undefined;
  /** In `perform`: a fault whose delivery leaves must be kept. */
  performing = false;
  private readonly state: CpuState;
  private readonly burst: Burst;
  private readonly core: Core;

  constructor(state: CpuState, burst: Burst, core: Core) {
    this.state = state;
    this.burst = burst;
    this.core = core;
  }

  /**
   * Completes task switches: a fault of the new task may switch to another one, whose segments may be refused, too. It ends, as each of them leaves a task
   * busy. False when that left the guest.
   */
  enterPendingTasks(): boolean {
    while (this.state.get(L.TASK) !== 0) if (!this.enterPendingTask()) return false;
    return true;
  }

  private enterPendingTask(): boolean {
    const { state, burst } = this;
    const pending = state.get(L.TASK);
    if (pending & TaskPending.announceCr3) {
      state.set(L.TASK, pending & ~TaskPending.announceCr3);
      burst.exitRecord.reason = ExitReason.taskSwitch;
      burst.exitRecord.length = 0;
      return false;
    }
    burst.currentOp = 0;
    // Set by a delivery that no instruction's end consumes.
    state.set(L.SHADOW, 0);
    try {
      return this.beginTask(switchingException(pending));
    } catch (thrown) {
      if (thrown !== burst.exitSignal) throw thrown;
      return false;
    }
  }

  /** `first`: the exception whose delivery comes to its end with the new task, or -1. False when the delivery of a fault or trap has left; throws ExitSignal. */
  private beginTask(first: number): boolean {
    const { state, burst, core } = this;
    burst.exitRecord.vectoring = first;
    let trapped: boolean;
    try {
      trapped = enterTask(core);
    } catch (thrown) {
      if (thrown !== burst.fault) throw thrown;
      burst.answers.clear();
      // Nothing begins anew that would raise it again, should its delivery leave.
      this.pending = asInjected(nextEvent(core, first, burst.fault));
      state.set(L.TASK, 0);
      return this.performing || this.deliverPending();
    }
    burst.exitRecord.vectoring = -1;
    burst.answers.clear();
    state.set(L.TASK, 0);
    return trapped ? this.deliverDebugTrap() : true;
  }

  /** Delivers the pending event; false when that left the guest, and then it stays pending. */
  deliverPending(): boolean {
    const { burst, core } = this;
    const event = this.pending as InjectedEvent;
    const errorCode = event.errorCode ?? -1;
    // The flags that are saved in the middle of a repeated instruction (Intel SDM vol. 3, 17.3.1.1).
    if (burst.inRepetition) this.state.set(L.EFLAGS_REST, this.state.get(L.EFLAGS_REST) | Flag.RF);
    try {
      if (event.kind !== "exception") {
        deliverEvent(core, {
          vector: event.vector,
          errorCode,
          address: 0,
          kind: "external",
          returnEip: this.state.eip,
        });
        if (event.kind === "nmi") this.state.set(L.NMI_BLOCKED, 1);
      } else {
        burst.fault.vector = event.vector;
        burst.fault.errorCode = errorCode;
        burst.fault.address = event.cr2 ?? 0;
        raiseAndDeliver(core, burst.fault);
      }
    } catch (thrown) {
      burst.hits = burst.delayed;
      if (thrown === burst.exitSignal) return false;
      if (thrown !== burst.fault) throw thrown;
      return this.deliverInstead();
    }
    this.pending = undefined;
    this.delivered();
    return true;
  }

  /** An exception in the place of a pending interrupt is of its delivery: a non-maskable one has been taken all the same. */
  replacePending(event: InjectedEvent): void {
    if (this.pending?.kind === "nmi" && event.kind === "exception") this.state.set(L.NMI_BLOCKED, 1);
    this.pending = event;
  }

  /** Delivers the noted fault in the place of the interrupt whose delivery has raised it. Nothing begins anew that would raise it again: it is kept should that leave. */
  private deliverInstead(): boolean {
    const { burst } = this;
    burst.answers.clear();
    const { vector, errorCode, address } = burst.fault;
    const fault = asInjected(burst.fault);
    this.replacePending(fault);
    if (isIntercepted(this.core, vector)) {
      interceptException(this.core, vector, errorCode, address, -1);
      this.pending = undefined;
      this.intercepted = fault;
      return false;
    }
    return this.deliverPending();
  }

  /** Delivers the noted fault through the guest's IDT; false when that left the guest. */
  deliverFault(): boolean {
    const { burst } = this;
    burst.currentOp = 0;
    const { vector, errorCode, address } = burst.fault;
    if (burst.intercepts.exceptions !== 0 && isIntercepted(this.core, vector)) {
      interceptException(this.core, vector, errorCode, address, -1);
      return false;
    }
    const event = this.performing ? asInjected(burst.fault) : undefined;
    try {
      raiseAndDeliver(this.core, burst.fault);
      this.delivered();
      return true;
    } catch (thrown) {
      if (thrown !== burst.exitSignal) throw thrown;
      burst.hits = burst.delayed;
      // Begun anew, a performed instruction would leave for the monitor again rather than fault: the fault itself must be kept.
      if (event !== undefined) this.pending = event;
      return false;
    }
  }

  /**
   * Which debug traps are due, as bits of DR6, after an instruction (or an iteration of a repeated one): breakpoints that it has met, and the
   * single step if it began with TF set.
   */
  trapsDue(stepping: boolean): number {
    const { burst } = this;
    if (burst.debugHeldOff) return 0;
    return burst.hits | (stepping && !burst.stepHeldOff ? DR6_SINGLE_STEP : 0);
  }

  /** Delivers them; false when that left the guest, and then the trap stays pending. */
  deliverTraps(due: number): boolean {
    const { state } = this;
    this.burst.hits = 0;
    state.set(L.DR6, (state.get(L.DR6) & ~DR6_BREAKPOINTS) | due);
    return this.deliverDebugTrap();
  }

  private deliverDebugTrap(): boolean {
    if (isIntercepted(this.core, Vector.DB)) {
      interceptException(this.core, Vector.DB, -1, 0, -1);
      this.intercepted = DEBUG_TRAP;
      return false;
    }
    this.pending = DEBUG_TRAP;
    return this.deliverPending();
  }

  /** The guest is at the beginning of a handler. */
  private delivered(): void {
    const { burst } = this;
    const { retired } = burst;
    // No instruction has retired that would end them: its first one may access the device that the stack is on.
    burst.answers.clear();
    if (burst.deliveredAt !== retired) burst.deliveryCount = 0;
    burst.deliveredAt = retired;
    burst.deliveryCount++;
    burst.shadowAt = -1;
    burst.iteratedAt = -1;
  }
}
