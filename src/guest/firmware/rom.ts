import type { RomImage } from "../rom.ts";
import { dsdt, type FirmwareMachine, facs, fadt, madt, rsdp, rsdt } from "./acpi.ts";
import { configurationTable, floatingPointer } from "./multiprocessor.ts";

/** Where guests look for what a BIOS left: the last 64 KiB below 1 MiB. */
export const FIRMWARE_BASE = 0xf0000;
const FIRMWARE_BYTES = 0x10000;
const ALIGNMENT = 64;
/** A P6 with FPU and local APIC, as the MultiProcessor tables say it. */
const SIGNATURE = 0x683;
const FEATURES = 0x201;

/** The tables by which a guest finds processors, interrupt controllers and the power switch, in ROM. There is no code in it. */
export function firmwareRom(machine: FirmwareMachine = { cpus: 1 }): RomImage {
  const { cpus } = machine;
  const bytes = new Uint8Array(FIRMWARE_BYTES);
  let next = 0;
  const put = (table: Uint8Array): number => {
    const at = next;
    bytes.set(table, at);
    next = Math.ceil((at + table.length) / ALIGNMENT) * ALIGNMENT;
    return FIRMWARE_BASE + at;
  };
  const configuration = put(configurationTable(cpus, SIGNATURE, FEATURES));
  put(floatingPointer(configuration));
  const tables = [put(fadt(put(facs()), put(dsdt(machine)))), put(madt(cpus))];
  put(rsdp(put(rsdt(tables))));
  return { gpa: FIRMWARE_BASE, bytes };
}
