/** Umbra, to be embedded: make a machine, put vms on it, run them, watch every message. */

export type { MessageBus } from "./actors/stage.ts";
export type { Envelope } from "./bus/envelope.ts";
export type * from "./bus/messages/index.ts";
export { CpuState } from "./cpu/state.ts";
export { OutOfFrames } from "./mmu/frames.ts";
export { GuestMemory } from "./mmu/guest-memory.ts";
export { type AuditViolation, PAGER_NAMES, type PagerName } from "./mmu/pager.ts";
export type { TimeScale } from "./switch/virtual-time.ts";
export {
  MachineBusyError,
  MachineFailedError,
  SettingError,
  VmEndedError,
  VmNameError,
} from "./vm/errors.ts";
export { createMachine, type Machine } from "./vm/machine.ts";
export type {
  Boot,
  MachineOptions,
  RunAsyncOptions,
  RunOptions,
  RunResult,
  VmOptions,
  VmStatus,
} from "./vm/options.ts";
export type { PageNormaliser, Vm, VmConsole, VmEvents, VmStats } from "./vm/vm.ts";
