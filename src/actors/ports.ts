import type { MmioRead, MmioWrite } from "../bus/messages/index.ts";
import { AcpiPm, POWERED_OFF } from "../devices/acpi-pm.ts";
import { BOCHS_POWERED_OFF, BochsPower } from "../devices/bochs-power.ts";
import { DebugConsole, FIRMWARE_LOG_PORT } from "../devices/debug-console.ts";
import { DebugExit } from "../devices/debug-exit.ts";
import { allOnes, type PortDevice } from "../devices/device.ts";
import { type FirmwareFiles, FwCfg } from "../devices/fw-cfg.ts";
import { AttributeMap } from "../devices/pci/attribute-map.ts";
import { PciBus } from "../devices/pci/bus.ts";
import { HOST_BRIDGE } from "../devices/pci/chipset.ts";
import type { PciFunction } from "../devices/pci/function.ts";
import { mapDevices } from "../devices/port-map.ts";
import { PostCode } from "../devices/post-code.ts";
import { TEST_LINES, TestDevice } from "../devices/test-device.ts";
import { UnassignedPorts } from "../devices/unassigned.ts";
import { VgaText } from "../devices/vga-text.ts";
import { portsChart } from "../machines/ports.ts";
import type { Gpa } from "../mmu/address.ts";
import { type DeviceParts, IrqMessages, linesOf, portRunActions } from "./device-ports.ts";
import type { MessageEndpoint, Stage } from "./stage.ts";

export interface PortsParts extends DeviceParts {
  /** Guest-physical memory, as fw_cfg tells it. */
  readonly memoryBytes: number;
  /** Processors, as fw_cfg tells them. Default 1. */
  readonly cpus?: number;
  /** Files in fw_cfg. */
  readonly files?: FirmwareFiles;
  /** Firmware talks on the serial port as well. Default: yes. */
  readonly firmwareOnSerial?: boolean;
  /** On the PCI bus, by number (device << 3 | function). */
  readonly functions: ReadonlyMap<number, PciFunction>;
  /** Ports besides 0xe9 whose bytes go to the console. Default: none. */
  readonly consolePorts?: readonly number[];
  /** There is a VGA adapter in text mode. */
  readonly vga: boolean;
  /** There is the device for test images. */
  readonly testDevice?: boolean;
}

export interface PortsModels {
  readonly pci: PciBus;
  readonly postCode: PostCode;
  readonly acpiPm: AcpiPm;
  readonly bochsPower: BochsPower;
  readonly debugConsole: DebugConsole;
  readonly firmwareLog: DebugConsole;
  readonly debugExit: DebugExit;
  readonly fwCfg: FwCfg;
  readonly vga?: VgaText;
  readonly testDevice?: TestDevice;
  readonly unassigned: UnassignedPorts;
}

/** Those that claim ports. */
export function devicesOf({ unassigned: _, ...claiming }: PortsModels): PortDevice[] {
  return Object.values(claiming);
}

/** The devices of one vm that have no state worth a chart, and what nobody claims, as one actor. Returns the models. */
export function addPorts(stage: Stage, parts: PortsParts): PortsModels {
  const { addresses, time } = parts;
  let models: PortsModels | undefined;
  stage.add(addresses.ports, portsChart, (self) => {
    const reset = () => self.post(addresses.vm, { type: "vm.reset", by: "port 0xcf9" });
    const pci = new PciBus(reset, parts.functions);
    const bridge = parts.functions.get(HOST_BRIDGE);
    if (bridge !== undefined)
      new AttributeMap(bridge, ({ gpa, ...segment }) =>
        self.post(addresses.mmu, { type: "mmu.upper", gpa: gpa as Gpa, ...segment }),
      );
    const postCode = new PostCode();
    const powerOff = (reason: string) => () => self.post(addresses.vm, { type: "vm.halt", reason });
    const acpiPm = new AcpiPm(time, powerOff(POWERED_OFF));
    const bochsPower = new BochsPower(powerOff(BOCHS_POWERED_OFF));
    const debugConsole = new DebugConsole(
      (byte) => self.post(addresses.vm, { type: "console.output", byte }),
      parts.consolePorts,
    );
    const firmwareLog = new DebugConsole(
      (byte) => self.post(addresses.vm, { type: "console.log", byte }),
      [],
      FIRMWARE_LOG_PORT,
    );
    const debugExit = new DebugExit((code) => self.post(addresses.vm, { type: "vm.exit", code }));
    const unassigned = new UnassignedPorts();
    const fwCfg = new FwCfg({
      memoryBytes: parts.memoryBytes,
      cpus: parts.cpus ?? 1,
      onSerial: parts.firmwareOnSerial ?? true,
      ...(parts.files && { files: parts.files }),
    });
    const vga = parts.vga ? new VgaText(time) : undefined;
    const testDevice = parts.testDevice === true ? new TestDevice(testLines(self, parts)) : undefined;
    models = {
      pci,
      postCode,
      acpiPm,
      bochsPower,
      debugConsole,
      firmwareLog,
      debugExit,
      fwCfg,
      unassigned,
      ...(vga && { vga }),
      ...(testDevice && { testDevice }),
    };
    const map = mapDevices(devicesOf(models), unassigned);
    return {
      actions: {
        ...portRunActions(self, time, (port) => map.ownerAt(port)),
        readMemory: ({ event }) => {
          const { gpa, size } = event as MmioRead;
          const device = testDevice?.hasMemory(gpa, size) === true ? testDevice : undefined;
          self.post(addresses.mmu, {
            type: "mmio.data",
            value: device?.readMemory(gpa, size) ?? allOnes(size),
          });
        },
        writeMemory: ({ event }) => {
          const { gpa, size, value } = event as MmioWrite;
          if (testDevice?.hasMemory(gpa, size) === true) testDevice.writeMemory(gpa, size, value);
          self.post(addresses.mmu, { type: "mmio.done" });
        },
      },
    };
  });
  return models as PortsModels;
}

const testLines = (self: MessageEndpoint, parts: DeviceParts): IrqMessages[] =>
  Array.from({ length: TEST_LINES }, (_, line) => new IrqMessages(self, linesOf(parts), line));
