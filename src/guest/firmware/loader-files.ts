import type { FirmwareFiles } from "../../devices/fw-cfg.ts";
import {
  dsdt,
  FACS_POINTER,
  type FirmwareMachine,
  facs,
  fadt,
  HEADER_BYTES,
  madt,
  rsdp,
  rsdt,
} from "./acpi.ts";
import { TableWriter } from "./tables.ts";

/** What a BIOS reads from fw_cfg to place ACPI tables in memory (QEMU's linker and loader protocol, as SeaBIOS's `romfile_loader` follows it). */

const TABLES = "etc/acpi/tables";
const POINTER = "etc/acpi/rsdp";
const SCRIPT = "etc/table-loader";

const ALLOCATE = 1;
const ADD_POINTER = 2;
const ADD_CHECKSUM = 3;
const HIGH_MEMORY = 1;
const BELOW_1_MIB = 2;
const COMMAND_BYTES = 128;
const NAME_BYTES = 56;
const ALIGNMENT = 64;
/** Where a table holds its checksum, and the root pointer its own and the address of the RSDT. */
const TABLE_CHECKSUM = 9;
const RSDP_CHECKSUM = 8;
const RSDP_BYTES = 20;
const RSDT_POINTER = 16;

class Script {
  readonly #writer = new TableWriter();

  allocate(file: string, alignment: number, zone: number): void {
    this.#command(ALLOCATE, (w) => fileName(w, file).u32(alignment).u8(zone));
  }
  /** The doubleword there holds an offset in `target`, and becomes its address. */
  point(file: string, offset: number, target: string): void {
    this.#command(ADD_POINTER, (w) => fileName(fileName(w, file), target).u32(offset).u8(4));
  }
  check(file: string, at: number, start: number, length: number): void {
    this.#command(ADD_CHECKSUM, (w) => fileName(w, file).u32(at).u32(start).u32(length));
  }
  build(): Uint8Array {
    return this.#writer.build();
  }

  #command(kind: number, body: (writer: TableWriter) => void): void {
    const writer = new TableWriter().u32(kind);
    body(writer);
    this.#writer.bytes(writer.zeros(COMMAND_BYTES - writer.length).build());
  }
}

const fileName = (writer: TableWriter, name: string): TableWriter =>
  writer.bytes(Buffer.from(name.padEnd(NAME_BYTES, "\0"), "latin1"));

/** The tables of the machine, their root pointer, and the script that places them. */
export function acpiFiles(machine: FirmwareMachine): FirmwareFiles {
  const script = new Script();
  const tables = new TableWriter();
  const put = (table: Uint8Array): number => {
    tables.zeros((ALIGNMENT - (tables.length % ALIGNMENT)) % ALIGNMENT);
    const at = tables.length;
    tables.bytes(table);
    return at;
  };
  /** A table with addresses of others in it, which are offsets as yet. */
  const putPointing = (table: Uint8Array, pointers: readonly number[]): number => {
    const at = put(table);
    for (const pointer of pointers) script.point(TABLES, at + pointer, TABLES);
    script.check(TABLES, at + TABLE_CHECKSUM, at, table.length);
    return at;
  };
  script.allocate(POINTER, 16, BELOW_1_MIB);
  script.allocate(TABLES, ALIGNMENT, HIGH_MEMORY);
  const facsAt = put(facs());
  const dsdtAt = put(dsdt(machine));
  const fadtAt = putPointing(fadt(facsAt, dsdtAt), [FACS_POINTER, FACS_POINTER + 4]);
  const listed = [fadtAt, put(madt(machine.cpus))];
  const rsdtAt = putPointing(
    rsdt(listed),
    listed.map((_, n) => HEADER_BYTES + 4 * n),
  );
  script.point(POINTER, RSDT_POINTER, TABLES);
  script.check(POINTER, RSDP_CHECKSUM, 0, RSDP_BYTES);
  return { [TABLES]: tables.build(), [POINTER]: rsdp(rsdtAt), [SCRIPT]: script.build() };
}
