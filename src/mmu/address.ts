/** Branded number types for the address spaces of the system, so that mixing them up does not compile. */

declare const brand: unique symbol;
type Branded<Tag extends string> = number & { readonly [brand]: Tag };

/** Guest-virtual (after segmentation: linear) address, bytes, unsigned 32 bits. */
export type Gva = Branded<"gva">;
/** Guest-physical address, bytes, unsigned. */
export type Gpa = Branded<"gpa">;
/** Host-physical (machine) address, bytes, unsigned. */
export type Hpa = Branded<"hpa">;
/** Guest frame number: gpa >>> 12. */
export type Gfn = Branded<"gfn">;
/** Machine frame number: hpa >>> 12. */
export type Mfn = Branded<"mfn">;

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
export const PAGE_MASK = 0xfffff000;
export const OFFSET_MASK = 0xfff;

export const gfnOf = (gpa: Gpa): Gfn => (gpa >>> PAGE_SHIFT) as Gfn;
export const mfnOf = (hpa: Hpa): Mfn => (hpa >>> PAGE_SHIFT) as Mfn;
export const gpaOf = (gfn: Gfn): Gpa => ((gfn << PAGE_SHIFT) >>> 0) as Gpa;
export const hpaOf = (mfn: Mfn): Hpa => ((mfn << PAGE_SHIFT) >>> 0) as Hpa;

/** Page number of a gfn that no frame backs. */
export const NO_FRAME = -1;
