import type { CpuEnter, CpuExit, CpuHalt, TrapInject } from "../bus/messages/index.ts";
import { ExitReason, type ExitRecord } from "../cpu/exit.ts";
import type { InjectedEvent, Processor } from "../cpu/processor.ts";
import { Flag } from "../cpu/state.ts";
import { cpuChart } from "../machines/cpu.ts";
import type { Vcpu } from "../switch/vcpu.ts";
import { addressesOf, CPU, SWITCHER } from "./addresses.ts";
import type { Stage } from "./stage.ts";

/** Jumps to alarms that woke nobody, after which HLT counts as waiting for input only (a timer that the guest has masked). */
const MOST_FRUITLESS_JUMPS = 100_000;

/** Exceptions in a row that a guest may take without an instruction retiring between them; more than a few are a defect of its handlers. */
const MOST_DELIVERIES = 50_000;

export interface CpuParts {
  readonly processor: Processor;
  /** By vcpu index. */
  readonly vcpus: readonly Vcpu[];
}

/** What the physical CPU would do if the bus were quiet. */
export type CpuDuty = "none" | "run" | "idle";

/** The physical CPU as an actor: runs bursts of guest code between `cpu.enter` and `cpu.exit`. */
export class CpuActor {
  duty: CpuDuty = "none";
  #vcpu: Vcpu | undefined;

  constructor(stage: Stage, parts: CpuParts) {
    const { processor, vcpus } = parts;
    const clocks: string[] = [];
    stage.add(CPU, cpuChart, (self) => {
      const leave = (vcpu: Vcpu, reason: "kicked" | "asleep" | "budget") => {
        vcpu.exits[reason]++;
        self.post(SWITCHER, { type: "cpu.exit", vcpu: vcpu.index, reason, eip: processor.state.eip });
      };
      return {
        actions: {
          inject: ({ event }) => processor.inject(injectedEvent(event as TrapInject)),
          load: ({ event }) => {
            const message = event as CpuEnter | CpuHalt;
            this.#vcpu = vcpus[message.vcpu];
            this.duty = message.type === "cpu.enter" ? "run" : "idle";
          },
          unload: () => {
            this.duty = "none";
          },
          runBurst: () => {
            const vcpu = this.#vcpu as Vcpu;
            const { deliveries } = processor;
            if (vcpu.checkStalled() || deliveries > MOST_DELIVERIES) {
              vcpu.stopped = true;
              const eip = `0x${processor.state.eip.toString(16)}`;
              const reason =
                deliveries > MOST_DELIVERIES
                  ? `no instruction has retired in ${deliveries} deliveries of exceptions: the guest faults at the entry of its handler, eip ${eip}`
                  : `no instruction retired in ${vcpu.maxStalledExits} exits: the guest is stuck at eip ${eip}`;
              self.post(addressesOf(vcpu.name).vm, { type: "vm.kill", reason });
              leave(vcpu, "kicked");
              return;
            }
            const budget = vcpu.burstBudget();
            if (budget <= 0) {
              leave(vcpu, "budget");
              return;
            }
            let record: ExitRecord;
            try {
              record = processor.run(budget);
            } catch (error) {
              // A defect of the engine: the guest concerned fails, and the Switcher gets its exit all the same.
              const causes = stage.bus.causeChain(stage.bus.lastSeq);
              self.post(addressesOf(vcpu.name).vm, { type: "vm.fail", actor: CPU, error, causes });
              vcpu.stopped = true;
              leave(vcpu, "kicked");
              return;
            }
            vcpu.exits[record.reason]++;
            self.post(SWITCHER, exitMessage(vcpu.index, record, processor));
          },
          idle: () => {
            const vcpu = this.#vcpu as Vcpu;
            if (++vcpu.set.fruitlessJumps > MOST_FRUITLESS_JUMPS) {
              self.post(CPU, { type: "clock.none", vcpu: vcpu.index });
              return;
            }
            let clock = clocks[vcpu.index];
            if (clock === undefined) {
              clock = addressesOf(vcpu.name).clock;
              clocks[vcpu.index] = clock;
            }
            self.post(clock, { type: "clock.idle", vcpu: vcpu.index, nowNs: vcpu.set.time.nowNs() });
          },
          exitKicked: () => leave(this.#vcpu as Vcpu, "kicked"),
          exitAsleep: () => leave(this.#vcpu as Vcpu, "asleep"),
        },
      };
    });
  }
}

function injectedEvent(trap: TrapInject): InjectedEvent {
  return {
    kind: trap.kind,
    vector: trap.vector,
    ...(trap.errorCode >= 0 && { errorCode: trap.errorCode }),
    ...(trap.cr2 !== undefined && { cr2: trap.cr2 }),
  };
}

/** HOT: copies what its reason defines out of the reused record. */
function exitMessage(vcpu: number, record: ExitRecord, processor: Processor): CpuExit {
  const type = "cpu.exit";
  const { eip } = record;
  switch (record.reason) {
    case ExitReason.pageFault:
      return {
        type,
        vcpu,
        reason: "pageFault",
        eip,
        gva: record.gva,
        errorCode: record.errorCode,
        access: record.access,
        size: record.size,
        value: record.value,
        begun: record.begun,
        vectoring: record.vectoring,
      };
    case ExitReason.io: {
      const { port, size, write, value, gva, count, more } = record;
      const single: CpuExit = { type, vcpu, reason: "io", eip, port, size, write, value };
      if (gva === 0 && count === 1) return single;
      return { ...single, count, gva, ...(write && { more }) };
    }
    case ExitReason.apic: {
      const { register, write, size: offset, value, valueHigh } = record;
      return { type, vcpu, reason: "apic", eip, register, write, offset, value, valueHigh };
    }
    case ExitReason.mmio: {
      const { gpa, access, size, value } = record;
      return { type, vcpu, reason: "mmio", eip, gpa, access, size, value };
    }
    case ExitReason.controlRegister:
      return {
        type,
        vcpu,
        reason: "controlRegister",
        eip,
        register: record.register as 0 | 3 | 4,
        write: record.write,
        value: record.value,
      };
    case ExitReason.exception: {
      const { vector, errorCode } = record;
      return { type, vcpu, reason: "exception", eip, vector, errorCode };
    }
    case ExitReason.taskSwitchAttempt:
      return { type, vcpu, reason: "taskSwitchAttempt", eip, selector: record.value };
    case ExitReason.debugRegister:
    case ExitReason.descriptorTable: {
      const { reason, register, write } = record;
      return { type, vcpu, reason, eip, register, write };
    }
    case ExitReason.invlpg:
      return { type, vcpu, reason: "invlpg", eip, gva: record.gva };
    case ExitReason.msr:
      return { type, vcpu, reason: "msr", eip, write: record.write };
    case ExitReason.hlt:
      return {
        type,
        vcpu,
        reason: "hlt",
        eip,
        interruptible: (processor.state.eflags & Flag.IF) !== 0,
      };
    case ExitReason.coprocessorError:
      return {
        type,
        vcpu,
        reason: "coprocessorError",
        eip,
        fresh: record.value === 1,
        interruptible: (processor.state.eflags & Flag.IF) !== 0,
      };
    case ExitReason.budget:
    case ExitReason.interruptWindow:
    case ExitReason.cpuid:
    case ExitReason.nmiWindow:
    case ExitReason.rdtsc:
    case ExitReason.rdpmc:
    case ExitReason.wbinvd:
    case ExitReason.pause:
    case ExitReason.tripleFault:
    case ExitReason.taskSwitch:
      return { type, vcpu, reason: record.reason, eip };
  }
}
