import { type DeviceClock, type PortDevice, readAsBytes, writeAsBytes } from "./device.ts";

/** Registers by index in each group of an IBM VGA. */
const CRTC_REGISTERS = 25;
const START_HIGH = 0x0c;
const START_LOW = 0x0d;
const CURSOR_START = 0x0a;
const CURSOR_HIGH = 0x0e;
const CURSOR_LOW = 0x0f;
const CURSOR_OFF = 1 << 5;
/** 60 frames a second, of 449 lines of which 400 are shown; a line's last fifth is its blank. */
const FRAME_NS = 16_683_333;
const LINES = 449;
const SHOWN_LINES = 400;
const SHOWN_OF_LINE = 0.8;
const DISPLAY_OFF = 1 << 0;
const RETRACE = 1 << 3;

export interface VgaTextState {
  crtcIndex: number;
  crtc: number[];
  sequencerIndex: number;
  sequencer: number[];
  graphicsIndex: number;
  graphics: number[];
  /** The next write of 0x3C0 is data. */
  attributeData: boolean;
  attributeIndex: number;
  attribute: number[];
  misc: number;
  dacRead: number;
  dacWrite: number;
  dacPart: number;
  palette: number[];
}

/** The registers of a VGA adapter in text mode 3. Only those that move the text and the cursor have an effect; the others are held. */
export class VgaText implements PortDevice {
  readonly name = "vga";
  readonly ports = [
    { first: 0x3b4, count: 2 },
    { first: 0x3ba, count: 1 },
    { first: 0x3c0, count: 16 },
    { first: 0x3d4, count: 2 },
    { first: 0x3da, count: 1 },
  ];
  readonly state: VgaTextState;
  readonly #clock: Pick<DeviceClock, "nowNs">;

  constructor(clock: Pick<DeviceClock, "nowNs">) {
    this.#clock = clock;
    const crtc: number[] = Array(CRTC_REGISTERS).fill(0);
    crtc[CURSOR_START] = 13;
    crtc[CURSOR_START + 1] = 14;
    this.state = {
      crtcIndex: 0,
      crtc,
      sequencerIndex: 0,
      sequencer: [3, 0, 3, 0, 2],
      graphicsIndex: 0,
      graphics: [0, 0, 0, 0, 0, 0x10, 0x0e, 0, 0xff],
      attributeData: false,
      attributeIndex: 0,
      attribute: Array(21).fill(0),
      misc: 0x67,
      dacRead: 0,
      dacWrite: 0,
      dacPart: 0,
      palette: Array(768).fill(0),
    };
  }

  /** Of the first character shown, in cells from the beginning of the text memory. */
  get start(): number {
    const { crtc } = this.state;
    return ((crtc[START_HIGH] as number) << 8) | (crtc[START_LOW] as number);
  }

  /** In the same units; undefined when it is switched off. */
  get cursor(): number | undefined {
    const { crtc } = this.state;
    if (((crtc[CURSOR_START] as number) & CURSOR_OFF) !== 0) return undefined;
    return ((crtc[CURSOR_HIGH] as number) << 8) | (crtc[CURSOR_LOW] as number);
  }

  readPort(port: number, sizeBytes: number): number {
    return readAsBytes(port, sizeBytes, (at) => this.#readByte(at));
  }

  writePort(port: number, sizeBytes: number, value: number): void {
    writeAsBytes(port, sizeBytes, value, (at, byte) => this.#writeByte(at, byte));
  }

  #readByte(port: number): number {
    const { state } = this;
    switch (port) {
      case 0x3b4:
      case 0x3d4:
        return state.crtcIndex;
      case 0x3b5:
      case 0x3d5:
        return state.crtc[state.crtcIndex] ?? 0;
      case 0x3c0:
        return state.attributeIndex;
      case 0x3c1:
        return state.attribute[state.attributeIndex & 0x1f] ?? 0;
      case 0x3c4:
        return state.sequencerIndex;
      case 0x3c5:
        return state.sequencer[state.sequencerIndex] ?? 0;
      case 0x3c7:
        return 3;
      case 0x3c8:
        return state.dacWrite;
      case 0x3c9:
        return this.#readPalette();
      case 0x3cc:
        return state.misc;
      case 0x3ce:
        return state.graphicsIndex;
      case 0x3cf:
        return state.graphics[state.graphicsIndex] ?? 0;
      case 0x3ba:
      case 0x3da:
        state.attributeData = false;
        return this.#status();
      default:
        return 0;
    }
  }

  #writeByte(port: number, byte: number): void {
    const { state } = this;
    switch (port) {
      case 0x3b4:
      case 0x3d4:
        state.crtcIndex = byte;
        break;
      case 0x3b5:
      case 0x3d5:
        hold(state.crtc, state.crtcIndex, byte);
        break;
      case 0x3c0:
        if (state.attributeData) hold(state.attribute, state.attributeIndex & 0x1f, byte);
        else state.attributeIndex = byte;
        state.attributeData = !state.attributeData;
        break;
      case 0x3c2:
        state.misc = byte;
        break;
      case 0x3c4:
        state.sequencerIndex = byte;
        break;
      case 0x3c5:
        hold(state.sequencer, state.sequencerIndex, byte);
        break;
      case 0x3c7:
        state.dacRead = byte;
        state.dacPart = 0;
        break;
      case 0x3c8:
        state.dacWrite = byte;
        state.dacPart = 0;
        break;
      case 0x3c9:
        state.palette[state.dacWrite * 3 + state.dacPart] = byte & 0x3f;
        state.dacPart = (state.dacPart + 1) % 3;
        if (state.dacPart === 0) state.dacWrite = (state.dacWrite + 1) & 0xff;
        break;
      case 0x3ce:
        state.graphicsIndex = byte;
        break;
      case 0x3cf:
        hold(state.graphics, state.graphicsIndex, byte);
        break;
      default:
    }
  }

  #readPalette(): number {
    const { state } = this;
    const value = state.palette[state.dacRead * 3 + state.dacPart] as number;
    state.dacPart = (state.dacPart + 1) % 3;
    if (state.dacPart === 0) state.dacRead = (state.dacRead + 1) & 0xff;
    return value;
  }

  /** Where the beam is, by the clock: programs wait for retraces. */
  #status(): number {
    const line = ((this.#clock.nowNs() % FRAME_NS) / FRAME_NS) * LINES;
    if (line >= SHOWN_LINES) return RETRACE | DISPLAY_OFF;
    return line % 1 >= SHOWN_OF_LINE ? DISPLAY_OFF : 0;
  }
}

function hold(registers: number[], index: number, byte: number): void {
  if (index < registers.length) registers[index] = byte;
}
