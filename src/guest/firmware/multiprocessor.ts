import { IO_APIC_BASE, IO_APIC_ID, LOCAL_APIC_BASE } from "../../devices/apic-addresses.ts";
import { pinOfLine } from "../../devices/io-apic.ts";
import { checksum, TableWriter } from "./tables.ts";

/** MultiProcessor Specification 1.4, chapter 4. */

const ENABLED = 1;
const BOOTSTRAP = 2;
const ISA_BUS = 0;
/** Every line of the ISA bus but the cascade. */
const ISA_LINES = [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] as const;
const InterruptType = { int: 0, nmi: 1, extInt: 3 } as const;
const IO_ENTRY = 3;
const LOCAL_ENTRY = 4;
const ALL_APICS = 0xff;

/** The floating pointer structure, 16 bytes. No default configuration; there is no IMCR. */
export function floatingPointer(configurationGpa: number): Uint8Array {
  const bytes = new TableWriter().text("_MP_").u32(configurationGpa).u8(1, 4, 0, 0).zeros(4).build();
  checksum(bytes, 10);
  return bytes;
}

/** The configuration table of a machine with so many processors, one ISA bus and one I/O APIC. */
export function configurationTable(cpus: number, signature: number, features: number): Uint8Array {
  const entries = new TableWriter();
  let count = 0;
  const localApicVersion = 0x14;
  for (let id = 0; id < cpus; id++, count++)
    entries
      .u8(0, id, localApicVersion, ENABLED | (id === 0 ? BOOTSTRAP : 0))
      .u32(signature)
      .u32(features)
      .zeros(8);
  entries.u8(1, ISA_BUS).text("ISA", 6);
  entries.u8(2, IO_APIC_ID, 0x20, ENABLED).u32(IO_APIC_BASE);
  count += 2;
  const interrupt = (entry: number, type: number, line: number, apic: number, pin: number): void => {
    entries.u8(entry, type).u16(0).u8(ISA_BUS, line, apic, pin);
    count++;
  };
  for (const line of ISA_LINES) interrupt(IO_ENTRY, InterruptType.int, line, IO_APIC_ID, pinOfLine(line));
  interrupt(LOCAL_ENTRY, InterruptType.extInt, 0, ALL_APICS, 0);
  interrupt(LOCAL_ENTRY, InterruptType.nmi, 0, ALL_APICS, 1);
  const headerBytes = 44;
  const bytes = new TableWriter()
    .text("PCMP")
    .u16(headerBytes + entries.length)
    .u8(4, 0)
    .text("UMBRA", 8)
    .text("UMBRA", 12)
    .u32(0)
    .u16(0)
    .u16(count)
    .u32(LOCAL_APIC_BASE)
    .u32(0)
    .bytes(entries.build())
    .build();
  checksum(bytes, 7);
  return bytes;
}
