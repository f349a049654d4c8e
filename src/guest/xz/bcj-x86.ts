/**
 * The x86 branch filter ("The .xz File Format", 5.3.2): before compression, the relative target of every CALL (E8) and JMP (E9)
 * was made absolute, because equal targets compress better than equal distances. This makes them relative again, in place.
 *
 * Only operands whose top byte is 00 or FF count as targets, and an opcode-like byte within the three bytes before, which was
 * itself not converted, may forbid the conversion: the rules below must match those of the encoder exactly.
 */

const isTopByte = (byte: number): boolean => byte === 0 || byte === 0xff;

/** For the pattern of opcode-like bytes among the last three: may the next be converted at all? */
const ALLOWED = [true, true, true, false, true, false, false, false];
/** For the same pattern: how many bytes before the operand's end the nearest doubtful operand would have ended. */
const OVERLAP = [0, 1, 2, 2, 3, 3, 3, 3];

export function undoX86Filter(bytes: Uint8Array, startOffset = 0): void {
  const last = bytes.length - 5;
  /** Bit n: the byte n + 1 before `at` looked like an opcode and was left alone. */
  let doubtful = 0;
  let previous = -8;
  let at = 0;
  while (at <= last) {
    if (((bytes[at] as number) & 0xfe) !== 0xe8) {
      at++;
      continue;
    }
    const distance = at - previous;
    previous = at;
    doubtful = distance > 3 ? 0 : (doubtful << (distance - 1)) & 7;
    const overlap = OVERLAP[doubtful] as number;
    const blocked = doubtful !== 0 && (!ALLOWED[doubtful] || isTopByte(bytes[at + 4 - overlap] as number));
    if (blocked || !isTopByte(bytes[at + 4] as number)) {
      doubtful = ((doubtful << 1) & 7) | 1;
      at++;
      continue;
    }
    const next = startOffset + at + 5;
    let operand =
      (bytes[at + 1] as number) |
      ((bytes[at + 2] as number) << 8) |
      ((bytes[at + 3] as number) << 16) |
      ((bytes[at + 4] as number) << 24);
    let relative = (operand - next) | 0;
    // The encoder went on until the overlapping byte no longer looked like a top byte; so must the way back.
    while (doubtful !== 0 && isTopByte((relative >>> (24 - overlap * 8)) & 0xff)) {
      operand = relative ^ ((1 << (32 - overlap * 8)) - 1);
      relative = (operand - next) | 0;
    }
    bytes[at + 1] = relative;
    bytes[at + 2] = relative >>> 8;
    bytes[at + 3] = relative >>> 16;
    bytes[at + 4] = (relative >>> 24) & 1 ? 0xff : 0;
    at += 5;
    // The converted bytes stand between this opcode and the next one, so none of them is in doubt.
    doubtful = 0;
  }
}
