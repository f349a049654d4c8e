import { PM1_EVENT_PORT } from "../acpi-pm.ts";
import { PAM, PAM_REGISTERS } from "./attribute-map.ts";
import { addBar, type Bar } from "./bars.ts";
import { PciFunction, PciRegister } from "./function.ts";
import { PIRQ_ROUTING, pirqOfSlot } from "./pirq-router.ts";

/** The functions of an 82440FX chip set with a PIIX3, and the power management of a PIIX4, as far as software looks at them. Numbers are device << 3 | function. */

const INTEL = 0x8086;
/** The subsystem of QEMU's machines: firmware that knows it reads its configuration from fw_cfg, which it finds here as there. */
const QEMU_SUBSYSTEM = 0x11001af4;
const IO_ENABLED = 1;

/** 0:0.0. */
export function hostBridge(): PciFunction {
  const bridge = new PciFunction({
    name: "host bridge",
    vendor: INTEL,
    device: 0x1237,
    revision: 2,
    classCode: [6, 0, 0],
  });
  return bridge
    .put(PciRegister.command, 2, 6)
    .put(PciRegister.subsystem, 4, QEMU_SUBSYSTEM)
    .allow(PAM, 4, 0x333333f0)
    .allow(PAM + 4, PAM_REGISTERS - 4, 0x333333);
}

/** 0:1.0, its interrupts routed as firmware does it. */
export function isaBridge(): PciFunction {
  const bridge = new PciFunction({
    name: "ISA bridge",
    vendor: INTEL,
    device: 0x7000,
    classCode: [6, 1, 0],
    multifunction: true,
  });
  bridge.put(PciRegister.command, 2, 7);
  for (const [n, line] of PIRQ_LINES.entries())
    bridge.put(PIRQ_ROUTING + n, 1, line).allow(PIRQ_ROUTING + n, 1, 0x8f);
  return bridge;
}

/** Registers of a PIIX4's IDE function (Intel 82371AB datasheet, 5.1): timing of both channels, of slaves, and of Ultra DMA. */
const IDE_TIMING = 0x40;
const SLAVE_TIMING = 0x44;
const ULTRA_CONTROL = 0x48;
const ULTRA_TIMING = 0x4a;
/** In the timing register of a channel: it is decoded. */
const IDE_DECODED = 0x8000;
const BUS_MASTER_ENABLED = 4;
/** Where firmware would put the registers of the bus master. */
const BUS_MASTER_BASE = 0xcc00;
/** Of both channels. */
export const BUS_MASTER_BAR: Bar = { index: 4, kind: "io", sizeBytes: 16 };

/** 0:1.1, a PIIX4's: both channels at their ISA ports and lines, with a bus master up to Ultra DMA 2. */
export function ideFunction(): PciFunction {
  const ide = new PciFunction({ name: "IDE", vendor: INTEL, device: 0x7111, classCode: [1, 1, 0x80] });
  const command = IO_ENABLED | BUS_MASTER_ENABLED;
  ide.put(PciRegister.command, 2, command).allow(PciRegister.command, 2, command);
  ide.put(IDE_TIMING, 4, IDE_DECODED | (IDE_DECODED << 16)).allow(IDE_TIMING, 4, 0xffffffff);
  ide.allow(SLAVE_TIMING, 1, 0xff).allow(ULTRA_CONTROL, 1, 0x0f).allow(ULTRA_TIMING, 2, 0x3333);
  addBar(ide, BUS_MASTER_BAR, BUS_MASTER_BASE);
  return ide;
}

/** Software lets it use the bus. */
export const mastersBus = (pci: PciFunction): boolean =>
  (pci.read(PciRegister.command, 2) & BUS_MASTER_ENABLED) !== 0;

/** Registers of a PIIX4's power management function (Intel 82371AB datasheet, 7.1). */
const PM_BASE = 0x40;
const DEVICE_ACTIVITY_B = 0x58;
const PM_MISCELLANEOUS = 0x80;
/** SMIs at writes of port 0xB2: set says that firmware has dealt with system management mode, which there is none of. */
const APM_ENABLED = 1 << 25;

/** 0:1.3: where the registers of AcpiPm are. They do not move. */
export function powerManagementFunction(): PciFunction {
  const pm = new PciFunction({
    name: "power management",
    vendor: INTEL,
    device: 0x7113,
    revision: 3,
    classCode: [6, 0x80, 0],
  });
  return pm
    .put(PM_BASE, 4, PM1_EVENT_PORT | IO_ENABLED)
    .put(DEVICE_ACTIVITY_B, 4, APM_ENABLED)
    .put(PM_MISCELLANEOUS, 1, 1);
}

export const HOST_BRIDGE = 0;
export const ISA_BRIDGE = (1 << 3) | 0;
export const IDE_FUNCTION = (1 << 3) | 1;
export const POWER_MANAGEMENT = (1 << 3) | 3;

/** Devices on the bus, by slot. */
export const PCI_SLOTS = 32;
/** The lines that firmware has the ISA bridge lead its four inputs to, level-triggered. Software may choose others. */
const PIRQ_LINES = [10, 10, 11, 11] as const;
export const PCI_LINES = [...new Set<number>(PIRQ_LINES)];
/** Of pin A of a function in the slot, as firmware routes it. */
export const lineOfSlot = (slot: number): number => PIRQ_LINES[pirqOfSlot(slot)] as number;
