import type { SemanticsContext, VectorBytes, Width } from "../instructions/context.ts";
import type { OpcodeLine, Operand } from "../instructions/line.ts";
import { add, and, type Expr, i32, load, ne, or, select, sub, xor } from "../ir/expr.ts";
import * as L from "../layout.ts";
import { Mode } from "../modes.ts";
import { HandlerCode } from "./handler-code.ts";
import { MemoryAccess } from "./memory-access.ts";
import * as Op from "./micro-op.ts";
import {
  isEncodedRegister,
  isImmediate,
  isMemoryOperand,
  LOAD_KIND,
  operandWidth,
  STORE_KIND,
} from "./operands.ts";
import type { Routines } from "./routines.ts";
import { isMmxRegister, registerOffset, VECTOR_LOAD, VECTOR_STORE, vectorBytes } from "./vector-operands.ts";

/** TOP in the x87 status word. */
const X87_TOP = 0x3800;

/** One form of an opcode line: what a handler is generated for. */
export interface Form {
  readonly width: Width;
  readonly addressWidth: 16 | 32;
  readonly address: Op.AddressKind;
  /** All segments are flat (FS and GS aside), and the stack segment is 32 bits wide. */
  readonly flatStack: boolean;
  /** Nothing can see the arithmetic flags that this instruction leaves. */
  readonly flagsDead: boolean;
}

/** Turns the semantics of one form into the statements of its handler. */
export class ColdContext extends HandlerCode implements SemanticsContext {
  readonly width: Width;
  /** What the semantics turned out to use; decides which variants of the handler exist. */
  usesFlatness = false;
  usesAddressWidth = false;
  usesOperandAddress = false;
  setsFlags = false;
  private memoryAddress: Expr | undefined;
  private line: OpcodeLine;
  private form: Form;
  /** Flags set earlier in the same handler: a branch fused to the instruction that sets them need not load them back. */
  private known: { readonly zr?: Expr; readonly sp?: Expr; readonly aux?: Expr } = {};
  private readonly memory: MemoryAccess;
  /** What is generated is the ordinary case, ahead of a helper. */
  private readonly trying: boolean;

  constructor(line: OpcodeLine, form: Form, routines: Routines) {
    super(routines);
    this.line = line;
    this.form = form;
    this.width = form.width;
    this.trying = line.semantics === undefined && line.fast !== undefined;
    this.memory = new MemoryAccess(this, routines, { aligned: line.unaligned !== true, trying: this.trying });
  }

  get addressWidth(): 16 | 32 {
    this.usesAddressWidth = true;
    return this.form.addressWidth;
  }

  /** Runs the line's semantics and returns the code entry. */
  generate(): Uint8Array {
    (this.line.semantics ?? this.line.fast)?.(this);
    if (!this.trying && this.line.operands.some(({ code }) => isMmxRegister(code, this.inMemory)))
      this.enterMmx();
    if (!this.ended) this.next();
    return this.print();
  }

  /**
   * The same for two instructions in a row, the second a conditional branch: one handler, started at the first one's micro-op. The first must
   * not write memory (its store could drop the code of the second).
   */
  generateFused(branch: OpcodeLine): Uint8Array {
    this.line.semantics?.(this);
    if (this.ended) throw new Error(`${this.line.mnemonic} ends its handler and cannot be fused`);
    this.op = this.let(add(this.op, i32(Op.OP_SIZE)));
    this.line = branch;
    this.form = { ...this.form, width: 32, address: Op.AddressKind.none };
    (this as { width: Width }).width = 32;
    branch.semantics?.(this);
    return this.print();
  }

  operandKind(n: number): "reg" | "mem" | "imm" {
    const code = this.operand(n).code;
    if (isImmediate(code)) return "imm";
    return isMemoryOperand(code, this.inMemory) ? "mem" : "reg";
  }

  read(n: number): Expr {
    const operand = this.operand(n);
    const width = operandWidth(operand.code, this.width);
    switch (this.operandKind(n)) {
      case "imm":
        if (operand.code === "1") return i32(1);
        return this.let(width === 32 ? this.imm() : and(this.imm(), i32(width === 8 ? 0xff : 0xffff)));
      case "mem":
        this.usesOperandAddress = true;
        return this.memory.load(this.operandAddress(), width, operand.access === "rw");
      case "reg":
        return this.let(load(LOAD_KIND[width], this.registerAddress(n)));
    }
  }

  write(n: number, value: Expr): void {
    const width = operandWidth(this.operand(n).code, this.width);
    if (this.operandKind(n) === "mem") {
      this.usesOperandAddress = true;
      this.memory.store(this.operandAddress(), width, value);
    } else {
      this.put(STORE_KIND[width], this.registerAddress(n), 0, value);
    }
  }

  vectorBytes(n: number): VectorBytes {
    return vectorBytes(this.operand(n).code);
  }

  readVector(n: number): Expr {
    const bytes = this.vectorBytes(n);
    if (this.operandKind(n) === "reg") return this.let(load(VECTOR_LOAD[bytes], this.registerAddress(n)));
    this.usesOperandAddress = true;
    return this.memory.loadVector(this.operandAddress(), bytes);
  }

  writeVector(n: number, value: Expr): void {
    const bytes = this.vectorBytes(n);
    if (this.operandKind(n) === "mem") {
      this.usesOperandAddress = true;
      this.memory.storeVector(this.operandAddress(), bytes, value);
      return;
    }
    const register = this.let(this.registerAddress(n));
    this.put(VECTOR_STORE[bytes], register, 0, value);
    this.fillExponent(n, register);
  }

  readVectorWord(n: number, byte: Expr): Expr {
    return this.let(load("u16", add(this.registerAddress(n), byte)));
  }

  writeVectorWord(n: number, byte: Expr, value: Expr): void {
    const register = this.let(this.registerAddress(n));
    this.put("i16", add(register, byte), 0, value);
    this.fillExponent(n, register);
  }

  emptyMmx(): void {
    this.setStack(0xff);
  }

  effectiveAddress(): Expr {
    return this.form.address === Op.AddressKind.prepared
      ? this.state(L.TEMP)
      : this.let(this.directAddress(this.form.address));
  }

  loadAt(displacement: Expr, width: Width, forWrite = false): Expr {
    return this.memory.load(this.displacedAddress(displacement, width, forWrite ? 3 : 1), width, forWrite);
  }

  loadQuad(): Expr {
    return this.memory.loadQuad(this.displacedAddress(i32(0), 32, 3));
  }

  storeAt(displacement: Expr, width: Width, value: Expr): void {
    this.memory.store(this.displacedAddress(displacement, width, 2), width, value);
  }

  imm(n = 0): Expr {
    if (n !== 0) throw new Error(`${this.line.mnemonic}: second immediates are for helpers`);
    return this.field32(Op.OP_IMM);
  }

  reg(index: number, width: Width): Expr {
    return this.let(load(LOAD_KIND[width], i32(0), registerOffset(index, width)));
  }

  setReg(index: number, width: Width, value: Expr): void {
    this.put(STORE_KIND[width], i32(0), registerOffset(index, width), value);
  }

  push(width: 16 | 32, value: Expr): void {
    this.usesFlatness = true;
    const bytes = width >> 3;
    const esp = this.state(L.ESP);
    if (this.form.flatStack) {
      const top = this.let(sub(esp, i32(bytes)));
      this.memory.store(top, width, value);
      this.setState(L.ESP, top);
      return;
    }
    const mask = this.stackMask();
    const offset = this.let(and(sub(esp, i32(bytes)), mask));
    const linear = this.segmentAddress(i32(L.SEG_SS), offset, bytes, 2);
    this.memory.store(linear, width, value);
    this.setState(L.ESP, or(and(esp, xor(mask, i32(-1))), offset));
  }

  peek(width: 16 | 32): Expr {
    return this.peekAt(this.state(L.ESP), width);
  }

  peekAt(pointer: Expr, width: 16 | 32): Expr {
    this.usesFlatness = true;
    if (this.form.flatStack) return this.memory.load(pointer, width, false);
    const offset = this.let(and(pointer, this.stackMask()));
    return this.memory.load(this.segmentAddress(i32(L.SEG_SS), offset, width >> 3, 1), width, false);
  }

  adjustStack(bytes: Expr): void {
    this.usesFlatness = true;
    const esp = this.state(L.ESP);
    if (this.form.flatStack) {
      this.setState(L.ESP, add(esp, bytes));
      return;
    }
    const mask = this.stackMask();
    this.setState(L.ESP, or(and(esp, xor(mask, i32(-1))), and(add(esp, bytes), mask)));
  }

  setFlags(zr: Expr, sp: Expr, aux: Expr): void {
    this.setsFlags = true;
    if (this.form.flagsDead) return;
    this.known = { zr: this.let(zr), sp: this.let(sp), aux: this.let(aux) };
    this.setState(L.FLAG_ZR, this.known.zr as Expr);
    this.setState(L.FLAG_SP, this.known.sp as Expr);
    this.setState(L.FLAG_AUX, this.known.aux as Expr);
  }

  setAux(aux: Expr): void {
    this.setsFlags = true;
    if (this.form.flagsDead) return;
    this.known = { ...this.known, aux: this.let(aux) };
    this.setState(L.FLAG_AUX, this.known.aux as Expr);
  }

  flagZr(): Expr {
    return this.known.zr ?? this.state(L.FLAG_ZR);
  }
  flagSp(): Expr {
    return this.known.sp ?? this.state(L.FLAG_SP);
  }
  flagAux(): Expr {
    return this.known.aux ?? this.state(L.FLAG_AUX);
  }

  finish(): void {
    this.skip(2);
  }

  override when(condition: Expr, then: () => void, otherwise?: () => void): void {
    const { known } = this;
    // The address must exist on both sides of the join.
    if (this.inMemory) this.operandAddress();
    super.when(condition, then, () => {
      this.known = known;
      otherwise?.();
    });
    // What either side set is not known after the join.
    if (!this.ended) this.known = {};
  }

  nextEip(): Expr {
    return this.let(
      add(
        load("i32", i32(0), L.PC_PAGE),
        add(load("u16", this.op, Op.OP_PAGE_OFFSET), load("u8", this.op, Op.OP_LENGTH)),
      ),
    );
  }

  branchTarget(): Expr {
    return this.let(add(this.state(L.PC_PAGE), this.field32(Op.OP_IMM)));
  }

  demandTarget(eip: Expr): void {
    this.usesFlatness = true;
    // A flat stack goes with a flat code segment.
    if (this.form.flatStack) return;
    this.segmentAddress(i32(L.SEG_CS), this.let(this.width === 16 ? and(eip, i32(0xffff)) : eip), 1, 0);
  }

  branch(condition?: Expr): void {
    const taken = () => {
      this.demandTarget(this.branchTarget());
      if (this.width === 16) this.tail(this.routines.taken16, this.op);
      else this.follow(Op.OP_LINK, this.routines.unlinkedTaken);
    };
    if (condition === undefined) taken();
    else {
      this.when(condition, taken, () => this.follow(Op.OP_DISP, this.routines.unlinkedFallThrough));
    }
    this.ended = true;
  }

  override jumpTo(eip: Expr): void {
    super.jumpTo(this.width === 16 ? and(eip, i32(0xffff)) : eip);
  }

  /** The r/m operand is in memory. */
  private get inMemory(): boolean {
    return this.form.address !== Op.AddressKind.none;
  }

  /** What is written to an MMX register reads as a NaN or infinity from the x87. */
  private fillExponent(n: number, register: Expr): void {
    if (isMmxRegister(this.operand(n).code, false)) this.put("i16", register, 8, i32(0xffff));
  }

  /** Any MMX instruction marks all of the x87 stack as in use and makes register 0 its top (SDM vol. 1, 9.5). */
  private enterMmx(): void {
    this.setStack(0);
  }

  private setStack(empty: number): void {
    this.setState(L.FPU_STATUS, and(this.state(L.FPU_STATUS), i32(~X87_TOP)));
    this.setState(L.FPU_EMPTY, i32(empty));
  }

  private operand(n: number): Operand {
    const operand = this.line.operands[n];
    if (operand === undefined) throw new Error(`${this.line.mnemonic} has no operand ${n}`);
    return operand;
  }

  /** Address in the register file of register operand n: first encoded register in DST, second in SRC. */
  private registerAddress(n: number): Expr {
    const code = this.operand(n).code;
    if (code === "AL" || code === "AX") return i32(L.EAX);
    if (code === "CL") return i32(L.ECX);
    if (code === "DX") return i32(L.EDX);
    let encodedBefore = 0;
    const memory = this.inMemory;
    for (let k = 0; k < n; k++) if (isEncodedRegister(this.operand(k).code, memory)) encodedBefore++;
    return this.field16(encodedBefore === 0 ? Op.OP_DST : Op.OP_SRC);
  }

  private operandAddress(): Expr {
    if (this.memoryAddress === undefined) {
      this.memoryAddress =
        this.form.address === Op.AddressKind.prepared
          ? this.state(L.LINEAR)
          : this.let(this.directAddress(this.form.address));
    }
    return this.memoryAddress;
  }

  private displacedAddress(displacement: Expr, width: Width, permission: number): Expr {
    if (this.form.address !== Op.AddressKind.prepared)
      return this.let(add(this.operandAddress(), displacement));
    const sum = add(this.state(L.TEMP), displacement);
    const offset = this.let(this.form.addressWidth === 16 ? and(sum, i32(0xffff)) : sum);
    this.usesAddressWidth = true;
    return this.segmentAddress(this.let(this.field16(Op.OP_SEG)), offset, width >> 3, permission);
  }

  private stackMask(): Expr {
    const wide = ne(and(this.state(L.MODE), i32(Mode.stack32)), i32(0));
    return this.let(select(wide, i32(-1), i32(0xffff)));
  }
}
