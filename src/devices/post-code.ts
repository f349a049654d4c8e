import { allOnes, type ByteSink, type PortDevice } from "./device.ts";

/** Firmware writes its progress here; kernels write anything here to wait for about a microsecond. */
export const POST_CODE_PORT = 0x80;
/** The same on other machines; 80386 power-on tests use it. */
const OTHER_POST_CODE_PORT = 0x190;

export interface PostCodeState {
  /** The last byte written, 0 to 255. It reads back: the port is a spare page register of the DMA controller. */
  last: number;
  writes: number;
}

export class PostCode implements PortDevice {
  readonly name = "post-code";
  readonly ports = [
    { first: POST_CODE_PORT, count: 1 },
    { first: OTHER_POST_CODE_PORT, count: 1 },
  ];
  readonly state: PostCodeState = { last: 0, writes: 0 };
  private readonly sink: ByteSink | undefined;

  /** `sink` gets every byte written. */
  constructor(sink?: ByteSink) {
    this.sink = sink;
  }

  readPort(port: number, sizeBytes: number): number {
    if (!isPostCode(port)) return allOnes(sizeBytes);
    return ((allOnes(sizeBytes) & ~0xff) | this.state.last) >>> 0;
  }

  writePort(port: number, _sizeBytes: number, value: number): void {
    if (!isPostCode(port)) return;
    this.state.last = value & 0xff;
    this.state.writes++;
    this.sink?.(this.state.last);
  }
}

const isPostCode = (port: number): boolean => port === POST_CODE_PORT || port === OTHER_POST_CODE_PORT;
