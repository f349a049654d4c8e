/**
 * An AT keyboard (IBM Personal System/2 Hardware Interface Technical Reference, "Keyboard"): it takes command bytes and
 * sends bytes. How they get to the processor is the controller's business (`i8042.ts`).
 */

const COMMAND_SET_LEDS = 0xed;
const COMMAND_ECHO = 0xee;
const COMMAND_SCAN_CODE_SET = 0xf0;
const COMMAND_IDENTIFY = 0xf2;
const COMMAND_TYPEMATIC = 0xf3;
const COMMAND_ENABLE = 0xf4;
const COMMAND_DISABLE = 0xf5;
const COMMAND_DEFAULTS = 0xf6;
const COMMAND_RESEND = 0xfe;
const COMMAND_RESET = 0xff;

const ACKNOWLEDGE = 0xfa;
const RESEND = 0xfe;
const SELF_TEST_PASSED = 0xaa;
/** A 101/102-key keyboard. */
const IDENTITY = [0xab, 0x83];

const DEFAULT_SCAN_CODE_SET = 2;
/** 10.9 characters a second after 500 ms. */
const DEFAULT_TYPEMATIC = 0x2b;
/** Keystrokes that wait at most; real keyboards keep 16 bytes. */
const QUEUE_BYTES = 4096;

export interface Ps2KeyboardState {
  /** What is left to send of the answer to the last command; it goes before keystrokes, and a new command discards it. */
  answer: number[];
  /** Keystrokes to send, the next byte first. */
  queue: number[];
  /** The command whose parameter byte is awaited, 0 when none is. */
  awaiting: number;
  scanning: boolean;
  scanCodeSet: number;
  /** Bits 2..0: caps lock, num lock, scroll lock. */
  leds: number;
  typematic: number;
  lastSent: number;
}

export function powerOnKeyboard(): Ps2KeyboardState {
  return {
    answer: [],
    queue: [],
    awaiting: 0,
    scanning: true,
    scanCodeSet: DEFAULT_SCAN_CODE_SET,
    leds: 0,
    typematic: DEFAULT_TYPEMATIC,
    lastSent: 0,
  };
}

/** A byte from the host: a command, or the parameter of the last one. */
export function keyboardCommand(keyboard: Ps2KeyboardState, byte: number): void {
  const command = keyboard.awaiting;
  keyboard.awaiting = 0;
  // No parameter is as large as the command bytes: those break off what was awaited.
  if (command !== 0 && byte < COMMAND_SET_LEDS) takeParameter(keyboard, command, byte);
  else startCommand(keyboard, byte);
}

/** Scan codes (of set 2, break codes with their 0xF0) of keys that somebody presses; dropped while scanning is off. */
export function pressKeys(keyboard: Ps2KeyboardState, scanCodes: Iterable<number>): void {
  if (!keyboard.scanning) return;
  for (const code of scanCodes) {
    if (keyboard.queue.length < QUEUE_BYTES) keyboard.queue.push(code & 0xff);
  }
}

/** The next byte that the keyboard sends, undefined when it has none. */
export function nextByte(keyboard: Ps2KeyboardState): number | undefined {
  const byte = keyboard.answer.shift() ?? keyboard.queue.shift();
  if (byte !== undefined) keyboard.lastSent = byte;
  return byte;
}

function startCommand(keyboard: Ps2KeyboardState, command: number): void {
  switch (command) {
    case COMMAND_SET_LEDS:
    case COMMAND_SCAN_CODE_SET:
    case COMMAND_TYPEMATIC:
      keyboard.awaiting = command;
      answer(keyboard, ACKNOWLEDGE);
      return;
    case COMMAND_ECHO:
      answer(keyboard, COMMAND_ECHO);
      return;
    case COMMAND_IDENTIFY:
      answer(keyboard, ACKNOWLEDGE, ...IDENTITY);
      return;
    case COMMAND_ENABLE:
      keyboard.queue.length = 0;
      keyboard.scanning = true;
      answer(keyboard, ACKNOWLEDGE);
      return;
    case COMMAND_DISABLE:
      setDefaults(keyboard);
      keyboard.scanning = false;
      answer(keyboard, ACKNOWLEDGE);
      return;
    case COMMAND_DEFAULTS:
      setDefaults(keyboard);
      answer(keyboard, ACKNOWLEDGE);
      return;
    case COMMAND_RESEND:
      answer(keyboard, keyboard.lastSent);
      return;
    case COMMAND_RESET:
      setDefaults(keyboard);
      keyboard.scanning = true;
      keyboard.leds = 0;
      answer(keyboard, ACKNOWLEDGE, SELF_TEST_PASSED);
      return;
    default:
      answer(keyboard, RESEND);
  }
}

function takeParameter(keyboard: Ps2KeyboardState, command: number, byte: number): void {
  switch (command) {
    case COMMAND_SET_LEDS:
      keyboard.leds = byte & 7;
      answer(keyboard, ACKNOWLEDGE);
      return;
    case COMMAND_TYPEMATIC:
      keyboard.typematic = byte & 0x7f;
      answer(keyboard, ACKNOWLEDGE);
      return;
    default:
      if (byte === 0) {
        answer(keyboard, ACKNOWLEDGE, keyboard.scanCodeSet);
      } else if (byte <= 3) {
        keyboard.scanCodeSet = byte;
        answer(keyboard, ACKNOWLEDGE);
      } else {
        answer(keyboard, RESEND);
      }
  }
}

function setDefaults(keyboard: Ps2KeyboardState): void {
  keyboard.queue.length = 0;
  keyboard.scanCodeSet = DEFAULT_SCAN_CODE_SET;
  keyboard.typematic = DEFAULT_TYPEMATIC;
}

function answer(keyboard: Ps2KeyboardState, ...bytes: number[]): void {
  keyboard.answer = bytes;
}
