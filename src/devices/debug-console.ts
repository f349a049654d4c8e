import { allOnes, type ByteSink, type PortDevice } from "./device.ts";

/** Where hypervisors' test images and boot code print, a byte at a time. */
export const DEBUG_CONSOLE_PORT = 0xe9;

/** The debug console of Bochs and QEMU: what is written comes out; it reads as its own port number, by which guests find it. */
export class DebugConsole implements PortDevice {
  readonly name = "debug-console";
  readonly ports = [{ first: DEBUG_CONSOLE_PORT, count: 1 }];
  readonly state = { written: 0 };
  private readonly sink: ByteSink;

  constructor(sink: ByteSink) {
    this.sink = sink;
  }

  readPort(_port: number, sizeBytes: number): number {
    return ((allOnes(sizeBytes) & ~0xff) | DEBUG_CONSOLE_PORT) >>> 0;
  }

  writePort(_port: number, _sizeBytes: number, value: number): void {
    this.state.written++;
    this.sink(value & 0xff);
  }
}
