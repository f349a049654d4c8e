import * as L from "../layout.ts";

const NONE = 0x80;

/** Writes the tables of byte numbers that layout.ts tells of. */
export function fillSwizzles(memory: Uint8Array): void {
  for (let immediate = 0; immediate < 256; immediate++) {
    for (let place = 0; place < 16; place++) {
      const at = immediate * 16 + place;
      const dword = (immediate >> (2 * (place >> 2))) & 3;
      memory[L.SHUFFLE_DWORDS + at] = dword * 4 + (place & 3);
      const word = ((immediate >> (2 * ((place >> 1) & 3))) & 3) * 2 + (place & 1);
      memory[L.SHUFFLE_LOW_WORDS + at] = place < 8 ? word : place;
      memory[L.SHUFFLE_HIGH_WORDS + at] = place < 8 ? place : 8 + word;
    }
  }
  for (let n = 0; n < 48; n++) memory[L.BYTE_SHIFTS + n] = n >= 16 && n < 32 ? n - 16 : NONE;
}
