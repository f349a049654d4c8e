import type { Expr } from "../ir/expr.ts";

/** Operand width in bits. */
export type Width = 8 | 16 | 32;
/** Bytes of a vector operand. */
export type VectorBytes = 4 | 8 | 16;

/**
 * What the semantics of an instruction are written against. One call of a semantics function describes one form (opcode
 * line, operand width, operand kinds); the context turns operand reads into trees (fetched from the micro-op in the cold
 * tier, constants in a compiled tier) and collects statements.
 *
 * Values: every i32 that stands for a guest value of `width` bits is ZERO-EXTENDED to 32 bits. Context and semantics both
 * keep to that: `read` returns zero-extended values and `write` masks nothing (a narrow store drops the rest by itself).
 *
 * Faults: a memory access that faults abandons the instruction there and then, so do all accesses before changing any
 * register or flag. Between two guest stores of one instruction use `probeWrite` for the second before the first.
 */
export interface SemanticsContext {
  /** Operand width of this form, from the table line and the operand-size prefix. */
  readonly width: Width;
  /** Width of the address (selects CX or ECX for LOOP, JCXZ). */
  readonly addressWidth: 16 | 32;

  /** Kind of operand n in this form (0 = first, the destination). */
  operandKind(n: number): "reg" | "mem" | "imm";
  /**
   * Value of operand n, zero-extended from its width. A memory operand is loaded at its own width; where the table says
   * the operand is written too, the load already demands write access. Evaluated once into a local, at the call.
   */
  read(n: number): Expr;
  /** Writes operand n. A memory operand must have been declared as written in the table. */
  write(n: number, value: Expr): void;
  /** Offset part of the effective address of the memory operand, without segment base (LEA, bit-test displacement). */
  effectiveAddress(): Expr;
  /** Loads from the memory operand's address plus `displacement` bytes (far pointers, BT with register offset, CMPXCHG8B). */
  loadAt(displacement: Expr, width: Width, forWrite?: boolean): Expr;
  /** Loads the first doubleword of an operand of 8 bytes that will be written, and is checked for their alignment. */
  loadQuad(): Expr;
  storeAt(displacement: Expr, width: Width, value: Expr): void;
  /** Immediate number n of the encoding, sign-extended where the table line says so, as i32. */
  imm(n?: number): Expr;

  /** Bytes of vector operand n: 16, 8 (MMX registers, too) or 4. */
  vectorBytes(n: number): VectorBytes;
  /**
   * Vector operand n as v128, zero above its bytes, in a local. 16 bytes in memory must be aligned, unless the line says otherwise, or
   * #GP(0) is raised.
   */
  readVector(n: number): Expr;
  /**
   * Writes vector operand n from the low bytes of a v128, as many as it has; the rest of an XMM register stays. After an instruction
   * with MMX operands the x87 stack is full and its top is 0.
   */
  writeVector(n: number, value: Expr): void;
  /** The 16 bits at so many bytes from the beginning of vector register n (PEXTRW, PINSRW). */
  readVectorWord(n: number, byte: Expr): Expr;
  writeVectorWord(n: number, byte: Expr, value: Expr): void;
  /** EMMS: the x87 stack is empty, its top 0. */
  emptyMmx(): void;

  /** General register by number (8-bit numbering: 4..7 are AH CH DH BH). */
  reg(index: number, width: Width): Expr;
  setReg(index: number, width: Width, value: Expr): void;

  /** Pushes at operand-size `width` (16 or 32) honouring SS.B; writes memory first, then (E)SP. */
  push(width: 16 | 32, value: Expr): void;
  /** The value on top of the stack; does not move (E)SP. */
  peek(width: 16 | 32): Expr;
  /** The value at SS:pointer, the pointer masked to 16 bits unless SS.B (LEAVE: the frame must be read before ESP moves). */
  peekAt(pointer: Expr, width: 16 | 32): Expr;
  /** Adds bytes to (E)SP honouring SS.B. */
  adjustStack(bytes: Expr): void;

  /** i32 word of the register file at a byte offset of layout.ts. */
  state(offset: number): Expr;
  setState(offset: number, value: Expr): void;

  /**
   * The three words of the lazy arithmetic flags (see layout.ts). `setFlags` is dropped when the block overwrites them before
   * anything can see them, so nothing else may hang on its being executed.
   */
  setFlags(zr: Expr, sp: Expr, aux: Expr): void;
  /** Replaces CF, OF and AF only. */
  setAux(aux: Expr): void;
  flagZr(): Expr;
  flagSp(): Expr;
  flagAux(): Expr;

  /** In `fast` semantics: the instruction is done, its helper is passed over. */
  finish(): void;

  /** Evaluates now, into a local; use wherever a tree is needed twice or must be read before a write. */
  let(value: Expr): Expr;
  /** A mutable local, for values joined after `when`. */
  variable(initial: Expr): { get(): Expr; set(value: Expr): void };
  when(condition: Expr, then: () => void, otherwise?: () => void): void;

  /** EIP of the next instruction. */
  nextEip(): Expr;
  /** EIP that `branch` goes to. */
  branchTarget(): Expr;
  /** #GP(0) when an EIP (masked to 16 bits when width is 16) lies beyond the limit of CS. Before anything has changed. */
  demandTarget(eip: Expr): void;
  /**
   * Ends the block: direct near branch of this instruction's immediate displacement if `condition` holds (always when undefined). It
   * demands its target itself; what is changed before needs that done ahead.
   */
  branch(condition?: Expr): void;
  /** Ends the block: near jump to an EIP known only at run time (masked to 16 bits when width is 16). */
  jumpTo(eip: Expr): void;

  /** Raises a processor exception without error code (vector 0 #DE, 4 #OF, 5 #BR, 6 #UD) if `condition` holds. */
  raiseIf(condition: Expr, vector: number): void;
}

/** Semantics of one table line. */
export type Semantics = (c: SemanticsContext) => void;
