import { allOnes, type PortDevice } from "./device.ts";

const SELECTOR_PORT = 0x510;
const DATA_PORT = 0x511;

/** Keys of QEMU's firmware configuration device (its specification, docs/specs/fw_cfg). */
const Key = {
  signature: 0x00,
  id: 0x01,
  uuid: 0x02,
  ramSize: 0x03,
  noGraphic: 0x04,
  cpuCount: 0x05,
  bootMenu: 0x0e,
  maxCpus: 0x0f,
  fileDirectory: 0x19,
  firstFile: 0x20,
} as const;

/** Of a name in the directory, its final zero included. */
const NAME_BYTES = 56;
const ENTRY_BYTES = 64;
const E820_RAM = 1;

/** Files that firmware reads, by name: `etc/…`, `vgaroms/…`, at most 55 characters. */
export type FirmwareFiles = Readonly<Record<string, Uint8Array>>;

export interface FwCfgMachine {
  readonly memoryBytes: number;
  readonly cpus: number;
  /** Firmware shall talk on the serial port as well as on the screen. Default: yes. */
  readonly onSerial?: boolean;
  /** Beside the map of memory, which is always there. */
  readonly files?: FirmwareFiles;
}

export interface FwCfgState {
  selector: number;
  offset: number;
}

/**
 * What firmware and test images ask of the machine that they run on: the traditional interface (no DMA), with the signature, memory size,
 * processor count and files. An item that there is not, and what lies behind an item, reads as zeros.
 */
export class FwCfg implements PortDevice {
  readonly name = "fw-cfg";
  readonly ports = [{ first: SELECTOR_PORT, count: 2 }];
  readonly state: FwCfgState = { selector: 0, offset: 0 };
  readonly #items: ReadonlyMap<number, ArrayLike<number>>;

  constructor(machine: FwCfgMachine) {
    const { memoryBytes, cpus, onSerial = true } = machine;
    const files = Object.entries({ "etc/e820": memoryMap(memoryBytes), ...machine.files });
    this.#items = new Map<number, ArrayLike<number>>([
      [Key.signature, Buffer.from("QEMU")],
      [Key.id, littleEndian(1, 4)],
      [Key.uuid, littleEndian(0, 16)],
      [Key.ramSize, littleEndian(memoryBytes, 8)],
      [Key.noGraphic, littleEndian(onSerial ? 1 : 0, 2)],
      [Key.cpuCount, littleEndian(cpus, 2)],
      [Key.bootMenu, littleEndian(0, 2)],
      [Key.maxCpus, littleEndian(cpus, 2)],
      [Key.fileDirectory, directory(files)],
      ...files.map(([, bytes], n): [number, Uint8Array] => [Key.firstFile + n, bytes]),
    ]);
  }

  readPort(port: number, sizeBytes: number): number {
    if (port !== DATA_PORT) return allOnes(sizeBytes);
    const { state } = this;
    const item = this.#items.get(state.selector);
    let value = 0;
    for (let n = 0; n < sizeBytes; n++) value += (item?.[state.offset++] ?? 0) * 2 ** (8 * n);
    return value;
  }

  readsTogether(port: number, _sizeBytes: number, count: number): number {
    return port === DATA_PORT ? count : 1;
  }

  writePort(port: number, sizeBytes: number, value: number): void {
    if (port !== SELECTOR_PORT || sizeBytes < 2) return;
    this.state.selector = value & 0xffff;
    this.state.offset = 0;
  }
}

/** RAM from 0 to its end. The holes that every PC has in it are firmware's business. */
function memoryMap(memoryBytes: number): Uint8Array {
  return Uint8Array.from([
    ...littleEndian(0, 8),
    ...littleEndian(memoryBytes, 8),
    ...littleEndian(E820_RAM, 4),
  ]);
}

/** Big-endian: their number; of each its size, its key, and its name. */
function directory(files: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  const bytes = Buffer.alloc(4 + files.length * ENTRY_BYTES);
  bytes.writeUInt32BE(files.length);
  for (const [n, [name, content]] of files.entries()) {
    const at = 4 + n * ENTRY_BYTES;
    bytes.writeUInt32BE(content.length, at);
    bytes.writeUInt16BE(Key.firstFile + n, at + 4);
    bytes.write(name, at + 8, NAME_BYTES - 1, "latin1");
  }
  return bytes;
}

function littleEndian(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, n) => Math.floor(value / 2 ** (8 * n)) & 0xff);
}
