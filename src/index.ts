/** Umbra, to be embedded: make a machine, put vms on it, run them, watch every message. */

export * as actors from "./actors/index.ts";
export type { MessageBus } from "./actors/stage.ts";
export { createTestStage } from "./actors/test-stage.ts";
export type { Envelope } from "./bus/envelope.ts";
export type * from "./bus/messages/index.ts";
export { createTestBus, type ExpectedMessage, type TestBus } from "./bus/test-bus.ts";
export {
  type BarePorts,
  BareProcessor,
  BareProcessorError,
  type BareProcessorOptions,
  type BareRun,
  type RaisedException,
  type RegisterSettings,
  type RegisterValues,
  type SegmentName,
  type SegmentRegister,
  type Step,
} from "./cpu/bare-processor.ts";
export { CpuState } from "./cpu/state.ts";
export { OutOfFrames } from "./mmu/frames.ts";
export { GuestMemory } from "./mmu/guest-memory.ts";
export { type AuditViolation, PAGER_NAMES, type PagerName } from "./mmu/pager.ts";
export { RunQueue } from "./switch/run-queue.ts";
export { Vcpu, type VcpuSettings } from "./switch/vcpu.ts";
export { DEFAULT_TIME_SCALE, type TimeScale, VirtualTime } from "./switch/virtual-time.ts";
export { WorldSwitch } from "./switch/world-switch.ts";
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
