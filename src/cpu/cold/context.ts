import type { SemanticsContext, VectorBytes, Width } from "../instructions/context.ts";
import type { OpcodeLine, Operand } from "../instructions/line.ts";
import {
  add,
  and,
  type Expr,
  eq,
  i32,
  type LoadKind,
  load,
  ltS,
  ne,
  or,
  type Stmt,
  type StoreKind,
  select,
  shl,
  shrU,
  sub,
} from "../ir/expr.ts";
import { FunctionPrinter } from "../ir/printer.ts";
import * as L from "../layout.ts";
import { Mode } from "../modes.ts";
import * as Op from "./micro-op.ts";
import { isMmxRegister, registerOffset, VECTOR_LOAD, VECTOR_STORE, vectorBytes } from "./vector-operands.ts";

/** TOP in the x87 status word. */
const X87_TOP = 0x3800;

/** Function indices of the imports and common routines that handlers call. */
export interface Routines {
  /** (linear, bytes | forWrite << 8, op) → value; sets FAULT. */
  readonly slowLoad: number;
  /** (linear, value, bytes, op); sets FAULT. */
  readonly slowStore: number;
  /** (linear, bytes | aligned << 8, op) the same for 4, 8 and 16 bytes of vectors, which pass in WIDE; set FAULT. */
  readonly slowLoadWide: number;
  readonly slowStoreWide: number;
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

/** One form of an opcode line: what a handler is generated for. */
export interface Form {
  readonly width: Width;
  readonly addressWidth: 16 | 32;
  readonly address: Op.AddressKind;
  /** The stack segment is flat and 32 bits wide. */
  readonly flatStack: boolean;
  /** Nothing can see the arithmetic flags that this instruction leaves. */
  readonly flagsDead: boolean;
}

const LOAD_KIND: Record<Width, LoadKind> = { 8: "u8", 16: "u16", 32: "i32" };
const STORE_KIND: Record<Width, StoreKind> = { 8: "i8", 16: "i16", 32: "i32" };

/** Width in bits of an operand code under a form's width. */
export function operandWidth(code: Operand["code"], width: Width): Width {
  if (code === "AL" || code === "CL" || code === "1") return 8;
  if (code === "AX") return width;
  if (code === "DX") return 16;
  switch (code[1]) {
    case "b":
      return code === "Ibs" ? width : 8;
    case "w":
      return 16;
    case "d":
      return 32;
    default:
      return width;
  }
}

export const isImmediate = (code: Operand["code"]): boolean => code[0] === "I" || code === "1";
/** Operand is a register chosen by the encoding (its offset sits in a field of the micro-op). */
export const isEncodedRegister = (code: Operand["code"], memory: boolean): boolean =>
  ALWAYS_REGISTER.test(code) || (!memory && REGISTER_OR_MEMORY.test(code));
export const isMemoryOperand = (code: Operand["code"], memory: boolean): boolean =>
  code[0] === "O" || code[0] === "M" || code === "BB" || (memory && REGISTER_OR_MEMORY.test(code));
const ALWAYS_REGISTER = /^[GZRPNVU]/;
const REGISTER_OR_MEMORY = /^[EQW]/;

/** Turns the semantics of one form into the statements of its handler. The handler's parameter is the micro-op's address. */
export class ColdContext implements SemanticsContext {
  readonly width: Width;
  op: Expr = { kind: "local", type: "i32", index: 0 };
  readonly printer: FunctionPrinter;
  readonly statements: Stmt[] = [];
  /** What the semantics turned out to use; decides which variants of the handler exist. */
  usesStack = false;
  usesAddressWidth = false;
  usesOperandAddress = false;
  mayFault = false;
  setsFlags = false;
  private sink: Stmt[] = this.statements;
  private ended = false;
  private memoryAddress: Expr | undefined;
  private line: OpcodeLine;
  private form: Form;
  /** Flags set earlier in the same handler: a branch fused to the instruction that sets them need not load them back. */
  private known: { readonly zr?: Expr; readonly sp?: Expr; readonly aux?: Expr } = {};
  private readonly routines: Routines;
  /** What is generated is the ordinary case, ahead of a helper. */
  private readonly trying: boolean;

  constructor(line: OpcodeLine, form: Form, routines: Routines) {
    this.line = line;
    this.form = form;
    this.routines = routines;
    this.width = form.width;
    this.trying = line.semantics === undefined && line.fast !== undefined;
    this.printer = new FunctionPrinter(1, routines.handlerType);
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
    return this.printer.print(this.statements);
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
    return this.printer.print(this.statements);
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
        return this.loadLinear(this.operandAddress(), width, operand.access === "rw");
      case "reg":
        return this.let(load(LOAD_KIND[width], this.registerAddress(n)));
    }
  }

  write(n: number, value: Expr): void {
    const width = operandWidth(this.operand(n).code, this.width);
    if (this.operandKind(n) === "mem") {
      this.usesOperandAddress = true;
      this.storeLinear(this.operandAddress(), width, value);
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
    return this.loadWide(this.operandAddress(), bytes);
  }

  writeVector(n: number, value: Expr): void {
    const bytes = this.vectorBytes(n);
    if (this.operandKind(n) === "mem") {
      this.usesOperandAddress = true;
      this.storeWide(this.operandAddress(), bytes, value);
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
    return this.loadLinear(this.displacedAddress(displacement, width, forWrite ? 3 : 1), width, forWrite);
  }

  storeAt(displacement: Expr, width: Width, value: Expr): void {
    this.storeLinear(this.displacedAddress(displacement, width, 2), width, value);
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
    this.usesStack = true;
    const bytes = width >> 3;
    const esp = this.state(L.ESP);
    if (this.form.flatStack) {
      const top = this.let(sub(esp, i32(bytes)));
      this.storeLinear(top, width, value);
      this.setState(L.ESP, top);
      return;
    }
    const mask = this.stackMask();
    const offset = this.let(and(sub(esp, i32(bytes)), mask));
    const linear = this.segmentAddress(i32(L.SEG_SS), offset, bytes, 2);
    this.storeLinear(linear, width, value);
    this.setState(L.ESP, or(and(esp, this.complement(mask)), offset));
  }

  peek(width: 16 | 32): Expr {
    return this.peekAt(this.state(L.ESP), width);
  }

  peekAt(pointer: Expr, width: 16 | 32): Expr {
    this.usesStack = true;
    if (this.form.flatStack) return this.loadLinear(pointer, width, false);
    const offset = this.let(and(pointer, this.stackMask()));
    return this.loadLinear(this.segmentAddress(i32(L.SEG_SS), offset, width >> 3, 1), width, false);
  }

  adjustStack(bytes: Expr): void {
    this.usesStack = true;
    const esp = this.state(L.ESP);
    if (this.form.flatStack) {
      this.setState(L.ESP, add(esp, bytes));
      return;
    }
    const mask = this.stackMask();
    this.setState(L.ESP, or(and(esp, this.complement(mask)), and(add(esp, bytes), mask)));
  }

  state(offset: number): Expr {
    return this.let(load("i32", i32(0), offset));
  }

  setState(offset: number, value: Expr): void {
    this.put("i32", i32(0), offset, value);
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

  let(value: Expr): Expr {
    if (value.kind === "const" || value.kind === "local") return value;
    const local = this.printer.newLocal(value.type);
    this.sink.push({ kind: "set", index: local.index, value });
    return local;
  }

  variable(initial: Expr): { get(): Expr; set(value: Expr): void } {
    const local = this.printer.newLocal(initial.type);
    this.sink.push({ kind: "set", index: local.index, value: initial });
    return {
      get: () => {
        const copy = this.printer.newLocal(local.type);
        this.sink.push({ kind: "set", index: copy.index, value: local });
        return copy;
      },
      set: (value) => this.sink.push({ kind: "set", index: local.index, value }),
    };
  }

  when(condition: Expr, then: () => void, otherwise?: () => void): void {
    const outer = this.sink;
    const known = this.known;
    // The address must exist on both sides of the join.
    if (this.form.address !== Op.AddressKind.none) this.operandAddress();
    const thenList: Stmt[] = [];
    const elseList: Stmt[] = [];
    this.sink = thenList;
    then();
    const endedThen = this.ended;
    this.ended = false;
    this.sink = elseList;
    this.known = known;
    otherwise?.();
    const endedElse = this.ended;
    this.sink = outer;
    // What either side set is not known after the join.
    if (!endedThen || !endedElse) this.known = {};
    this.sink.push({ kind: "if", condition, then: thenList, else: elseList });
    this.ended = endedThen && endedElse;
  }

  nextEip(): Expr {
    return this.let(
      add(
        load("i32", i32(0), L.PC_PAGE),
        add(load("u16", this.op, Op.OP_PAGE_OFFSET), load("u8", this.op, Op.OP_LENGTH)),
      ),
    );
  }

  branch(condition?: Expr): void {
    const taken = () => {
      if (this.width === 16) {
        this.sink.push({ kind: "tail", callee: this.routines.taken16, argument: this.op });
        this.ended = true;
      } else this.follow(Op.OP_LINK, this.routines.unlinkedTaken);
    };
    if (condition === undefined) taken();
    else {
      this.when(condition, taken, () => this.follow(Op.OP_DISP, this.routines.unlinkedFallThrough));
    }
    this.ended = true;
  }

  jumpTo(eip: Expr): void {
    const target = this.width === 16 ? and(eip, i32(0xffff)) : eip;
    this.sink.push({ kind: "tail", callee: this.routines.goto, argument: target });
    this.ended = true;
  }

  raiseIf(condition: Expr, vector: number): void {
    this.mayFault = true;
    this.sink.push({
      kind: "if",
      condition,
      then: [
        { kind: "call", callee: this.routines.raise, args: [this.op, i32(vector)], drops: false },
        { kind: "return" },
      ],
      else: [],
    });
  }

  /** Ends the handler: continue with the micro-op that follows. */
  next(): void {
    this.skip(1);
  }

  private skip(ops: number): void {
    this.sink.push({
      kind: "dispatch",
      handler: load("i32", this.op, ops * Op.OP_SIZE + Op.OP_HANDLER),
      argument: add(this.op, i32(ops * Op.OP_SIZE)),
    });
    this.ended = true;
  }

  /** Ends the handler: back to JavaScript. */
  leave(): void {
    this.sink.push({ kind: "return" });
    this.ended = true;
  }

  /** Ends the handler: enter the block whose first micro-op the link field names, or resolve it. */
  follow(linkField: number, unlinked: number): void {
    const link = this.let(this.field32(linkField));
    const outer = this.sink;
    const linked: Stmt[] = [];
    this.sink = linked;
    this.enter(link);
    this.sink = outer;
    this.sink.push({ kind: "if", condition: link, then: linked, else: [] });
    this.sink.push({ kind: "tail", callee: unlinked, argument: this.op });
    this.ended = true;
  }

  /** Takes the block's instructions from the budget and dispatches its first micro-op. */
  enter(block: Expr): void {
    const left = this.let(sub(load("i32", i32(0), L.BUDGET), load("u16", block, Op.OP_REMAINING)));
    this.sink.push({
      kind: "if",
      condition: ltS(left, i32(0)),
      then: [{ kind: "tail", callee: this.routines.short, argument: block }],
      else: [],
    });
    this.setState(L.BUDGET, left);
    this.sink.push({ kind: "dispatch", handler: load("i32", block, Op.OP_HANDLER), argument: block });
  }

  /** The address micro-op's own work: base + index + displacement by the form's fields. */
  directAddress(kind: Op.AddressKind): Expr {
    const base = load("i32", load("u16", this.op, Op.OP_BASE));
    const displaced = add(base, this.field32(Op.OP_DISP));
    if (kind === Op.AddressKind.base) return displaced;
    const index = load("i32", load("u16", this.op, Op.OP_INDEX));
    return add(displaced, shl(index, load("u8", this.op, Op.OP_SCALE)));
  }

  field16(offset: number): Expr {
    return load("u16", this.op, offset);
  }
  field32(offset: number): Expr {
    return load("i32", this.op, offset);
  }

  /** Checked linear address of `bytes` bytes at segment:offset; abandons the instruction when the segment refuses. */
  segmentAddress(segment: Expr, offset: Expr, bytes: number | Expr, permission: number | Expr): Expr {
    this.mayFault = true;
    const linear = this.let({
      kind: "call",
      type: "i32",
      callee: this.routines.segmentAddress,
      args: [
        this.op,
        segment,
        offset,
        typeof bytes === "number" ? i32(bytes) : bytes,
        typeof permission === "number" ? i32(permission) : permission,
      ],
    });
    this.abandonOnFault();
    return linear;
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

  private loadLinear(address: Expr, width: Width, forWrite: boolean): Expr {
    this.mayFault = true;
    const linear = this.let(address);
    const bytes = width >> 3;
    const value = this.printer.newLocal("i32");
    const entry = this.tlbEntry(linear);
    const outer = this.sink;
    const miss: Stmt[] = [];
    this.sink = miss;
    this.sink.push({
      kind: "set",
      index: value.index,
      value: {
        kind: "call",
        type: "i32",
        callee: this.routines.slowLoad,
        args: [linear, i32(bytes | (forWrite ? 0x100 : 0)), this.op],
      },
    });
    this.abandonOnFault();
    this.sink = outer;
    this.sink.push({
      kind: "if",
      condition: this.tlbHit(entry, linear, bytes, forWrite ? L.TLB_WRITE : L.TLB_READ),
      then: [
        { kind: "set", index: value.index, value: load(LOAD_KIND[width], this.hostAddress(entry, linear)) },
      ],
      else: miss,
    });
    return value;
  }

  private storeLinear(address: Expr, width: Width, value: Expr): void {
    this.mayFault = true;
    const linear = this.let(address);
    const held = this.let(value);
    const bytes = width >> 3;
    const entry = this.tlbEntry(linear);
    const outer = this.sink;
    const miss: Stmt[] = [];
    this.sink = miss;
    this.sink.push({
      kind: "call",
      callee: this.routines.slowStore,
      args: [linear, held, i32(bytes), this.op],
      drops: false,
    });
    this.abandonOnFault();
    this.sink = outer;
    this.sink.push({
      kind: "if",
      condition: this.tlbHit(entry, linear, bytes, L.TLB_WRITE),
      then: [
        {
          kind: "store",
          access: STORE_KIND[width],
          address: this.hostAddress(entry, linear),
          offset: 0,
          value: held,
        },
      ],
      else: miss,
    });
  }

  private loadWide(address: Expr, bytes: VectorBytes): Expr {
    this.mayFault = true;
    const linear = this.let(address);
    const value = this.printer.newLocal("v128");
    const entry = this.tlbEntry(linear);
    const slow = this.trying ? this.missTrying() : this.wideMiss(this.routines.slowLoadWide, linear, bytes);
    if (!this.trying) slow.push({ kind: "set", index: value.index, value: load("v128", i32(0), L.WIDE) });
    const fast = load(VECTOR_LOAD[bytes], this.hostAddress(entry, linear));
    this.sink.push({
      kind: "if",
      condition: this.wideHit(entry, linear, bytes, L.TLB_READ),
      then: [{ kind: "set", index: value.index, value: fast }],
      else: slow,
    });
    return value;
  }

  private storeWide(address: Expr, bytes: VectorBytes, value: Expr): void {
    this.mayFault = true;
    const linear = this.let(address);
    const held = this.let(value);
    const entry = this.tlbEntry(linear);
    const host = this.hostAddress(entry, linear);
    const spill: Stmt = { kind: "store", access: "v128", address: i32(0), offset: L.WIDE, value: held };
    this.sink.push({
      kind: "if",
      condition: this.wideHit(entry, linear, bytes, L.TLB_WRITE),
      then: [{ kind: "store", access: VECTOR_STORE[bytes], address: host, offset: 0, value: held }],
      else: [spill, ...this.wideMiss(this.routines.slowStoreWide, linear, bytes)],
    });
  }

  private wideMiss(callee: number, linear: Expr, bytes: VectorBytes): Stmt[] {
    const outer = this.sink;
    const miss: Stmt[] = [];
    this.sink = miss;
    const how = bytes | (this.mustAlign(bytes) ? 0x100 : 0);
    this.sink.push({ kind: "call", callee, args: [linear, i32(how), this.op], drops: false });
    this.abandonOnFault();
    this.sink = outer;
    return miss;
  }

  /** The helper comes next, with the slow path. */
  private missTrying(): Stmt[] {
    const outer = this.sink;
    const miss: Stmt[] = [];
    this.sink = miss;
    this.next();
    this.ended = false;
    this.sink = outer;
    return miss;
  }

  private mustAlign(bytes: VectorBytes): boolean {
    return bytes === 16 && this.line.unaligned !== true;
  }

  /** What must be aligned to 16 bytes misses unless it is, and then never crosses a page. */
  private wideHit(entry: Expr, linear: Expr, bytes: VectorBytes, tag: number): Expr {
    if (!this.mustAlign(bytes)) return this.tlbHit(entry, linear, bytes, tag);
    const priv = load("i32", i32(0), L.TLB_PRIV);
    return eq(load("i32", add(entry, priv), L.TLB_BASE + tag), and(linear, i32(0xfffff00f)));
  }

  private tlbEntry(linear: Expr): Expr {
    return this.let(and(shrU(linear, i32(7)), i32((L.TLB_ENTRIES - 1) * L.TLB_ENTRY_SIZE)));
  }

  /** One compare with the page of the LAST byte also sends page-crossing accesses down the slow path. */
  private tlbHit(entry: Expr, linear: Expr, bytes: number, tag: number): Expr {
    const priv = load("i32", i32(0), L.TLB_PRIV);
    return eq(
      load("i32", add(entry, priv), L.TLB_BASE + tag),
      and(add(linear, i32(bytes - 1)), i32(0xfffff000)),
    );
  }

  private hostAddress(entry: Expr, linear: Expr): Expr {
    return add(linear, load("i32", entry, L.TLB_BASE + L.TLB_DELTA));
  }

  private abandonOnFault(): void {
    this.sink.push({
      kind: "if",
      condition: load("i32", i32(0), L.FAULT),
      then: [{ kind: "return" }],
      else: [],
    });
  }

  private stackMask(): Expr {
    const wide = ne(and(this.state(L.MODE), i32(Mode.stack32)), i32(0));
    return this.let(select(wide, i32(-1), i32(0xffff)));
  }

  private complement(mask: Expr): Expr {
    return { kind: "binary", type: "i32", op: "xor", a: mask, b: i32(-1) };
  }

  private put(access: StoreKind, address: Expr, offset: number, value: Expr): void {
    this.sink.push({ kind: "store", access, address, offset, value });
  }
}
