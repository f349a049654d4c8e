/**
 * The 8042 keyboard controller of a PC/AT (IBM Personal System/2 Hardware Interface Technical Reference, "Keyboard and
 * Auxiliary Device Controller"). Besides the keyboard it holds the A20 gate and one of the ways to reset the machine.
 *
 * There is always a controller; a keyboard is an option. Without one, bytes for it vanish and nobody acknowledges them.
 * There is no auxiliary port: its commands answer as on an AT, which had none, and kernels see that at once.
 */

import { A20Gate } from "./a20-gate.ts";
import {
  type AlarmedDevice,
  type DeviceClock,
  type IrqLine,
  type PortDevice,
  readAsBytes,
  writeAsBytes,
} from "./device.ts";
import {
  keyboardCommand,
  nextByte,
  type Ps2KeyboardState,
  powerOnKeyboard,
  pressKeys,
} from "./ps2-keyboard.ts";
import { translateToSet1 } from "./scan-codes.ts";

const DATA_PORT = 0x60;
/** Reads the status, writes a command. */
const COMMAND_PORT = 0x64;

const STATUS_OUTPUT_FULL = 0x01;
/** The controller has been initialised: a copy of the command byte's bit. */
const STATUS_SYSTEM = 0x04;
/** The last write was a command. */
const STATUS_COMMAND = 0x08;
/** The keyboard is not locked by its key. */
const STATUS_UNLOCKED = 0x10;

/** The command byte: byte 0 of the controller's memory. */
const CONFIG_INTERRUPT = 0x01;
const CONFIG_SYSTEM = 0x04;
const CONFIG_KEYBOARD_DISABLED = 0x10;
const CONFIG_TRANSLATE = 0x40;
/** As firmware leaves it: initialised, interrupt on, keyboard on and translated to set 1. */
const CONFIG_DEFAULT = CONFIG_INTERRUPT | CONFIG_SYSTEM | CONFIG_TRANSLATE;

/** The output port: bit 0 low resets the processor, bit 1 opens address line 20. */
const OUTPUT_NOT_RESET = 0x01;
const OUTPUT_A20 = 0x02;
const OUTPUT_KEYBOARD_FULL = 0x10;
/** Unconnected lines read high; the gate of line 20 is kept where the line is. */
const OUTPUT_DEFAULT = 0xcd;
/** Input port: keyboard unlocked (bit 7), no manufacturing jumper (bit 5). */
const INPUT_PORT = 0xa0;
/** Test inputs: keyboard and auxiliary clock low. */
const TEST_INPUTS = 0x00;

const COMMAND_READ_MEMORY = 0x20;
const COMMAND_WRITE_MEMORY = 0x60;
const MEMORY_INDEX = 0x1f;
const MEMORY_BYTES = 0x20;
const COMMAND_TEST_PASSWORD = 0xa4;
const COMMAND_TEST_AUX = 0xa9;
const COMMAND_SELF_TEST = 0xaa;
const COMMAND_TEST_KEYBOARD = 0xab;
const COMMAND_DISABLE_KEYBOARD = 0xad;
const COMMAND_ENABLE_KEYBOARD = 0xae;
const COMMAND_READ_INPUT_PORT = 0xc0;
const COMMAND_READ_OUTPUT_PORT = 0xd0;
const COMMAND_WRITE_OUTPUT_PORT = 0xd1;
const COMMAND_WRITE_KEYBOARD_BUFFER = 0xd2;
const COMMAND_WRITE_AUX_BUFFER = 0xd3;
const COMMAND_WRITE_AUX = 0xd4;
const COMMAND_CLOSE_A20 = 0xdd;
const COMMAND_OPEN_A20 = 0xdf;
const COMMAND_READ_TEST_INPUTS = 0xe0;
/** 0xF0 to 0xFF pulse the output port's lines whose bit is 0 low. */
const COMMAND_PULSE = 0xf0;

const KEY_ALARM = "key";
/** Between two keystrokes: twice as fast as anybody types, and slow enough for programs that look at the keyboard now and then. */
const KEY_NS = 20_000_000;

const NO_PASSWORD = 0xf1;
const SELF_TEST_PASSED = 0x55;
const KEYBOARD_LINES_GOOD = 0x00;
/** The auxiliary clock line is stuck low: there is no port. */
const AUX_CLOCK_LOW = 0x01;

export interface I8042State {
  /** The controller's memory, the command byte first. */
  memory: number[];
  /** The output buffer; -1 when it is empty. */
  output: number;
  /** The controller's own answer that waits until the output buffer is read; -1 when none does. */
  answer: number;
  /** Without the lines that others drive: bit 1 is the gate of address line 20, bit 4 that the output buffer is full. */
  outputPort: number;
  /** The command whose data byte is awaited at port 0x60; -1 when a byte there goes to the keyboard. */
  awaiting: number;
  lastWriteWasCommand: boolean;
  /** The keyboard sent 0xF0: the translation makes the next code a break code. */
  breakNext: boolean;
  /** Keys that somebody has pressed and the keyboard has not yet sent, one after the other. */
  keystrokes: (readonly number[])[];
  /** When the next of them may be pressed. */
  nextKeyNs: number;
  /** null without a keyboard. */
  keyboard: Ps2KeyboardState | null;
}

export interface I8042Options {
  /** Interrupt line 1. */
  readonly irq: IrqLine;
  /** The guest pulls the processor's reset line. */
  readonly reset: () => void;
  /** Address line 20; its own by default. */
  readonly a20?: A20Gate;
  /** Paces keystrokes; without it they come all at once. */
  readonly clock?: DeviceClock;
  /** Whether a keyboard is plugged in; false by default. */
  readonly hasKeyboard?: boolean;
}

export class I8042 implements PortDevice, AlarmedDevice {
  readonly name = "i8042";
  readonly ports = [
    { first: DATA_PORT, count: 1 },
    { first: COMMAND_PORT, count: 1 },
  ];
  readonly state: I8042State;
  private readonly irq: IrqLine;
  private readonly reset: () => void;
  private readonly clock: DeviceClock | undefined;
  readonly a20: A20Gate;

  constructor(options: I8042Options) {
    this.irq = options.irq;
    this.clock = options.clock;
    this.a20 = options.a20 ?? new A20Gate();
    this.reset = options.reset;
    const memory = new Array<number>(MEMORY_BYTES).fill(0);
    memory[0] = CONFIG_DEFAULT;
    this.state = {
      memory,
      output: -1,
      answer: -1,
      outputPort: OUTPUT_DEFAULT,
      awaiting: -1,
      lastWriteWasCommand: false,
      breakNext: false,
      keystrokes: [],
      nextKeyNs: 0,
      keyboard: options.hasKeyboard === true ? powerOnKeyboard() : null,
    };
  }

  /**
   * Keys pressed and released one after the other, each as the scan codes of set 2 that the keyboard sends, and no sooner than a fast typist would. Lost
   * without a keyboard; and those pressed while the guest keeps the keyboard from scanning.
   */
  type(strokes: Iterable<readonly number[]>): void {
    if (this.state.keyboard === null) return;
    this.state.keystrokes.push(...strokes);
    this.pressNext();
  }

  alarm(id: string, _nowNs: number): void {
    if (id === KEY_ALARM) this.pressNext();
  }

  /** As many keys as it is time for, and as the guest has room for. */
  private pressNext(): void {
    const { state, clock } = this;
    const { keyboard, keystrokes } = state;
    while (keyboard !== null && keystrokes.length > 0) {
      const now = clock?.nowNs() ?? state.nextKeyNs;
      if (now < state.nextKeyNs) {
        clock?.arm(KEY_ALARM, state.nextKeyNs);
        break;
      }
      state.nextKeyNs = now + KEY_NS;
      // A guest that has not read the last keys is waited for.
      if (clock !== undefined && keyboard.scanning && keyboard.queue.length > 0) continue;
      pressKeys(keyboard, keystrokes.shift() as readonly number[]);
    }
    this.fillOutput();
  }

  readPort(port: number, sizeBytes: number): number {
    return readAsBytes(port, sizeBytes, (at) => {
      if (at === DATA_PORT) return this.readData();
      return at === COMMAND_PORT ? this.status() : 0xff;
    });
  }

  writePort(port: number, sizeBytes: number, value: number): void {
    writeAsBytes(port, sizeBytes, value, (at, byte) => {
      if (at === DATA_PORT) this.writeData(byte);
      else if (at === COMMAND_PORT) this.writeCommand(byte);
    });
  }

  private status(): number {
    const { state } = this;
    return (
      STATUS_UNLOCKED |
      (state.output >= 0 ? STATUS_OUTPUT_FULL : 0) |
      ((this.config() & CONFIG_SYSTEM) !== 0 ? STATUS_SYSTEM : 0) |
      (state.lastWriteWasCommand ? STATUS_COMMAND : 0)
    );
  }

  private readData(): number {
    const { state } = this;
    // An empty buffer reads 0 here; on a real controller it reads its last value.
    const byte = Math.max(state.output, 0);
    state.output = -1;
    this.updateIrq();
    this.fillOutput();
    return byte;
  }

  private writeData(byte: number): void {
    const { state } = this;
    const command = state.awaiting;
    state.awaiting = -1;
    state.lastWriteWasCommand = false;
    if (command < 0) {
      if (state.keyboard !== null) keyboardCommand(state.keyboard, byte);
    } else if ((command & ~MEMORY_INDEX) === COMMAND_WRITE_MEMORY) {
      state.memory[command & MEMORY_INDEX] = byte;
      this.updateIrq();
    } else if (command === COMMAND_WRITE_OUTPUT_PORT) {
      this.writeOutputPort(byte);
    } else if (command !== COMMAND_WRITE_AUX) {
      // Without an auxiliary port its buffer is the keyboard's.
      this.sendAnswer(byte);
    }
    this.fillOutput();
  }

  private writeCommand(byte: number): void {
    const { state } = this;
    state.lastWriteWasCommand = true;
    state.awaiting = -1;
    const memoryCommand = byte & ~MEMORY_INDEX;
    if (memoryCommand === COMMAND_READ_MEMORY) this.sendAnswer(state.memory[byte & MEMORY_INDEX]!);
    else if (memoryCommand === COMMAND_WRITE_MEMORY) state.awaiting = byte;
    else if (byte >= COMMAND_PULSE) this.pulse(byte);
    else this.runCommand(byte);
    this.fillOutput();
  }

  private runCommand(command: number): void {
    const { state } = this;
    switch (command) {
      case COMMAND_TEST_PASSWORD:
        this.sendAnswer(NO_PASSWORD);
        return;
      case COMMAND_TEST_AUX:
        this.sendAnswer(AUX_CLOCK_LOW);
        return;
      case COMMAND_SELF_TEST:
        state.memory[0] = this.config() | CONFIG_SYSTEM;
        this.sendAnswer(SELF_TEST_PASSED);
        return;
      case COMMAND_TEST_KEYBOARD:
        this.sendAnswer(KEYBOARD_LINES_GOOD);
        return;
      case COMMAND_DISABLE_KEYBOARD:
        state.memory[0] = this.config() | CONFIG_KEYBOARD_DISABLED;
        return;
      case COMMAND_ENABLE_KEYBOARD:
        state.memory[0] = this.config() & ~CONFIG_KEYBOARD_DISABLED;
        return;
      case COMMAND_READ_INPUT_PORT:
        this.sendAnswer(INPUT_PORT);
        return;
      case COMMAND_READ_OUTPUT_PORT:
        this.sendAnswer(this.outputPort());
        return;
      case COMMAND_WRITE_OUTPUT_PORT:
      case COMMAND_WRITE_KEYBOARD_BUFFER:
      case COMMAND_WRITE_AUX_BUFFER:
      case COMMAND_WRITE_AUX:
        state.awaiting = command;
        return;
      case COMMAND_CLOSE_A20:
        this.a20.set(false);
        return;
      case COMMAND_OPEN_A20:
        this.a20.set(true);
        return;
      case COMMAND_READ_TEST_INPUTS:
        this.sendAnswer(TEST_INPUTS);
        return;
      default: // Unknown commands, and those that switch the absent auxiliary port, do nothing.
    }
  }

  private writeOutputPort(byte: number): void {
    const isReset = (byte & OUTPUT_NOT_RESET) === 0;
    // Resetting by a level that stays would hold the processor for ever; the line springs back, as after a pulse.
    this.state.outputPort = (byte | OUTPUT_NOT_RESET) & ~(OUTPUT_KEYBOARD_FULL | OUTPUT_A20);
    this.a20.set((byte & OUTPUT_A20) !== 0);
    if (isReset) this.reset();
  }

  /** As its lines are now. */
  private outputPort(): number {
    const { outputPort, output } = this.state;
    return outputPort | (this.a20.open ? OUTPUT_A20 : 0) | (output >= 0 ? OUTPUT_KEYBOARD_FULL : 0);
  }

  private pulse(command: number): void {
    if ((command & OUTPUT_NOT_RESET) === 0) this.reset();
  }

  private config(): number {
    return this.state.memory[0]!;
  }

  /** The controller's own byte: into the output buffer when that is free, else right after what is in it. */
  private sendAnswer(byte: number): void {
    this.state.answer = byte;
  }

  /** Moves the next byte into an empty output buffer: the controller's own first, then the keyboard's if it is enabled. */
  private fillOutput(): void {
    const { state } = this;
    if (state.output < 0 && state.answer >= 0) {
      state.output = state.answer;
      state.answer = -1;
    }
    while (state.output < 0 && state.keyboard !== null && (this.config() & CONFIG_KEYBOARD_DISABLED) === 0) {
      const byte = nextByte(state.keyboard);
      if (byte === undefined) break;
      state.output = this.translate(byte);
    }
    this.updateIrq();
  }

  /** A keyboard's byte as the guest gets it; -1 when the translation keeps it for the next one. */
  private translate(byte: number): number {
    const { state } = this;
    if ((this.config() & CONFIG_TRANSLATE) === 0) return byte;
    const { code, breakNext } = translateToSet1(byte, state.breakNext);
    state.breakNext = breakNext;
    return code;
  }

  private updateIrq(): void {
    this.irq.set(this.state.output >= 0 && (this.config() & CONFIG_INTERRUPT) !== 0);
  }
}
