import { allOnes, type PortDevice } from "./device.ts";

/** "Clear coprocessor busy": a write lowers IRQ 13 and asserts IGNNE#. */
export const CLEAR_BUSY = 0xf0;

/** The PC/AT's ports of the coprocessor. That of its reset (0xF1) does nothing: an x87 inside the processor is reset by FNINIT. */
export class CoprocessorPort implements PortDevice {
  readonly name = "coprocessor";
  readonly ports = [{ first: CLEAR_BUSY, count: 2 }];
  readonly state = {};

  readPort(_port: number, sizeBytes: number): number {
    return allOnes(sizeBytes);
  }

  writePort(): void {}
}
