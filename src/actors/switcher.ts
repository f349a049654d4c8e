import type {
  ApicExit,
  ControlRegisterExit,
  CoprocessorErrorExit,
  CpuExit,
  HltExit,
  IntrNmi,
  IntrRequest,
  IntrVector,
  InvlpgExit,
  IoData,
  IoDone,
  IoExit,
  IoRead,
  IoWrite,
  IpiStartup,
  Message,
  MmioExit,
  MmuEmulated,
  MsrExit,
  PageFaultExit,
  TaskSwitchExit,
  TrapInject,
} from "../bus/messages/index.ts";
import { Vector } from "../cpu/core.ts";
import { ExitControl } from "../cpu/exit.ts";
import { CR0, CR4 } from "../cpu/layout.ts";
import type { Processor } from "../cpu/processor.ts";
import { Cr0, Cr4 } from "../cpu/state.ts";
import { combineExceptions } from "../cpu/system/exceptions.ts";
import { changesExecuteDisable } from "../cpu/system/msr.ts";
import { switcherChart } from "../machines/switcher.ts";
import type { TranslationChange } from "../mmu/pager.ts";
import type { RunQueue } from "../switch/run-queue.ts";
import type { Vcpu } from "../switch/vcpu.ts";
import type { WorldSwitch } from "../switch/world-switch.ts";
import { addressesOf, CPU, SWITCHER, type VmAddresses } from "./addresses.ts";
import type { IoRoutes } from "./io-routes.ts";
import type { Stage } from "./stage.ts";

/** Bits whose change makes translations stale (Intel SDM vol. 3, 4.10.4.1) or has the PDPTEs of PAE loaded anew (4.4.1). */
const CR0_PAGING = Cr0.PE | Cr0.PG | Cr0.WP | Cr0.CD | Cr0.NW;
const CR4_PAGING = Cr4.PSE | Cr4.PAE | Cr4.PGE | Cr4.SMEP | Cr4.SMAP;

/** Exits after which the CPU does what has left, and that is all. */
const PERFORMED: ReadonlySet<CpuExit["reason"]> = new Set([
  "cpuid",
  "msr",
  "exception",
  "taskSwitchAttempt",
  "rdtsc",
  "rdpmc",
  "wbinvd",
  "debugRegister",
  "descriptorTable",
]);

/** A vcpu with what the Switcher posts to on its behalf. */
export interface VcpuWiring {
  readonly vcpu: Vcpu;
  readonly addresses: VmAddresses;
  readonly routes: IoRoutes;
  /** Who follows its paging registers: the ShadowManager, or Roots where the pager has them. */
  readonly contextActor: string;
  /** The local APIC of the vcpu, or the vm's 8259 pair. */
  readonly interrupts: string;
}

export interface SwitcherParts {
  readonly processor: Processor;
  readonly worldSwitch: WorldSwitch;
  readonly queue: RunQueue;
  /** By vcpu index. */
  readonly wirings: readonly VcpuWiring[];
}

/** What every message that concerns a vcpu tells. */
interface Concerning {
  readonly vcpu: number;
}

/** The Switcher of the physical CPU as an actor: chart, run queue and world switch. */
export function addSwitcher(stage: Stage, parts: SwitcherParts) {
  const { processor, worldSwitch, queue, wirings } = parts;
  return stage.add(SWITCHER, switcherChart, (self) => {
    /** Of the vcpu chosen last; its state is the one on the CPU. */
    let vcpu = undefined as unknown as Vcpu;
    let wiring = undefined as unknown as VcpuWiring;
    /** Vector of the event whose delivery the last page fault interrupted, -1 if none. */
    let vectoring = -1;
    let enter: Message = { type: "cpu.enter", vcpu: -1 };
    let exitEip = 0;
    /** EFLAGS.IF at the last exit for an x87 error. */
    let interruptible = true;

    const concerned = (event: Concerning) => (wirings[event.vcpu] as VcpuWiring).vcpu;
    const fail = (error: unknown) => {
      vcpu.stopped = true;
      const causes = stage.bus.causeChain(stage.bus.lastSeq);
      self.post(wiring.addresses.vm, { type: "vm.fail", actor: SWITCHER, error, causes });
    };
    /** What the engine throws is a defect; the guest concerned fails, the Switcher serves the others. */
    const onProcessor = (act: () => void) => {
      try {
        act();
      } catch (error) {
        fail(error);
      }
    };
    const wake = (woken: Vcpu) => {
      if (woken !== vcpu && woken.set === vcpu?.set) queue.shortenSlice(vcpu);
      if (!woken.set.asleep || woken.awaitsStartup) return;
      woken.set.asleep = false;
      self.post(addressesOf(woken.name).vm, { type: "sched.awake", vcpu: woken.index });
    };
    /** The CPU has left the vcpu: does it spin, is its turn over? */
    const lookForSpin = () => {
      if (vcpu.set.vcpus.length === 1) return;
      const { retired, spinWatch } = vcpu;
      if (retired >= spinWatch.end && spinWatch.judge(processor.state) && vcpu.set.othersGetAhead(vcpu))
        vcpu.sliceEnd = retired;
      if (retired < vcpu.sliceEnd) return;
      spinWatch.end = Number.POSITIVE_INFINITY;
      vcpu.looksForSpin = true;
    };
    const canInterrupt = () =>
      vcpu.interruptPending && !vcpu.injecting && processor.interruptible && processor.pending === undefined;
    const perform = () => processor.perform();
    const answerWrites = ({ count }: IoDone) => {
      if (count === undefined) processor.answer(0);
      else processor.answerRun(count, []);
    };
    const answerReads = ({ value, more }: IoData) => {
      if (more === undefined) processor.answer(value);
      else processor.answerRun(more.length + 1, [value, ...more]);
    };
    const waitForInterrupt = (deaf: boolean) => {
      vcpu.halted = true;
      vcpu.deaf = deaf;
      vcpu.spinWatch.forget();
      // Whoever has work comes first; the jump to the next alarm can wait for the next turn.
      vcpu.sliceEnd = vcpu.retired;
    };
    const inject = (trap: TrapInject) => {
      vcpu.injecting = true;
      vcpu.halted = false;
      vcpu.deaf = false;
      self.post(CPU, trap);
    };

    return {
      guards: {
        hasRunnable: () => queue.hasRunnable,
        mustYield: () => !vcpu.runnable || (vcpu.retired >= vcpu.sliceEnd && queue.othersRunnable(vcpu)),
        canInterrupt,
        canInjectNmi: () =>
          vcpu.nmiPending && !vcpu.injecting && processor.nmiReady && processor.pending === undefined,
        isHalted: () => vcpu.halted,
        mustReset: () => vcpu.resetPending,
        wakesSibling: ({ event }) => {
          const woken = concerned(event as Concerning);
          return woken !== vcpu && woken.set === vcpu.set && vcpu.halted;
        },
        concernsLoaded: ({ event }) => (event as Concerning).vcpu === vcpu?.index,
        canInterruptLoaded: ({ event }) =>
          (event as Concerning).vcpu === vcpu.index &&
          !vcpu.injecting &&
          processor.interruptible &&
          processor.pending === undefined,
        isPageFault: ({ event }) => (event as CpuExit).reason === "pageFault",
        isIo: ({ event }) => (event as CpuExit).reason === "io",
        isApic: ({ event }) => (event as CpuExit).reason === "apic",
        isExecuteDisableChange: ({ event }) =>
          (event as CpuExit).reason === "msr" &&
          (event as MsrExit).write &&
          changesExecuteDisable(processor.state),
        isPause: ({ event }) => (event as CpuExit).reason === "pause",
        isPerformed: ({ event }) => PERFORMED.has((event as CpuExit).reason),
        isTranslationChange: ({ event }) => {
          if ((event as CpuExit).reason !== "controlRegister") return false;
          const { register, value, write } = event as ControlRegisterExit;
          if (register === 3) return write;
          const old = processor.state.get(register === 0 ? CR0 : CR4);
          return ((old ^ value) & (register === 0 ? CR0_PAGING : CR4_PAGING)) !== 0;
        },
        isTaskSwitch: ({ event }) => (event as CpuExit).reason === "taskSwitch",
        isControlRegister: ({ event }) => (event as CpuExit).reason === "controlRegister",
        isInvlpg: ({ event }) => (event as CpuExit).reason === "invlpg",
        isMmio: ({ event }) => (event as CpuExit).reason === "mmio",
        isLimit: ({ event }) => (event as CpuExit).reason === "budget" && vcpu.limitReached,
        isAlarm: ({ event }) => (event as CpuExit).reason === "budget" && vcpu.alarmDue,
        isDeadHalt: ({ event }) =>
          (event as CpuExit).reason === "hlt" &&
          !(event as HltExit).interruptible &&
          !vcpu.set.othersLive(vcpu),
        isCoprocessorError: ({ event }) => (event as CpuExit).reason === "coprocessorError",
        isFrozenForGood: ({ event }) =>
          (event as Concerning).vcpu === vcpu.index && !interruptible && !vcpu.set.othersLive(vcpu),
        isHlt: ({ event }) => (event as CpuExit).reason === "hlt",
        isAsleep: ({ event }) => (event as CpuExit).reason === "asleep" && !vcpu.set.hasWork,
        isTripleFault: ({ event }) => (event as CpuExit).reason === "tripleFault",
        causesTripleFault: ({ event }) =>
          (event as TrapInject).vcpu === vcpu.index &&
          combineExceptions(vectoring, (event as TrapInject).vector) === "tripleFault",
      },
      actions: {
        choose: () => {
          vcpu = queue.choose() as Vcpu;
          wiring = wirings[vcpu.index] as VcpuWiring;
          enter = { type: "cpu.enter", vcpu: vcpu.index };
          onProcessor(() => {
            if (worldSwitch.loaded === vcpu) return;
            const before = worldSwitch.load(vcpu);
            self.announce({ type: "sched.switched", from: before?.index ?? -1, to: vcpu.index });
            const last = vcpu.set.active;
            vcpu.set.active = vcpu;
            if (last !== vcpu && last !== undefined) vcpu.set.onTurn();
          });
        },
        yieldCpu: () => {
          if (vcpu.removed) {
            worldSwitch.discard(vcpu);
            self.post(wiring.addresses.vm, { type: "sched.removed", vcpu: vcpu.index });
          } else if (vcpu.suspendPending) {
            vcpu.suspendPending = false;
            self.post(wiring.addresses.vm, { type: "sched.suspended", vcpu: vcpu.index });
          }
        },
        enter: () => {
          if (vcpu.retired >= vcpu.sliceEnd) queue.renewSlice(vcpu);
          if (vcpu.looksForSpin) {
            vcpu.looksForSpin = false;
            vcpu.spinWatch.begin(processor.state, vcpu.retired);
          }
          processor.windowRequested = vcpu.interruptPending;
          processor.controls =
            vcpu.controls |
            ExitControl.coprocessorError |
            (vcpu.nmiPending ? ExitControl.nmiWindow : 0) |
            (vcpu.set.yieldsOnPause(vcpu) ? ExitControl.pause : 0);
          self.post(CPU, enter);
        },
        halt: () => self.post(CPU, { type: "cpu.halt", vcpu: vcpu.index }),
        kick: () => self.post(CPU, { type: "cpu.kick", vcpu: vcpu.index }),
        left: ({ event }) => {
          vcpu.injecting = false;
          if (event.type !== "cpu.exit") return;
          exitEip = event.eip;
          if (event.reason === "hlt" || vcpu.retired >= vcpu.sliceEnd) vcpu.spins = 0;
          lookForSpin();
        },
        raise: ({ event }) => {
          const woken = concerned(event as IntrRequest);
          woken.interruptPending = true;
          wake(woken);
        },
        raiseNmi: ({ event }) => {
          const woken = concerned(event as IntrNmi);
          woken.nmiPending = true;
          wake(woken);
        },
        init: ({ event }) => {
          const target = concerned(event as Concerning);
          target.resetPending = true;
          target.startupVector = -1;
          target.awaitsStartup = target.number !== 0;
          target.halted = false;
          target.deaf = false;
          target.interruptPending = false;
          target.nmiPending = false;
          wake(target);
        },
        startup: ({ event }) => {
          const { vector } = event as IpiStartup;
          const target = concerned(event as Concerning);
          if (!target.awaitsStartup) return;
          target.awaitsStartup = false;
          target.resetPending = true;
          target.startupVector = vector;
          wake(target);
        },
        reset: () => {
          vcpu.resetPending = false;
          onProcessor(() => processor.init(vcpu.startupVector));
        },
        askShadowReset: () =>
          self.post(wiring.contextActor, { type: "shadow.cr", vcpu: vcpu.index, change: "cr0" }),
        injectNmi: () => {
          vcpu.nmiPending = false;
          inject({ type: "trap.inject", vcpu: vcpu.index, vector: Vector.NMI, kind: "nmi", errorCode: -1 });
        },
        openWindow: () => {
          processor.windowRequested = true;
        },
        withdraw: ({ event }) => {
          const target = concerned(event as Concerning);
          target.interruptPending = false;
          if (target === vcpu) processor.windowRequested = false;
        },
        acknowledge: () => {
          vcpu.interruptPending = false;
          self.post(wiring.interrupts, { type: "intr.acknowledge", vcpu: vcpu.index });
        },
        injectInterrupt: ({ event }) => {
          const { vector } = event as IntrVector;
          vcpu.set.fruitlessJumps = 0;
          inject({ type: "trap.inject", vcpu: vcpu.index, vector, kind: "external", errorCode: -1 });
        },
        injectTrap: ({ event }) => {
          const trap = event as TrapInject;
          inject(
            combineExceptions(vectoring, trap.vector) === "doubleFault"
              ? { type: "trap.inject", vcpu: vcpu.index, vector: Vector.DF, kind: "exception", errorCode: 0 }
              : trap,
          );
        },
        answer: ({ event }) =>
          onProcessor(() => {
            if (event.type === "mmu.emulated") processor.answer((event as MmuEmulated).value);
            else if (event.type === "io.done") answerWrites(event as IoDone);
            else answerReads(event as IoData);
          }),
        perform: () => onProcessor(perform),
        endTurn: () => {
          // Under an embedder's exit control it may be alone.
          if (!vcpu.set.yieldsOnPause(vcpu)) return;
          vcpu.spins++;
          vcpu.spinWatch.forget();
          vcpu.sliceEnd = vcpu.retired;
        },
        askMmu: ({ event }) => {
          const { gva, errorCode, access, size, value, begun, vectoring: first } = event as PageFaultExit;
          vectoring = processor.pending?.kind === "external" ? -1 : first;
          self.post(wiring.addresses.mmu, { type: "mmu.fault", gva, errorCode, access, size, value, begun });
        },
        askMmuUnbacked: ({ event }) => {
          const { gpa, access, size, value } = event as MmioExit;
          self.post(wiring.addresses.mmu, { type: "mmu.unbacked", gpa, access, size, value });
        },
        askShadowContext: ({ event }) => {
          const change = changeOf(event as MsrExit | TaskSwitchExit | ControlRegisterExit);
          self.post(wiring.contextActor, { type: "shadow.cr", vcpu: vcpu.index, change });
        },
        askShadowInvlpg: ({ event }) => {
          const { gva } = event as InvlpgExit;
          self.post(wiring.addresses.shadow, { type: "shadow.invlpg", vcpu: vcpu.index, gva });
        },
        askDevice: ({ event }) => {
          const { port, size, write, value, count = 1, more } = event as IoExit;
          const device = wiring.routes.actorAt(port);
          // An alarm comes before the access that begins when it is due.
          const together = count === 1 ? 1 : Math.min(count, vcpu.accessesUntilAlarm());
          vcpu.set.time.spendIo(1);
          const { index } = vcpu;
          if (write) {
            const alone: IoWrite = { type: "io.write", vcpu: index, port, size, value };
            self.post(
              device,
              together === 1 ? alone : { ...alone, more: more?.slice(0, together - 1) ?? [] },
            );
          } else {
            const alone: IoRead = { type: "io.read", vcpu: index, port, size };
            self.post(device, together === 1 ? alone : { ...alone, count: together });
          }
        },
        askApic: ({ event }) => {
          const { register, write, offset, value, valueHigh } = event as ApicExit;
          const apic = wiring.interrupts;
          if (write) self.post(apic, { type: "apic.write", vcpu: vcpu.index, register, value, valueHigh });
          else self.post(apic, { type: "apic.read", vcpu: vcpu.index, register, offset });
        },
        askCoprocessor: ({ event }) => {
          const { fresh } = event as CoprocessorErrorExit;
          ({ interruptible } = event as CoprocessorErrorExit);
          self.post(wiring.addresses.coprocessor, { type: "fpu.error", vcpu: vcpu.index, fresh });
        },
        markFrozen: () => waitForInterrupt(!interruptible),
        reportFrozen: () => {
          vcpu.stopped = true;
          const reason = `an x87 error at eip ${hex(exitEip)} with CR0.NE clear and interrupts off: nothing can wake the processor`;
          self.post(wiring.addresses.vm, { type: "vm.halt", reason });
        },
        advanceClock: () =>
          self.post(wiring.addresses.clock, {
            type: "clock.advance",
            vcpu: vcpu.index,
            nowNs: vcpu.set.time.nowNs(),
          }),
        markHalted: ({ event }) => waitForInterrupt(!(event as HltExit).interruptible),
        markAsleep: () => {
          vcpu.set.asleep = true;
          vcpu.set.fruitlessJumps = 0;
          self.post(wiring.addresses.vm, { type: "sched.asleep", vcpu: vcpu.index });
        },
        reportHalt: () => {
          vcpu.stopped = true;
          const reason = `HLT with interrupts off at eip ${hex(exitEip)}: nothing can wake the processor`;
          self.post(wiring.addresses.vm, { type: "vm.halt", reason });
        },
        reportShutdown: () => {
          vcpu.stopped = true;
          const reason = `triple fault at eip ${hex(exitEip)}: a fault while a double fault was delivered`;
          self.post(wiring.addresses.vm, { type: "vm.shutdown", reason });
        },
        reportLimit: () => {
          vcpu.stopped = true;
          const reason = `instruction limit of ${vcpu.set.maxInstructions} reached at eip ${hex(exitEip)}`;
          self.post(wiring.addresses.vm, { type: "vm.kill", reason });
        },
        ready: ({ event }) => {
          const target = concerned(event as Concerning);
          target.ready = true;
          target.suspendPending = false;
          queue.add(target);
          if (target !== vcpu && target.set === vcpu?.set && target.hasWork) queue.shortenSlice(vcpu);
        },
        suspend: ({ event }) => {
          const target = concerned(event as Concerning);
          target.ready = false;
          target.suspendPending = true;
        },
        confirmSuspended: ({ event }) => {
          const target = concerned(event as Concerning);
          target.suspendPending = false;
          self.post(addressesOf(target.name).vm, { type: "sched.suspended", vcpu: target.index });
        },
        remove: ({ event }) => {
          const target = concerned(event as Concerning);
          target.stopped = true;
          target.removed = true;
          queue.remove(target);
        },
        confirmRemoved: ({ event }) => {
          const target = concerned(event as Concerning);
          worldSwitch.discard(target);
          self.post(addressesOf(target.name).vm, { type: "sched.removed", vcpu: target.index });
        },
      },
    };
  });
}

function changeOf(exit: MsrExit | TaskSwitchExit | ControlRegisterExit): TranslationChange {
  if (exit.reason === "msr") return "efer";
  if (exit.reason === "taskSwitch" || exit.register === 3) return "cr3";
  return exit.register === 0 ? "cr0" : "cr4";
}

const hex = (value: number) => `0x${(value >>> 0).toString(16)}`;
