import { addressesOf, apicAddress, SWITCHER, type VmAddresses } from "../actors/addresses.ts";
import { ApicBus } from "../actors/apic-bus.ts";
import { addCoprocessor } from "../actors/coprocessor.ts";
import type { DeviceParts } from "../actors/device-ports.ts";
import { GuestDma } from "../actors/guest-dma.ts";
import { addIde } from "../actors/ide.ts";
import { addInterruptController } from "../actors/interrupt-controller.ts";
import { addIoApic } from "../actors/io-apic.ts";
import { IoRoutes } from "../actors/io-routes.ts";
import { addKeyboardController } from "../actors/keyboard-controller.ts";
import { isKvm } from "../actors/kvm-mechanism.ts";
import { addKvmRoots } from "../actors/kvm-roots.ts";
import { addKvmShadowManager } from "../actors/kvm-shadow-manager.ts";
import { addLocalApic } from "../actors/local-apic.ts";
import { MmioRoutes } from "../actors/mmio-routes.ts";
import { addMmu } from "../actors/mmu.ts";
import { addPorts, devicesOf, type PortsModels } from "../actors/ports.ts";
import { addRtc } from "../actors/rtc.ts";
import { addShadowManager } from "../actors/shadow-manager.ts";
import type { Stage } from "../actors/stage.ts";
import { addTimer } from "../actors/timer.ts";
import { addUart } from "../actors/uart.ts";
import { addVirtio, VIRTIO_SLOT, type VirtioDisk, type VirtioModels } from "../actors/virtio.ts";
import { addVirtualClock } from "../actors/virtual-clock.ts";
import { IO_APIC_BASE, IO_APIC_ID } from "../devices/apic-addresses.ts";
import type { FirmwareFiles } from "../devices/fw-cfg.ts";
import type { I8042 } from "../devices/i8042.ts";
import type { I8254 } from "../devices/i8254.ts";
import type { IdeChannel } from "../devices/ide/channel.ts";
import { IDE_CHANNELS } from "../devices/ide/registers.ts";
import type { IoApic } from "../devices/io-apic.ts";
import type { LocalApic } from "../devices/local-apic.ts";
import type { Mc146818, Mc146818State } from "../devices/mc146818.ts";
import {
  HOST_BRIDGE,
  hostBridge,
  IDE_FUNCTION,
  ISA_BRIDGE,
  ideFunction,
  isaBridge,
  PCI_LINES,
  POWER_MANAGEMENT,
  powerManagementFunction,
} from "../devices/pci/chipset.ts";
import type { PciFunction } from "../devices/pci/function.ts";
import type { PicPair } from "../devices/pic-pair.ts";
import type { Port61 } from "../devices/port61.ts";
import type { Port92 } from "../devices/port92.ts";
import type { TimerWheel } from "../devices/timer-wheel.ts";
import type { Uart16550 } from "../devices/uart16550.ts";
import type { Disk } from "../disk/disk.ts";
import { OFFSET_MASK, PAGE_SIZE } from "../mmu/address.ts";
import type { GuestMemory } from "../mmu/guest-memory.ts";
import type { GuestPaging, Pager } from "../mmu/pager.ts";
import type { FactLog } from "../mmu/shadow/kvm/listener.ts";
import type { UpperMemory } from "../mmu/upper-memory.ts";
import { GuestWalker } from "../mmu/walker.ts";
import type { Vcpu } from "../switch/vcpu.ts";
import type { VcpuSet } from "../switch/vcpu-set.ts";
import { MOST_CPUS } from "../switch/vcpu-set.ts";

const ELCR_PORT_OF_SLAVE = 0x4d1;
const PCI_LINES_OF_SLAVE = PCI_LINES.reduce((bits, line) => bits | (1 << (line - 8)), 0);

/** The register models of one vm's devices, for looking at. */
export interface DeviceModels extends PortsModels {
  readonly pic: PicPair;
  /** Of the first vcpu; and of all. */
  readonly apic?: LocalApic;
  readonly apics?: readonly LocalApic[];
  readonly ioapic?: IoApic;
  readonly pit: I8254;
  readonly port61: Port61;
  readonly rtc: Mc146818;
  readonly uart: Uart16550;
  readonly kbd: I8042;
  readonly port92: Port92;
  /** The channels of the disk controller, if there are drives. */
  readonly ide: readonly IdeChannel[];
  readonly virtio?: VirtioModels;
}

export interface PlantParts {
  readonly stage: Stage;
  readonly set: VcpuSet;
  readonly wheel: TimerWheel;
  readonly memory: GuestMemory;
  /** There is a PCI bus, and what its host bridge shows of C0000 to FFFFF. */
  readonly upper: UpperMemory | undefined;
  /** In fw_cfg. */
  readonly firmwareFiles: FirmwareFiles;
  readonly firmwareOnSerial: boolean;
  /** Of the vcpu whose turn it is. */
  readonly paging: GuestPaging;
  readonly pager: Pager;
  /** What the pager tells, if it is one that does. */
  readonly facts: FactLog;
  readonly eip: () => number;
  readonly rtcEpochSeconds: number | undefined;
  readonly keyboard: boolean;
  /** Primary master and slave, secondary master and slave. */
  readonly disks: readonly (Disk | undefined)[];
  /** In the CD-ROM drive. */
  readonly cdrom: Disk | undefined;
  readonly virtio: { readonly disks: readonly VirtioDisk[]; readonly console: boolean };
  /** Ports besides 0xe9 whose bytes go to the console. */
  readonly consolePorts: readonly number[];
  /** A VGA adapter in text mode. */
  readonly vga: boolean;
  readonly testDevice: boolean;
  /** A local APIC and an I/O APIC. */
  readonly apic: boolean;
  readonly kept: KeptDevices;
}

/** What devices keep over a reset of the vm. */
export interface KeptDevices {
  readonly rtc?: Mc146818State;
}

export interface Plant {
  readonly addresses: VmAddresses;
  readonly devices: DeviceModels;
  readonly routes: IoRoutes;
  readonly mmio: MmioRoutes;
  /** Who follows the vcpus' paging registers. */
  readonly contextActor: string;
  /** Where the Switcher acknowledges interrupts of each vcpu. */
  readonly interrupts: readonly string[];
}

/** Every actor of one vm but its supervisor, put on the stage and wired. */
export function buildPlant(parts: PlantParts): Plant {
  const { stage, set, wheel, memory, paging, pager } = parts;
  const { vcpus } = set;
  const vcpu = vcpus[0] as Vcpu;
  const active = () => set.active ?? vcpu;
  const addresses = addressesOf(vcpu.name);
  const lines = parts.apic ? [addresses.pic, addresses.ioapic] : [addresses.pic];
  const wiring = { addresses, time: set.time, lines };
  const mmio = new MmioRoutes(addresses.ports);
  // Before the devices, which may arm alarms and drive lines while they are made.
  addVirtualClock(stage, { ...wiring, wheel });
  const pic = addInterruptController(stage, {
    addresses,
    vcpu: vcpu.index,
    pin: parts.apic ? addresses.apic : SWITCHER,
  });
  const apics = parts.apic ? addApics(stage, wiring, vcpus, mmio) : undefined;
  const kvm = isKvm(pager);
  addMmu(stage, {
    addresses,
    get vcpu() {
      return active().index;
    },
    walker: new GuestWalker(memory),
    paging,
    memory,
    upper: parts.upper,
    deviceAt: (gpa) => {
      const at = memory.p2m.a20Masked(Math.floor(gpa / PAGE_SIZE)) * PAGE_SIZE + (gpa & OFFSET_MASK);
      // Every processor finds its own local APIC, where it has put it.
      const { number } = active();
      return apics?.apics[number]?.isAt(at) === true ? apicAddress(addresses, number) : mmio.actorAt(at);
    },
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
    cpus: vcpus.length,
    diskSectors: parts.disks.map((disk) => disk?.sectors),
    ...(parts.rtcEpochSeconds !== undefined && { epochSeconds: parts.rtcEpochSeconds }),
    ...(parts.kept.rtc !== undefined && { kept: parts.kept.rtc }),
  });
  const uart = addUart(stage, wiring);
  const { kbd, port92 } = addKeyboardController(stage, { ...wiring, hasKeyboard: parts.keyboard });
  const coprocessor = addCoprocessor(stage, wiring);
  // The controller has both its channels, whichever the disks are on: an empty one reads as zeros, and nobody waits for it.
  const hasDrives = parts.cdrom !== undefined || parts.disks.some((disk) => disk !== undefined);
  const ide = hasDrives ? ideFunction() : undefined;
  const channels = (ide === undefined ? [] : IDE_CHANNELS).map((_, index) =>
    addIde(stage, {
      ...wiring,
      index,
      disks: parts.disks.slice(2 * index, 2 * index + 2),
      discs: index === 1 ? [parts.cdrom] : [],
      pci: ide as PciFunction,
      dma: dmaOf(parts),
    }),
  );
  const bridge = isaBridge();
  const virtio = addVirtioDevices(parts, wiring, pic, bridge);
  const ports = addPorts(stage, {
    ...wiring,
    memoryBytes: memory.sizeBytes,
    consolePorts: parts.consolePorts,
    vga: parts.vga,
    testDevice: parts.testDevice,
    cpus: vcpus.length,
    files: parts.firmwareFiles,
    firmwareOnSerial: parts.firmwareOnSerial,
    functions: parts.upper === undefined ? new Map() : pciFunctions(bridge, ide, virtio),
  });
  const routes = new IoRoutes(
    new Map([
      [addresses.pic, [pic]],
      [addresses.timer, [pit, port61]],
      [addresses.rtc, [rtc]],
      [addresses.uart, [uart]],
      [addresses.kbd, [kbd, port92]],
      [addresses.coprocessor, [coprocessor]],
      ...channels.map(({ actor, channel }): [string, IdeChannel[]] => [actor, [channel]]),
      [addresses.ports, devicesOf(ports)],
    ]),
    { actor: addresses.ports, device: ports.unassigned },
  );
  for (const device of [...channels, ...(virtio === undefined ? [] : [virtio])])
    device.connect({ io: routes, memory: mmio });
  return {
    addresses,
    devices: {
      pic,
      ...(apics && apics),
      pit,
      port61,
      rtc,
      uart,
      kbd,
      port92,
      ide: channels.map(({ channel }) => channel),
      ...(virtio && { virtio }),
      ...ports,
    },
    routes,
    mmio,
    contextActor: kvm ? addresses.roots : addresses.shadow,
    interrupts: vcpus.map(({ number }) => (parts.apic ? apicAddress(addresses, number) : addresses.pic)),
  };
}

function pciFunctions(
  bridge: PciFunction,
  ide: PciFunction | undefined,
  virtio: VirtioModels | undefined,
): ReadonlyMap<number, PciFunction> {
  const functions = new Map<number, PciFunction>([
    [HOST_BRIDGE, hostBridge()],
    [ISA_BRIDGE, bridge],
  ]);
  if (ide !== undefined) functions.set(IDE_FUNCTION, ide);
  functions.set(POWER_MANAGEMENT, powerManagementFunction());
  for (const [n, pci] of (virtio?.functions ?? []).entries()) functions.set((VIRTIO_SLOT + n) << 3, pci);
  return functions;
}

function addVirtioDevices(
  parts: PlantParts,
  wiring: DeviceParts,
  pic: PicPair,
  bridge: PciFunction,
): VirtioModels | undefined {
  const { stage, virtio } = parts;
  if (virtio.disks.length === 0 && !virtio.console) return undefined;
  // As firmware sets it for PCI.
  pic.writePort(ELCR_PORT_OF_SLAVE, 1, PCI_LINES_OF_SLAVE);
  return addVirtio(stage, { ...wiring, ...virtio, dma: dmaOf(parts), bridge });
}

/** The vm's memory for its bus masters; the pager hears of what they write. */
function dmaOf({ memory, pager }: PlantParts): GuestDma {
  return new GuestDma(memory, (gpa, sizeBytes) => {
    if (!isKvm(pager)) return;
    pager.deviceWrote(gpa, sizeBytes);
    pager.enter();
  });
}

function addApics(stage: Stage, wiring: DeviceParts, vcpus: readonly Vcpu[], mmio: MmioRoutes) {
  const { addresses } = wiring;
  const bus = new ApicBus();
  const apics = vcpus.map((vcpu) => {
    const apic = addLocalApic(stage, { ...wiring, vcpu: vcpu.index, id: vcpu.number, bus });
    vcpu.registers = apic;
    return apic;
  });
  const ioapic = addIoApic(stage, { addresses, id: IO_APIC_ID, bus });
  mmio.add({ first: IO_APIC_BASE, sizeBytes: 0x1000, actor: addresses.ioapic });
  return { apic: apics[0] as LocalApic, apics, ioapic };
}

/** Takes the vm's actors off the bus, the supervisor among them. What is still queued for them is dropped. */
export function dismantle(stage: Stage, addresses: VmAddresses): void {
  for (const address of actorsOf(addresses)) stage.remove(address);
}

/** Makes room for new actors by the names of all of the vm's but the supervisor's. */
export function clearForReset(stage: Stage, addresses: VmAddresses): void {
  for (const address of actorsOf(addresses)) if (address !== addresses.vm) stage.clear(address);
}

function actorsOf(addresses: VmAddresses): string[] {
  const others = Array.from({ length: MOST_CPUS - 1 }, (_, n) => apicAddress(addresses, n + 1));
  return [...(Object.values(addresses) as string[]), ...others];
}
