/** The r/m addresses of 16-bit addressing, by ModRM.rm: base, index (-1 none). SDM vol. 2, table 2-1. */
export const BASE_16: Int8Array = Int8Array.of(3, 3, 5, 5, 6, 7, 5, 3);
export const INDEX_16: Int8Array = Int8Array.of(6, 7, 6, 7, -1, -1, -1, -1);

export const SEGMENT_SS = 2;
export const SEGMENT_DS = 3;

/** Default segment by base register: stack for ESP and EBP, data for the others. */
export const SEGMENT_OF_BASE: Uint8Array = Uint8Array.of(3, 3, 3, 3, 2, 2, 3, 3);
