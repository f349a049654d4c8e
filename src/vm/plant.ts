import { addressesOf, type VmAddresses } from "../actors/addresses.ts";
import { addInterruptController } from "../actors/interrupt-controller.ts";
import { IoRoutes } from "../actors/io-routes.ts";
import { addKeyboardController } from "../actors/keyboard-controller.ts";
import { isKvm } from "../actors/kvm-mechanism.ts";
import { addKvmRoots } from "../actors/kvm-roots.ts";
import { addKvmShadowManager } from "../actors/kvm-shadow-manager.ts";
import { addMmu } from "../actors/mmu.ts";
import { addPorts, type PortsModels } from "../actors/ports.ts";
import { addRtc } from "../actors/rtc.ts";
import { addShadowManager } from "../actors/shadow-manager.ts";
import type { Stage } from "../actors/stage.ts";
import { addTimer } from "../actors/timer.ts";
import { addUart } from "../actors/uart.ts";
import { addVirtualClock } from "../actors/virtual-clock.ts";
import type { I8042 } from "../devices/i8042.ts";
import type { I8254 } from "../devices/i8254.ts";
import type { Mc146818 } from "../devices/mc146818.ts";
import type { PicPair } from "../devices/pic-pair.ts";
import type { Port61 } from "../devices/port61.ts";
import type { TimerWheel } from "../devices/timer-wheel.ts";
import type { Uart16550 } from "../devices/uart16550.ts";
import type { GuestMemory } from "../mmu/guest-memory.ts";
import type { GuestPaging, Pager } from "../mmu/pager.ts";
import type { FactLog } from "../mmu/shadow/kvm/listener.ts";
import { GuestWalker } from "../mmu/walker.ts";
import type { Vcpu } from "../switch/vcpu.ts";

/** The register models of one vm's devices, for looking at. */
export interface DeviceModels extends PortsModels {
  readonly pic: PicPair;
  readonly pit: I8254;
  readonly port61: Port61;
  readonly rtc: Mc146818;
  readonly uart: Uart16550;
  readonly kbd: I8042;
}

export interface PlantParts {
  readonly stage: Stage;
  readonly vcpu: Vcpu;
  readonly wheel: TimerWheel;
  readonly memory: GuestMemory;
  readonly paging: GuestPaging;
  readonly pager: Pager;
  /** What the pager tells, if it is one that does. */
  readonly facts: FactLog;
  readonly eip: () => number;
  readonly rtcEpochSeconds: number | undefined;
  readonly keyboard: boolean;
}

export interface Plant {
  readonly addresses: VmAddresses;
  readonly devices: DeviceModels;
  readonly routes: IoRoutes;
}

/** Every actor of one vm but its supervisor, put on the stage and wired. */
export function buildPlant(parts: PlantParts): Plant {
  const { stage, vcpu, wheel, memory, paging, pager } = parts;
  const addresses = addressesOf(vcpu.name);
  const wiring = { addresses, vcpu: vcpu.index, time: vcpu.time };
  // Before the devices, which may arm alarms and drive lines while they are made.
  addVirtualClock(stage, { ...wiring, wheel });
  const pic = addInterruptController(stage, wiring);
  const kvm = isKvm(pager);
  addMmu(stage, {
    ...wiring,
    walker: new GuestWalker(memory),
    paging,
    memory,
    contextActor: kvm ? addresses.roots : addresses.shadow,
    emulatesStores: kvm,
    ...(kvm && { reflected: () => pager.faultReflected() }),
  });
  if (kvm) {
    addKvmShadowManager(stage, { addresses, pager, facts: parts.facts, eip: parts.eip });
    addKvmRoots(stage, addresses);
  } else addShadowManager(stage, { addresses, pager, eip: parts.eip });
  const { pit, port61 } = addTimer(stage, wiring);
  const rtc = addRtc(stage, {
    ...wiring,
    memoryBytes: memory.sizeBytes,
    ...(parts.rtcEpochSeconds !== undefined && { epochSeconds: parts.rtcEpochSeconds }),
  });
  const uart = addUart(stage, wiring);
  const kbd = addKeyboardController(stage, { ...wiring, hasKeyboard: parts.keyboard });
  const ports = addPorts(stage, wiring);
  const routes = new IoRoutes(
    new Map([
      [addresses.pic, [pic]],
      [addresses.timer, [pit, port61]],
      [addresses.rtc, [rtc]],
      [addresses.uart, [uart]],
      [addresses.kbd, [kbd]],
      [addresses.ports, [ports.pci, ports.postCode, ports.debugConsole, ports.debugExit]],
    ]),
    { actor: addresses.ports, device: ports.unassigned },
  );
  return { addresses, devices: { pic, pit, port61, rtc, uart, kbd, ...ports }, routes };
}

/** Takes the vm's actors off the bus, the supervisor among them. What is still queued for them is dropped. */
export function dismantle(stage: Stage, addresses: VmAddresses): void {
  for (const address of Object.values(addresses) as string[]) stage.remove(address);
}
