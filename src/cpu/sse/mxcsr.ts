/** Bits of MXCSR (Intel SDM vol. 1, 10.2.3). Flags have the places of the x87 status word; a flag's mask lies 7 bits higher. */
export const DAZ = 0x0040;
export const MASK_SHIFT = 7;
export const ROUNDING_SHIFT = 13;
export const FTZ = 0x8000;
export const FLAGS = 0x003f;
/** After reset: everything masked, round to nearest. */
export const MXCSR_DEFAULT = 0x1f80;
/** Bits that there are; MXCSR_MASK of the FXSAVE format. */
export const MXCSR_MASK = 0xffff;
