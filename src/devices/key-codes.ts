/** Keys of a US keyboard by what is typed, as the scan codes of set 2 that they send (IBM Personal System/2 Hardware Interface Technical Reference). */

/** One press and release, modifiers around it. */
export type Keystroke = readonly number[];

const BREAK = 0xf0;
const EXTENDED = 0xe0;
const SHIFT = 0x12;
const CONTROL = 0x14;

/** Rows of the keyboard: the characters without and with shift, and the codes. */
const ROWS: readonly (readonly [string, string, string])[] = [
  ["`1234567890-=", "~!@#$%^&*()_+", "0e 16 1e 26 25 2e 36 3d 3e 46 45 4e 55"],
  ["qwertyuiop[]\\", "QWERTYUIOP{}|", "15 1d 24 2d 2c 35 3c 43 44 4d 54 5b 5d"],
  ["asdfghjkl;'", 'ASDFGHJKL:"', "1c 1b 23 2b 34 33 3b 42 4b 4c 52"],
  ["zxcvbnm,./", "ZXCVBNM<>?", "1a 22 21 2a 32 31 3a 41 49 4a"],
  [" ", "", "29"],
];

/** Keys that send a control character, and what a terminal sends for those that have none. */
const NAMED: readonly (readonly [string, Keystroke])[] = [
  ["\n", [0x5a]],
  ["\r", [0x5a]],
  ["\t", [0x0d]],
  ["\b", [0x66]],
  ["\x7f", [0x66]],
  ["\x1b[A", [EXTENDED, 0x75]],
  ["\x1b[B", [EXTENDED, 0x72]],
  ["\x1b[C", [EXTENDED, 0x74]],
  ["\x1b[D", [EXTENDED, 0x6b]],
  ["\x1b[H", [EXTENDED, 0x6c]],
  ["\x1b[F", [EXTENDED, 0x69]],
  ["\x1b[2~", [EXTENDED, 0x70]],
  ["\x1b[3~", [EXTENDED, 0x71]],
  ["\x1b[5~", [EXTENDED, 0x7d]],
  ["\x1b[6~", [EXTENDED, 0x7a]],
  ["\x1bOP", [0x05]],
  ["\x1bOQ", [0x06]],
  ["\x1bOR", [0x04]],
  ["\x1bOS", [0x0c]],
  ["\x1b[15~", [0x03]],
  ["\x1b[17~", [0x0b]],
  ["\x1b[18~", [0x83]],
  ["\x1b[19~", [0x0a]],
  ["\x1b[20~", [0x01]],
  ["\x1b[21~", [0x09]],
  ["\x1b[23~", [0x78]],
  ["\x1b[24~", [0x07]],
  ["\x1b", [0x76]],
];

function keys(): Map<string, Keystroke> {
  const map = new Map<string, Keystroke>();
  for (const [plain, shifted, text] of ROWS) {
    const codes = text.split(" ").map((code) => Number.parseInt(code, 16));
    for (const [n, code] of codes.entries()) {
      const character = plain[n] as string;
      map.set(character, pressed([code]));
      if (shifted[n] !== undefined) map.set(shifted[n], held(SHIFT, [code]));
      const control = character.charCodeAt(0) & 0x1f;
      if (/[a-z[\]\\]/.test(character)) map.set(String.fromCharCode(control), held(CONTROL, [code]));
    }
  }
  // Enter, tabulator, backspace and escape are also control with a letter; here they are the keys of that name.
  for (const [text, code] of NAMED) map.set(text, pressed(code));
  return map;
}

const pressed = (code: Keystroke): Keystroke => [...code, ...released(code)];
const released = (code: Keystroke): Keystroke =>
  code[0] === EXTENDED ? [EXTENDED, BREAK, ...code.slice(1)] : [BREAK, ...code];
const held = (modifier: number, code: Keystroke): Keystroke => [modifier, ...pressed(code), BREAK, modifier];

const KEYS: ReadonlyMap<string, Keystroke> = keys();

/** Longest sequence that stands for one key. */
const LONGEST = Math.max(...[...KEYS.keys()].map((text) => text.length));

/**
 * The keys that type a text: letters, digits and signs of a US keyboard, \n or \r for Enter, control characters as Control with a letter, and the escape
 * sequences that terminals send for arrows and function keys. What no key types is left out.
 */
export function keystrokesOf(text: string): Keystroke[] {
  const strokes: Keystroke[] = [];
  for (let at = 0; at < text.length; ) {
    let length = Math.min(LONGEST, text.length - at);
    while (length > 1 && !KEYS.has(text.slice(at, at + length))) length--;
    const stroke = KEYS.get(text.slice(at, at + length));
    if (stroke !== undefined) strokes.push(stroke);
    at += length;
  }
  return strokes;
}
