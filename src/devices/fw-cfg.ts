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
} as const;

const littleEndian = (value: number, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, n) => Math.floor(value / 2 ** (8 * n)) & 0xff);

export interface FwCfgState {
  selector: number;
  offset: number;
}

/**
 * What firmware and test images ask of the machine that they run on: the traditional interface (no DMA), with the signature, memory size and
 * processor count, and no files. An item that there is not reads as zeros.
 */
export class FwCfg implements PortDevice {
  readonly name = "fw-cfg";
  readonly ports = [{ first: SELECTOR_PORT, count: 2 }];
  readonly state: FwCfgState = { selector: 0, offset: 0 };
  readonly #items: ReadonlyMap<number, readonly number[]>;

  constructor(machine: { readonly memoryBytes: number; readonly cpus: number }) {
    const { memoryBytes, cpus } = machine;
    this.#items = new Map([
      [Key.signature, [...Buffer.from("QEMU")]],
      [Key.id, littleEndian(1, 4)],
      [Key.uuid, littleEndian(0, 16)],
      [Key.ramSize, littleEndian(memoryBytes, 8)],
      [Key.noGraphic, littleEndian(1, 2)],
      [Key.cpuCount, littleEndian(cpus, 2)],
      [Key.bootMenu, littleEndian(0, 2)],
      [Key.maxCpus, littleEndian(cpus, 2)],
      [Key.fileDirectory, littleEndian(0, 4)],
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

  writePort(port: number, sizeBytes: number, value: number): void {
    if (port !== SELECTOR_PORT || sizeBytes < 2) return;
    this.state.selector = value & 0xffff;
    this.state.offset = 0;
  }
}
