import { type Gpa, NO_FRAME } from "../mmu/address.ts";
import type { GuestMemory } from "../mmu/guest-memory.ts";

/** Colour text mode 3: 80 by 25 cells of a character and an attribute byte. */
const TEXT_MEMORY = 0xb8000;
const TEXT_BYTES = 0x8000;
const COLUMNS = 80;
const ROWS = 25;

/** Code page 437, the characters of PC text modes, from 0 on in rows of 32. */
const CHARACTERS = [
  " \u263a\u263b\u2665\u2666\u2663\u2660\u2022\u25d8\u25cb\u25d9\u2642\u2640\u266a\u266b\u263c\u25ba\u25c4\u2195\u203c\u00b6\u00a7\u25ac\u21a8\u2191\u2193\u2192\u2190\u221f\u2194\u25b2\u25bc",
  " !\"#$%&'()*+,-./0123456789:;<=>?",
  "@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_",
  "`abcdefghijklmnopqrstuvwxyz{|}~\u2302",
  "\u00c7\u00fc\u00e9\u00e2\u00e4\u00e0\u00e5\u00e7\u00ea\u00eb\u00e8\u00ef\u00ee\u00ec\u00c4\u00c5\u00c9\u00e6\u00c6\u00f4\u00f6\u00f2\u00fb\u00f9\u00ff\u00d6\u00dc\u00a2\u00a3\u00a5\u20a7\u0192",
  "\u00e1\u00ed\u00f3\u00fa\u00f1\u00d1\u00aa\u00ba\u00bf\u2310\u00ac\u00bd\u00bc\u00a1\u00ab\u00bb\u2591\u2592\u2593\u2502\u2524\u2561\u2562\u2556\u2555\u2563\u2551\u2557\u255d\u255c\u255b\u2510",
  "\u2514\u2534\u252c\u251c\u2500\u253c\u255e\u255f\u255a\u2554\u2569\u2566\u2560\u2550\u256c\u2567\u2568\u2564\u2565\u2559\u2558\u2552\u2553\u256b\u256a\u2518\u250c\u2588\u2584\u258c\u2590\u2580",
  "\u03b1\u00df\u0393\u03c0\u03a3\u03c3\u00b5\u03c4\u03a6\u0398\u03a9\u03b4\u221e\u03c6\u03b5\u2229\u2261\u00b1\u2265\u2264\u2320\u2321\u00f7\u2248\u00b0\u2219\u00b7\u221a\u207f\u00b2\u25a0 ",
].join("");

/** Where the cursor is on the screen; both from 0. */
export interface ScreenCursor {
  readonly row: number;
  readonly column: number;
}

/** `start` and `cursor` in cells; undefined when it is switched off or not on the screen. */
export function screenCursor(start: number, cursor: number | undefined): ScreenCursor | undefined {
  if (cursor === undefined) return undefined;
  const cell = (cursor - start + TEXT_BYTES / 2) % (TEXT_BYTES / 2);
  return cell < COLUMNS * ROWS ? { row: Math.floor(cell / COLUMNS), column: cell % COLUMNS } : undefined;
}

/**
 * The text on the screen, a string a row with spaces at its end cut off; undefined when the vm has no video memory. `start`: of the first character,
 * in cells; the text memory goes round.
 */
export function screenRows(memory: GuestMemory, start = 0): string[] | undefined {
  if (memory.p2m.lookup(TEXT_MEMORY >>> 12) === NO_FRAME) return undefined;
  const bytes = memory.readBytes(TEXT_MEMORY as Gpa, TEXT_BYTES);
  return Array.from({ length: ROWS }, (_, row) => {
    let text = "";
    for (let column = 0; column < COLUMNS; column++)
      text += CHARACTERS[bytes[((start + row * COLUMNS + column) * 2) % TEXT_BYTES] as number];
    return text.trimEnd();
  });
}
