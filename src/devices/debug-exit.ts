import { allOnes, type PortDevice } from "./device.ts";

export const DEBUG_EXIT_PORT = 0xf4;

/** The isa-debug-exit device of QEMU: a write ends the guest; value v gives the exit code (v << 1 | 1) & 0xff, never 0. */
export class DebugExit implements PortDevice {
  readonly name = "debug-exit";
  readonly ports = [{ first: DEBUG_EXIT_PORT, count: 4 }];
  readonly state: { exitCode: number | undefined } = { exitCode: undefined };
  private readonly exit: (code: number) => void;

  constructor(exit: (code: number) => void) {
    this.exit = exit;
  }

  readPort(_port: number, sizeBytes: number): number {
    return allOnes(sizeBytes);
  }

  writePort(_port: number, _sizeBytes: number, value: number): void {
    this.state.exitCode = ((value << 1) | 1) & 0xff;
    this.exit(this.state.exitCode);
  }
}
