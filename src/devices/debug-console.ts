import { allOnes, type ByteSink, type PortDevice, type PortRange } from "./device.ts";

/** Where hypervisors' test images and boot code print, a byte at a time. */
export const DEBUG_CONSOLE_PORT = 0xe9;

/** Where SeaBIOS logs what it does. */
export const FIRMWARE_LOG_PORT = 0x402;

/** The debug console of Bochs and QEMU: what is written comes out; it reads as 0xe9, at whichever port it is, by which guests find it. */
export class DebugConsole implements PortDevice {
  readonly name: string;
  readonly ports: readonly PortRange[];
  readonly state = { written: 0 };
  private readonly sink: ByteSink;
  private readonly port: number;

  /** `others` are ports where bytes written come out as well, such as a printer's data port; they read as all ones. */
  constructor(sink: ByteSink, others: readonly number[] = [], port = DEBUG_CONSOLE_PORT) {
    this.sink = sink;
    this.port = port;
    this.name = `debug-console-${port.toString(16)}`;
    this.ports = [port, ...others].map((first) => ({ first, count: 1 }));
  }

  readPort(port: number, sizeBytes: number): number {
    if (port !== this.port) return allOnes(sizeBytes);
    return ((allOnes(sizeBytes) & ~0xff) | DEBUG_CONSOLE_PORT) >>> 0;
  }

  writePort(_port: number, _sizeBytes: number, value: number): void {
    this.state.written++;
    this.sink(value & 0xff);
  }
}
