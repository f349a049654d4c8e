import type { ApicBusMessage } from "./apic.ts";
/** Every message of the system: a union discriminated by `type`, which is always `family.verb`. */

import type { ClockMessage } from "./clock.ts";
import type { ConsoleMessage } from "./console.ts";
import type { CpuMessage } from "./cpu.ts";
import type { DirtyMessage } from "./dirty.ts";
import type { FpuMessage } from "./fpu.ts";
import type { HostMessage } from "./host.ts";
import type { IntrMessage, IpiMessage } from "./intr.ts";
import type { IoMessage } from "./io.ts";
import type { IrqMessage } from "./irq.ts";
import type { MmioMessage } from "./mmio.ts";
import type { MmuMessage } from "./mmu.ts";
import type { SchedMessage } from "./sched.ts";
import type { ShadowMessage } from "./shadow-facts.ts";
import type { TlbMessage } from "./tlb.ts";
import type { TrapMessage } from "./trap.ts";
import type { VmMessage } from "./vm.ts";

export type Message =
  | ApicBusMessage
  | CpuMessage
  | TrapMessage
  | MmuMessage
  | ShadowMessage
  | TlbMessage
  | DirtyMessage
  | FpuMessage
  | HostMessage
  | MmioMessage
  | IoMessage
  | IrqMessage
  | IntrMessage
  | IpiMessage
  | ClockMessage
  | ConsoleMessage
  | SchedMessage
  | VmMessage;

export type MessageType = Message["type"];

/** The message (or, for `cpu.exit`, the messages) of a type. */
export type MessageOf<Type extends MessageType> = Extract<Message, { readonly type: Type }>;

/** What stands before the dot. */
export type MessageFamily = MessageType extends `${infer Family}.${string}` ? Family : never;

export * from "./apic.ts";
export * from "./clock.ts";
export * from "./console.ts";
export * from "./cpu.ts";
export * from "./dirty.ts";
export * from "./fpu.ts";
export * from "./host.ts";
export * from "./intr.ts";
export * from "./io.ts";
export * from "./irq.ts";
export * from "./mmio.ts";
export * from "./mmu.ts";
export * from "./sched.ts";
export * from "./shadow.ts";
export * from "./shadow-facts.ts";
export * from "./tlb.ts";
export * from "./trap.ts";
export * from "./vm.ts";
