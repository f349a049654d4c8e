import { allOnes, type ByteSink, type PortDevice, type PortRange } from "./device.ts";

/** Where hypervisors' test images and boot code print, a byte at a time. */
export const DEBUG_CONSOLE_PORT = 0xe9;

/** The debug console of Bochs and QEMU: what is written comes out; it reads as its own port number, by which guests find it. */
export class DebugConsole implements PortDevice {
  readonly name = "debug-console";
  readonly ports: readonly PortRange[];
  readonly state = { written: 0 };
  private readonly sink: ByteSink;

  /** `others` are ports where bytes written come out as well, such as a printer's data port; they read as all ones. */
  constructor(sink: ByteSink, others: readonly number[] = []) {
    this.sink = sink;
    this.ports = [DEBUG_CONSOLE_PORT, ...others].map((first) => ({ first, count: 1 }));
  }

  readPort(port: number, sizeBytes: number): number {
    if (port !== DEBUG_CONSOLE_PORT) return allOnes(sizeBytes);
    return ((allOnes(sizeBytes) & ~0xff) | DEBUG_CONSOLE_PORT) >>> 0;
  }

  writePort(_port: number, _sizeBytes: number, value: number): void {
    this.state.written++;
    this.sink(value & 0xff);
  }
}
