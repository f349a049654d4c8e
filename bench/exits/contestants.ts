import { Cpu } from "../../src/cpu/cpu.ts";
import { ExitControl } from "../../src/cpu/exit.ts";
import { PostCode } from "../../src/devices/post-code.ts";
import { createMachine } from "../../src/index.ts";
import type { Gva } from "../../src/mmu/address.ts";
import { FrameAllocator } from "../../src/mmu/frames.ts";
import { GuestMemory } from "../../src/mmu/guest-memory.ts";
import { MachineMemory } from "../../src/mmu/machine-memory.ts";
import { P2m } from "../../src/mmu/p2m.ts";
import { PageFault, type Pager } from "../../src/mmu/pager.ts";
import { createPager } from "../../src/mmu/shadow/create.ts";
import { GuestWalker } from "../../src/mmu/walker.ts";
import { Vcpu } from "../../src/switch/vcpu.ts";
import { DEFAULT_TIME_SCALE } from "../../src/switch/virtual-time.ts";
import { pagingView } from "../../src/vm/paging-view.ts";
import type { ExitGuest } from "./guests.ts";

const GUEST_MIB = 16;
const MACHINE_MIB = 32;
const FRAMES_PER_MIB = 256;

/** What one stretch of a guest came to. */
export interface ExitSample {
  readonly exits: number;
  readonly wallUs: number;
  /** Processor time of the whole process: what the wall clock would show if nobody else wanted the CPUs. */
  readonly cpuUs: number;
  /** Delivered and announced. */
  readonly messages: number;
}

/** A way of serving exits, with a guest on it. */
export interface ExitContestant {
  /** Runs on, for about so many exits. */
  measure(exits: number): ExitSample;
}

function startClock(): () => Pick<ExitSample, "wallUs" | "cpuUs"> {
  const cpu = process.cpuUsage();
  const begin = performance.now();
  return () => {
    const wallUs = (performance.now() - begin) * 1000;
    const { user, system } = process.cpuUsage(cpu);
    return { wallUs, cpuUs: user + system };
  };
}

/** The machine as it is: every exit is a flow of messages between actors. CPUID is made to leave, which no pager asks for. */
export function machineContestant(guest: ExitGuest, interpreted: boolean): ExitContestant {
  const machine = createMachine({ memoryMiB: MACHINE_MIB, interpreted });
  const vm = machine.createVm({ name: "g", pager: guest.pager, memoryMiB: GUEST_MIB, boot: guest.boot });
  vm.vcpu.controls |= ExitControl.cpuid;
  return {
    measure: (exits) => {
      const budget = exits * guest.instructionsPerExit;
      const exitsBefore = vm.stats().exits[guest.exit];
      const messagesBefore = machine.bus.lastSeq;
      const clock = startClock();
      const { status, reason } = vm.run({ budget });
      const times = clock();
      if (status !== "budget") throw new Error(`the guest ${guest.name} has ended: ${status}, ${reason}`);
      return {
        exits: vm.stats().exits[guest.exit] - exitsBefore,
        ...times,
        messages: machine.bus.lastSeq - messagesBefore,
      };
    },
  };
}

/** The same mechanism in one plain loop, without bus, charts and virtual time: what an exit costs at least. */
export function plainContestant(guest: ExitGuest): ExitContestant {
  const memory = new MachineMemory(MACHINE_MIB * FRAMES_PER_MIB);
  const frames = new FrameAllocator(memory.frames);
  const p2m = new P2m(frames, GUEST_MIB * FRAMES_PER_MIB * 4096, "g");
  const guestMemory = new GuestMemory(memory, p2m);
  const cpu = new Cpu(memory);
  guestMemory.onWrite = (hpa, sizeBytes) => cpu.memoryWritten(hpa, sizeBytes);
  const { state } = cpu;
  const vcpu = new Vcpu({
    index: 0,
    name: "g",
    scale: DEFAULT_TIME_SCALE,
    alarms: { next: () => undefined },
    maxInstructions: Number.POSITIVE_INFINITY,
  });
  vcpu.liveRetired = () => cpu.retired;
  const paging = pagingView(vcpu, state, 0);
  // A pager may load its roots while it is made; the hardware is told afterwards.
  let hardware: Pager["hardware"] | undefined;
  const tlb = {
    flush: () => cpu.flushTlbAll(),
    flushNonGlobal: () => cpu.flushTlb(),
    flushPage: (gva: Gva) => cpu.flushTlbPage(gva),
    flushTag: (tag: number) => cpu.flushTlbTag(tag),
    loadRoot: () => {
      if (hardware !== undefined) cpu.loadRoot(hardware);
    },
    translations: () => cpu.translations(),
  };
  guest.boot(guestMemory, state);
  const pager: Pager = createPager(guest.pager, { paging, memory: guestMemory, frames, tlb });
  const walker = new GuestWalker(guestMemory);
  const device = new PostCode();
  cpu.controls = pager.controls | ExitControl.cpuid;
  ({ hardware } = pager);
  cpu.setHardwarePaging(hardware);

  const serve = (budget: number): ReturnType<Cpu["run"]>["reason"] => {
    const exit = cpu.run(budget);
    // The record is used again by `perform`.
    const { reason } = exit;
    switch (reason) {
      case "budget":
        break;
      case "cpuid":
        cpu.perform();
        break;
      case "io":
        if (exit.write) {
          device.writePort(exit.port, exit.size, exit.value);
          cpu.answer(0);
        } else cpu.answer(device.readPort(exit.port, exit.size));
        break;
      case "controlRegister": {
        const change = exit.register === 3 ? "cr3" : exit.register === 0 ? "cr0" : "cr4";
        cpu.perform();
        pager.contextChanged(change);
        break;
      }
      case "pageFault": {
        const { gva, errorCode } = exit;
        const access = {
          gva,
          write: (errorCode & PageFault.write) !== 0,
          user: (errorCode & PageFault.user) !== 0,
          fetch: (errorCode & PageFault.fetch) !== 0,
        };
        const walk = walker.walk(access, paging);
        if (walk.kind === "fault") throw new Error(`the guest ${guest.name} faults at 0x${gva.toString(16)}`);
        pager.fill({ gva, errorCode, walk });
        break;
      }
      default:
        throw new Error(`the guest ${guest.name} left by ${reason}`);
    }
    return reason;
  };
  return {
    measure: (exits) => {
      const end = cpu.retired + exits * guest.instructionsPerExit;
      let counted = 0;
      const clock = startClock();
      while (cpu.retired < end) if (serve(end - cpu.retired) === guest.exit) counted++;
      return { exits: counted, ...clock(), messages: 0 };
    },
  };
}
