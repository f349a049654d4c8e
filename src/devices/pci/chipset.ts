import { PciFunction, PciRegister } from "./function.ts";

/** The functions of an 82440FX chip set with a PIIX3, as far as software looks at them. Numbers are device << 3 | function. */

const INTEL = 0x8086;
/** Programmable attribute map of the host bridge: what of 0xc0000 to 0xfffff is read from and written to RAM. */
export const PAM = 0x59;
export const PAM_REGISTERS = 7;
/** PIRQ routing of the ISA bridge: 0x60 to 0x63. */
const PIRQ_ROUTING = 0x60;
const IO_ENABLED = 1;
const PIRQ_OFF = 0x80;

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
    .allow(PAM, PAM_REGISTERS, 0xffffffff)
    .allow(PAM + 4, 3, 0xffffff);
}

/** 0:1.0. */
export function isaBridge(): PciFunction {
  const bridge = new PciFunction({
    name: "ISA bridge",
    vendor: INTEL,
    device: 0x7000,
    classCode: [6, 1, 0],
    multifunction: true,
  });
  bridge.put(PciRegister.command, 2, 7);
  for (let n = 0; n < 4; n++) bridge.put(PIRQ_ROUTING + n, 1, PIRQ_OFF).allow(PIRQ_ROUTING + n, 1, 0x8f);
  return bridge;
}

/** 0:1.1: both channels at their ISA ports and lines, no bus master. */
export function ideFunction(): PciFunction {
  const ide = new PciFunction({ name: "IDE", vendor: INTEL, device: 0x7010, classCode: [1, 1, 0] });
  ide.put(PciRegister.command, 2, IO_ENABLED).allow(PciRegister.command, 2, 5);
  // IDE timing: both channels are decoded.
  return ide.put(0x40, 4, 0x80008000).allow(0x40, 4, 0xffffffff);
}

export const HOST_BRIDGE = 0;
export const ISA_BRIDGE = (1 << 3) | 0;
export const IDE_FUNCTION = (1 << 3) | 1;

/** Devices on the bus, by slot. */
export const PCI_SLOTS = 32;
/** Interrupt lines that pin A of a slot leads to, even and odd ones. Level-triggered. */
export const PCI_LINES = [10, 11] as const;
export const lineOfSlot = (slot: number): number => PCI_LINES[slot & 1] as number;
