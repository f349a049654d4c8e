import { PM_TIMER_PORT, PM1_CONTROL_PORT, PM1_EVENT_PORT, S5_SLEEP_TYPE } from "../../devices/acpi-pm.ts";
import { IO_APIC_BASE, IO_APIC_ID, LOCAL_APIC_BASE } from "../../devices/apic-addresses.ts";
import { lineOfSlot, PCI_SLOTS } from "../../devices/pci/chipset.ts";
import * as aml from "./aml.ts";
import { checksum, TableWriter } from "./tables.ts";

/** ACPI 1.0 and 2.0 tables (ACPI Specification 6.4, chapter 5), as firmware would leave them. */

const OEM = "UMBRA";
const SCI_LINE = 9;
export const HEADER_BYTES = 36;
/** Where the FADT holds the address of the FACS; that of the DSDT follows. */
export const FACS_POINTER = HEADER_BYTES;
const CHECKSUM_AT = 9;

/** What the tables tell of. */
export interface FirmwareMachine {
  readonly cpus: number;
  /** A keyboard is plugged in. */
  readonly keyboard?: boolean;
}

/** A system description table: the common header, then `body`. */
function table(signature: string, revision: number, body: TableWriter): Uint8Array {
  const bytes = new TableWriter()
    .text(signature, 4)
    .u32(HEADER_BYTES + body.length)
    .u8(revision, 0)
    .text(OEM, 6)
    .text(OEM, 8)
    .u32(1)
    .text("UMBR", 4)
    .u32(1)
    .bytes(body.build())
    .build();
  checksum(bytes, CHECKSUM_AT);
  return bytes;
}

/** RSDP of ACPI 1.0, which points to the RSDT. */
export function rsdp(rsdtGpa: number): Uint8Array {
  const bytes = new TableWriter().text("RSD PTR ").u8(0).text(OEM, 6).u8(0).u32(rsdtGpa).build();
  checksum(bytes, 8);
  return bytes;
}

export function rsdt(tables: readonly number[]): Uint8Array {
  const body = new TableWriter();
  for (const gpa of tables) body.u32(gpa);
  return table("RSDT", 1, body);
}

/** FADT of ACPI 1.0: fixed hardware at AcpiPm's ports, ACPI mode from the beginning (no SMI command port). */
export function fadt(facsGpa: number, dsdtGpa: number): Uint8Array {
  const legacyAndKeyboard = 0x3;
  // WBINVD works, C1 does, no fixed sleep button, RTC wake not in fixed hardware.
  const flags = (1 << 0) | (1 << 2) | (1 << 5) | (1 << 6);
  const body = new TableWriter()
    .u32(facsGpa)
    .u32(dsdtGpa)
    .u8(1, 0)
    .u16(SCI_LINE)
    .u32(0)
    .u8(0, 0, 0, 0)
    .u32(PM1_EVENT_PORT)
    .u32(0)
    .u32(PM1_CONTROL_PORT)
    .u32(0)
    .u32(0)
    .u32(PM_TIMER_PORT)
    .u32(0)
    .u32(0)
    .u8(4, 2, 0, 4, 0, 0, 0, 0)
    // C2 and C3 are not supported.
    .u16(0xffff)
    .u16(0xffff)
    .u16(0)
    .u16(0)
    .u8(0, 0, 0, 0, 0)
    .u16(legacyAndKeyboard)
    .u8(0)
    .u32(flags);
  return table("FACP", 1, body);
}

/** Firmware control structure: nothing to wake from. Aligned to 64 bytes. */
export function facs(): Uint8Array {
  return new TableWriter().text("FACS").u32(64).zeros(56).build();
}

/** MADT: local APICs 0 to `cpus` - 1, the I/O APIC, ISA interrupt 0 at its pin 2, the SCI active high and level-triggered, NMI at LINT1. */
export function madt(cpus: number): Uint8Array {
  const pcatCompatible = 1;
  const body = new TableWriter().u32(LOCAL_APIC_BASE).u32(pcatCompatible);
  for (let id = 0; id < cpus; id++) body.u8(0, 8, id, id).u32(1);
  body.u8(1, 12, IO_APIC_ID, 0).u32(IO_APIC_BASE).u32(0);
  body.u8(2, 10, 0, 0).u32(2).u16(0);
  const activeHighLevel = 0xd;
  body.u8(2, 10, 0, SCI_LINE).u32(SCI_LINE).u16(activeHighLevel);
  body.u8(4, 6, 0xff).u16(0).u8(1);
  return table("APIC", 1, body);
}

/**
 * The sleep type of soft-off, and a PCI root bridge with its windows of bus numbers, ports and memory, where its interrupts lead, and the devices on
 * the ISA bus that firmware looks for: clock, serial port, keyboard.
 */
export function dsdt({ keyboard = false }: Pick<FirmwareMachine, "keyboard"> = {}): Uint8Array {
  const body = new TableWriter();
  const off = aml.integer(S5_SLEEP_TYPE);
  body.u8(...aml.name("_S5_", aml.packageOf(off, off, aml.integer(0), aml.integer(0))));
  const configuration = 0xcf8;
  const windows = aml.resources(
    aml.busNumbers(0, 0xff),
    aml.ports(configuration, 8),
    aml.portWindow(0, configuration - 1),
    aml.portWindow(0xd00, 0xffff),
    aml.memoryWindow(0xe0000000, 0xfebfffff),
  );
  const root = aml.device(
    "PCI0",
    aml.name("_HID", aml.eisaId("PNP0A03")),
    aml.name("_UID", aml.integer(0)),
    aml.name("_CRS", windows),
    aml.name("_PRT", interruptRouting()),
    aml.device(
      "ISA_",
      aml.name("_ADR", aml.integer(ISA_BRIDGE_ADDRESS)),
      isaDevice("RTC_", "PNP0B00", aml.ports(0x70, 2), aml.irq(8)),
      isaDevice("COM1", "PNP0501", aml.ports(0x3f8, 8), aml.irq(4)),
      ...(keyboard ? [isaDevice("KBD_", "PNP0303", aml.ports(0x60, 1), aml.ports(0x64, 1), aml.irq(1))] : []),
    ),
  );
  body.u8(...aml.scope("_SB_", root));
  return table("DSDT", 1, body);
}

/** Device 1, function 0. */
const ISA_BRIDGE_ADDRESS = 0x10000;

function isaDevice(path: string, id: string, ...resources: readonly aml.Aml[]): aml.Aml {
  return aml.device(path, aml.name("_HID", aml.eisaId(id)), aml.name("_CRS", aml.resources(...resources)));
}

/** Pin A of each slot but the bridges', at a fixed pin of the I/O APIC (6.2.13). */
function interruptRouting(): aml.Aml {
  const anyFunction = 0xffff;
  const fixed = aml.integer(0);
  const entries: aml.Aml[] = [];
  for (let slot = 2; slot < PCI_SLOTS; slot++)
    entries.push(
      aml.packageOf(
        aml.integer(slot * 0x10000 + anyFunction),
        aml.integer(0),
        fixed,
        aml.integer(lineOfSlot(slot)),
      ),
    );
  return aml.packageOf(...entries);
}
