/**
 * A decoded micro-operation: OP_SIZE bytes in the arena, followed in memory by the next one of its block. An instruction is one
 * micro-operation, or an address micro-operation and one that uses its result.
 */
export const OP_SIZE = 32;

/** Slot of the handler in the handler table. */
export const OP_HANDLER = 0;
/** Immediate; for branches the target as byte offset from the start of the running page (may lie outside it). */
export const OP_IMM = 4;
/** Displacement of the address; for branches the link of the fall-through. */
export const OP_DISP = 8;
/** For branches the micro-op that the target block begins with, 0 while unknown; for helpers the helper's number. */
export const OP_LINK = 12;
/** Byte offsets of registers in the register file; both together, in branches: the frame that the block begins in. */
export const OP_DST = 16;
export const OP_SRC = 18;
export const OP_BASE = 20;
export const OP_INDEX = 22;
/** Byte offset of the segment record. */
export const OP_SEG = 24;
/** Where in its page the instruction begins. */
export const OP_PAGE_OFFSET = 26;
/** Instruction length in bytes. */
export const OP_LENGTH = 28;
/** Scale (shift count) of the index. */
export const OP_SCALE = 29;
/** Instructions from this one to the end of the block, this one included. In the first op: of the whole block. */
export const OP_REMAINING = 30;

/** Bits of OP_DST of a helper's micro-op, above the ModRM byte. */
export const HELPER_MEMORY = 1 << 8;
export const HELPER_NO_MODRM = 1 << 9;
export const HELPER_BASE_IS_ESP = 1 << 10;
/** Bits of OP_SRC of a helper's micro-op, above the opcode byte. */
export const HELPER_OPERAND32 = 1 << 8;
export const HELPER_ADDRESS32 = 1 << 9;
export const HELPER_REPNE = 1 << 10;
export const HELPER_REP = 1 << 11;
/** From here on the mandatory prefix: 0 none, 1 66, 2 F2, 3 F3. */
export const HELPER_PREFIX = 12;

/** How a form's memory operand gets its linear address. */
export const AddressKind = {
  /** No memory operand. */
  none: 0,
  /** base + displacement, flat segment. */
  base: 1,
  /** base + (index << scale) + displacement, flat segment. */
  scaled: 2,
  /** Left in LINEAR (checked address) and TEMP (offset) by a preceding address micro-op. */
  prepared: 3,
} as const;
export type AddressKind = (typeof AddressKind)[keyof typeof AddressKind];
