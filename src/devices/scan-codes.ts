/** The prefix by which set 2 tells that a key was released. */
const BREAK_PREFIX = 0xf0;
/** The bit by which set 1 tells it. */
const BREAK_BIT = 0x80;

/**
 * The 8042's translation of scan codes from set 2, which keyboards send, to set 1, which software for the first PC
 * expected: the codes 0x00 to 0x7F in rows of sixteen (IBM Personal System/2 Hardware Interface Technical Reference).
 */
const SET_1_CODES = [
  "ff 43 41 3f 3d 3b 3c 58 64 44 42 40 3e 0f 29 59",
  "65 38 2a 70 1d 10 02 5a 66 71 2c 1f 1e 11 03 5b",
  "67 2e 2d 20 12 05 04 5c 68 39 2f 21 14 13 06 5d",
  "69 31 30 23 22 15 07 5e 6a 72 32 24 16 08 09 5f",
  "6b 33 25 17 18 0b 0a 60 6c 34 35 26 27 19 0c 61",
  "6d 73 28 74 1a 0d 62 6e 3a 36 1c 1b 75 2b 63 76",
  "55 56 77 78 79 7a 0e 7b 7c 4f 7d 4b 47 7e 7f 6f",
  "52 53 50 4c 4d 48 01 45 57 4e 51 4a 37 49 46 54",
].flatMap((row) => row.split(" ").map((code) => Number.parseInt(code, 16)));

/** The two codes above 0x7F that a keyboard has keys for: F7, and Print Screen with Alt. */
const HIGH_CODES: ReadonlyMap<number, number> = new Map([
  [0x83, 0x41],
  [0x84, 0x54],
]);

/**
 * One byte of set 2 in set 1. The break prefix gives no byte (`code` -1) but sets the break bit of the next one; bytes
 * that are no key (acknowledges, prefixes, test results) pass unchanged.
 */
export function translateToSet1(
  byte: number,
  isBreak: boolean,
): { readonly code: number; readonly breakNext: boolean } {
  if (byte === BREAK_PREFIX) return { code: -1, breakNext: true };
  const code = SET_1_CODES[byte] ?? HIGH_CODES.get(byte) ?? byte;
  return { code: isBreak ? code | BREAK_BIT : code, breakNext: false };
}
