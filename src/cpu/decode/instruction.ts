import type { OpcodeLine } from "../instructions/line.ts";

/** One decoded instruction. The decoder fills one reused record; nothing here is kept per instruction. */
export interface Instruction {
  line: OpcodeLine;
  /** Bytes, prefixes included. At most 15. */
  length: number;
  /** Last opcode byte (after 0F, if any). */
  opcode: number;
  /** Operand-size attribute in bits, after prefix. */
  operandSize: 16 | 32;
  addressSize: 16 | 32;
  /** Width of the line's operands that follow "b" or "v" rules: 8, 16 or 32. */
  width: 8 | 16 | 32;
  /** 0, 0xf2 or 0xf3: the last of the repeat prefixes. */
  rep: number;
  lock: boolean;
  /** ModRM byte, -1 when the line has none. */
  modrm: number;
  /** True when an operand is in memory (ModRM with mod != 3, or a moffs operand). */
  memory: boolean;
  /** Address: register numbers 0..7 or -1; 16-bit forms use the same fields (BX+SI: base 3, index 6, scale 0). */
  base: number;
  index: number;
  scale: number;
  /** Sign-extended to 32 bits. */
  displacement: number;
  /** Segment of the memory operand in encoding order (0 ES 1 CS 2 SS 3 DS 4 FS 5 GS), override or default. */
  segment: number;
  /**
   * First and second immediate, as i32: branch displacements sign-extended, everything else zero-extended from its width (which for a byte
   * that is sign-extended to the operand size is the operand size). Far pointer: offset, selector.
   */
  immediate: number;
  immediate2: number;
}
