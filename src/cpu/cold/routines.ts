/** What the slow path of a load is told besides its bytes: the instruction will store there too; it is the first half of 8 bytes. */
export const LoadIntent = { write: 0x100, quad: 0x200 } as const;

/** What the slow path of a vector's load or store is told besides its bytes: #GP(0) unless aligned to 16 bytes; a store. */
export const WideAccess = { aligned: 0x100, store: 0x200 } as const;

/** Function indices of the imports and common routines that handlers call. */
export interface Routines {
  /** (linear, bytes | LoadIntent bits, op) → value; sets FAULT. */
  readonly slowLoad: number;
  /** (linear, value, bytes, op); sets FAULT. */
  readonly slowStore: number;
  /** (linear, bytes | WideAccess bits, op): 4, 8 or 16 bytes of a vector from or to WIDE; sets FAULT. */
  readonly slowWide: number;
  /** (op, segment record, offset, bytes, permission) → linear; sets FAULT. */
  readonly segmentAddress: number;
  /** (op, vector): a processor exception; sets FAULT. */
  readonly raise: number;
  /** (eip): continues at an EIP by look-up. */
  readonly goto: number;
  /** (op): branch taken whose link is not known, and the same for falling through. */
  readonly unlinkedTaken: number;
  readonly unlinkedFallThrough: number;
  /** (op): branch taken with 16-bit operand size: EIP is cut to 16 bits, never linked. */
  readonly taken16: number;
  /** (op): the burst cannot take the whole block `op`: leaves. */
  readonly short: number;
  readonly handlerType: number;
}
