/** Bits of the status word (Intel SDM vol. 1, 8.1.3). The exception bits have the same places as their masks in the control word. */
export const IE = 0x0001;
export const DE = 0x0002;
export const ZE = 0x0004;
export const OE = 0x0008;
export const UE = 0x0010;
export const PE = 0x0020;
/** Stack fault. */
export const SF = 0x0040;
/** Error summary: an unmasked exception is pending. */
export const ES = 0x0080;
export const C0 = 0x0100;
export const C1 = 0x0200;
export const C2 = 0x0400;
export const C3 = 0x4000;
/** Busy: a copy of ES since the 80387. */
export const BUSY = 0x8000;
export const EXCEPTIONS = 0x003f;
export const TOP_SHIFT = 11;
export const TOP = 7 << TOP_SHIFT;
export const CONDITION = C0 | C2 | C3;

/** Rounding control (control word bits 10-11). */
export const Rounding = { nearest: 0, down: 1, up: 2, zero: 3 } as const;
export type Rounding = (typeof Rounding)[keyof typeof Rounding];

/** Control word after FNINIT: all exceptions masked, 64-bit precision, round to nearest. */
export const CONTROL_DEFAULT = 0x037f;
