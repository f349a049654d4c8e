import type { AnyStateMachine } from "xstate";
import { coprocessorChart } from "./coprocessor.ts";
import { cpuChart } from "./cpu.ts";
import { ideChart } from "./ide.ts";
import { interruptControllerChart } from "./interrupt-controller.ts";
import { ioApicChart } from "./io-apic.ts";
import { keyboardControllerChart } from "./keyboard-controller.ts";
import { kvmRootsChart } from "./kvm-roots.ts";
import { kvmShadowManagerChart } from "./kvm-shadow-manager.ts";
import { localApicChart } from "./local-apic.ts";
import { mmuChart } from "./mmu.ts";
import { portsChart } from "./ports.ts";
import { rtcChart } from "./rtc.ts";
import { shadowManagerChart } from "./shadow-manager.ts";
import { switcherChart } from "./switcher.ts";
import { timerChart } from "./timer.ts";
import { uartChart } from "./uart.ts";
import { virtioChart } from "./virtio.ts";
import { virtualClockChart } from "./virtual-clock.ts";
import { vmChart } from "./vm.ts";

/** Every chart of the system, by the name that its actors' addresses begin with (and the pager that has a chart of its own). */
export const ALL_CHARTS: Readonly<Record<string, AnyStateMachine>> = {
  cpu: cpuChart,
  switcher: switcherChart,
  vm: vmChart,
  mmu: mmuChart,
  shadow: shadowManagerChart,
  "shadow (kvm)": kvmShadowManagerChart,
  roots: kvmRootsChart,
  pic: interruptControllerChart,
  apic: localApicChart,
  ioapic: ioApicChart,
  timer: timerChart,
  rtc: rtcChart,
  uart: uartChart,
  kbd: keyboardControllerChart,
  coprocessor: coprocessorChart,
  virtio: virtioChart,
  ide: ideChart,
  clock: virtualClockChart,
  ports: portsChart,
};

export {
  coprocessorChart,
  cpuChart,
  ideChart,
  interruptControllerChart,
  ioApicChart,
  keyboardControllerChart,
  kvmRootsChart,
  kvmShadowManagerChart,
  localApicChart,
  mmuChart,
  portsChart,
  rtcChart,
  shadowManagerChart,
  switcherChart,
  timerChart,
  uartChart,
  virtioChart,
  virtualClockChart,
  vmChart,
};
