/** Every actor by itself: a function that puts it on a stage, given its mechanism. */

export * from "./addresses.ts";
export { CpuActor, type CpuDuty, type CpuParts } from "./cpu.ts";
export type { DeviceParts } from "./device-ports.ts";
export { addInterruptController } from "./interrupt-controller.ts";
export { IoRoutes } from "./io-routes.ts";
export { addKeyboardController, type KeyboardParts } from "./keyboard-controller.ts";
export type { KvmMechanism } from "./kvm-mechanism.ts";
export { addKvmRoots, type RootsView } from "./kvm-roots.ts";
export { addKvmShadowManager, type KvmShadowManagerParts } from "./kvm-shadow-manager.ts";
export { addMmu, type MmuParts } from "./mmu.ts";
export { addPorts, type PortsModels } from "./ports.ts";
export { addRtc, type RtcParts } from "./rtc.ts";
export { addShadowManager, type ShadowManagerParts } from "./shadow-manager.ts";
export { type MessageBus, type MessageEndpoint, Stage } from "./stage.ts";
export { addSwitcher, type SwitcherParts, type VcpuWiring } from "./switcher.ts";
export { createTestStage } from "./test-stage.ts";
export { addTimer } from "./timer.ts";
export { addUart } from "./uart.ts";
export { addVirtualClock, type VirtualClockParts } from "./virtual-clock.ts";
export { addVm, type VmParts } from "./vm.ts";
