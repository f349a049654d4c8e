import type { Instruction } from "../../../../src/cpu/decode/instruction.ts";
import type { SemanticsContext, Width } from "../../../../src/cpu/instructions/context.ts";
import type { OperandCode } from "../../../../src/cpu/instructions/line.ts";
import { type Expr, i32, i64, type LoadKind, load } from "../../../../src/cpu/ir/expr.ts";
import * as L from "../../../../src/cpu/layout.ts";
import type { CpuState } from "../../../../src/cpu/state.ts";
import { evaluate32, evaluate64, type ReadWord } from "./evaluate.ts";

/** Flat data memory of the interpreted machine; an access that leaves it throws, as a page fault would. */
export interface DataMemory {
  read(address: number, bytes: 1 | 2 | 4): number;
  write(address: number, bytes: 1 | 2 | 4, value: number): void;
  /** Throws what a write would throw. */
  probe(address: number, bytes: 1 | 2 | 4): void;
}

/** Thrown by an instruction that raises a processor exception. */
export class RaisedException extends Error {
  readonly vector: number;
  constructor(vector: number) {
    super(`exception ${vector}`);
    this.vector = vector;
  }
}

const LOAD_KINDS: Record<Width, LoadKind> = { 8: "u8", 16: "u16", 32: "i32" };
const registerOffset = (index: number, width: Width): number =>
  width === 8 ? ((index & 3) << 3) + (index >> 2) : index << 3;
const bytesOf = (width: Width): 1 | 2 | 4 => (width / 8) as 1 | 2 | 4;

/**
 * Carries semantics out directly, one instruction at a time, with flat segments: the plainest meaning a SemanticsContext can have,
 * and so the oracle for the contexts that generate code.
 *
 * `registerReads` says when `reg`, `state` and the flag words are read: "at-call", or "at-use" (the tree stays a load until it is
 * evaluated). The contract leaves it open, so semantics must mean the same under both.
 */
export class Interpreter implements SemanticsContext {
  readonly width: Width;
  readonly addressWidth: 16 | 32;
  readonly #state: CpuState;
  readonly #memory: DataMemory;
  readonly #instruction: Instruction;
  readonly #atCall: boolean;
  #jumped = false;

  constructor(
    state: CpuState,
    memory: DataMemory,
    instruction: Instruction,
    registerReads: "at-call" | "at-use" = "at-call",
  ) {
    this.#state = state;
    this.#memory = memory;
    this.#instruction = instruction;
    this.#atCall = registerReads === "at-call";
    this.width = instruction.width;
    this.addressWidth = instruction.addressSize;
  }

  /** Executes the instruction at state.eip; on RaisedException or a fault of the memory the state must be unchanged. */
  run(): void {
    const { line } = this.#instruction;
    if (!line.semantics) throw new TypeError(`${line.mnemonic} is a helper's (${line.helper})`);
    line.semantics(this);
    if (!this.#jumped) this.#state.eip += this.#instruction.length;
  }

  operandKind(n: number): "reg" | "mem" | "imm" {
    const { code } = this.#operand(n);
    if (/^(I|J|1)/.test(code)) return "imm";
    if (/^[OMB]/.test(code)) return "mem";
    return /^E/.test(code) && this.#instruction.memory ? "mem" : "reg";
  }

  read(n: number): Expr {
    const { code, access } = this.#operand(n);
    const width = this.#operandWidth(code);
    switch (this.operandKind(n)) {
      case "imm":
        return code === "1" ? i32(1) : i32(this.#instruction.immediate);
      case "mem":
        return this.#load(this.#offset(), width, access === "rw");
      default:
        return this.let(this.#register(this.#registerOf(n), width));
    }
  }

  write(n: number, value: Expr): void {
    const { code, access } = this.#operand(n);
    if (access === "r" || access === "address") throw new Error(`operand ${n} is not declared as written`);
    const width = this.#operandWidth(code);
    if (this.operandKind(n) === "mem") this.#store(this.#offset(), width, value);
    else this.setReg(this.#registerOf(n), width, value);
  }

  // Straight lines are made of integer instructions only.
  vectorBytes(): never {
    throw new TypeError("vectors are not interpreted");
  }
  readVector = this.vectorBytes;
  writeVector = this.vectorBytes;
  readVectorWord = this.vectorBytes;
  writeVectorWord = this.vectorBytes;
  emptyMmx = this.vectorBytes;
  finish = this.vectorBytes;

  effectiveAddress(): Expr {
    return i32(this.#offset());
  }

  loadQuad(): Expr {
    return this.loadAt(i32(0), 32, true);
  }

  loadAt(displacement: Expr, width: Width, forWrite = false): Expr {
    return this.#load(this.#offset(this.#evaluate(displacement)), width, forWrite);
  }

  storeAt(displacement: Expr, width: Width, value: Expr): void {
    this.#store(this.#offset(this.#evaluate(displacement)), width, value);
  }

  imm(n = 0): Expr {
    return i32(n === 0 ? this.#instruction.immediate : this.#instruction.immediate2);
  }

  reg(index: number, width: Width): Expr {
    return this.#late(this.#register(index, width));
  }

  setReg(index: number, width: Width, value: Expr): void {
    const evaluated = this.#evaluate(value);
    const at = registerOffset(index, width);
    if (width === 8) this.#state.u8[at] = evaluated;
    else if (width === 16) this.#state.u16[at >> 1] = evaluated;
    else this.#state.u32[at >> 2] = evaluated;
  }

  push(width: 16 | 32, value: Expr): void {
    const top = (this.#state.reg(4) - width / 8) >>> 0;
    this.#store(top, width, value);
    this.#state.setReg(4, top);
  }

  peek(width: 16 | 32): Expr {
    return this.#load(this.#state.reg(4), width, false);
  }

  peekAt(pointer: Expr, width: 16 | 32): Expr {
    return this.#load(this.#evaluate(pointer) >>> 0, width, false);
  }

  adjustStack(bytes: Expr): void {
    this.#state.setReg(4, this.#state.reg(4) + this.#evaluate(bytes));
  }

  state(offset: number): Expr {
    return this.#late(load("i32", i32(0), offset));
  }

  setState(offset: number, value: Expr): void {
    this.#state.set(offset, this.#evaluate(value));
  }

  setFlags(zr: Expr, sp: Expr, aux: Expr): void {
    const words = [this.#evaluate(zr), this.#evaluate(sp), this.#evaluate(aux)] as const;
    this.#state.set(L.FLAG_ZR, words[0]);
    this.#state.set(L.FLAG_SP, words[1]);
    this.#state.set(L.FLAG_AUX, words[2]);
  }

  setAux(aux: Expr): void {
    this.setState(L.FLAG_AUX, aux);
  }

  flagZr(): Expr {
    return this.state(L.FLAG_ZR);
  }
  flagSp(): Expr {
    return this.state(L.FLAG_SP);
  }
  flagAux(): Expr {
    return this.state(L.FLAG_AUX);
  }

  let(value: Expr): Expr {
    return value.type === "i64" ? i64(evaluate64(value, this.#readState)) : i32(this.#evaluate(value));
  }

  variable(initial: Expr): { get(): Expr; set(value: Expr): void } {
    let held = this.let(initial);
    return {
      get: () => held,
      set: (value) => {
        held = this.let(value);
      },
    };
  }

  when(condition: Expr, then: () => void, otherwise?: () => void): void {
    if (this.#evaluate(condition) !== 0) then();
    else otherwise?.();
  }

  nextEip(): Expr {
    return i32(this.#state.eip + this.#instruction.length);
  }

  branchTarget(): Expr {
    return i32(this.#state.eip + this.#instruction.length + this.#instruction.immediate);
  }

  /** The code segment has no limit. */
  demandTarget(): void {}

  branch(condition?: Expr): void {
    const taken = condition === undefined || this.#evaluate(condition) !== 0;
    const next = this.#state.eip + this.#instruction.length;
    this.#goto(taken ? next + this.#instruction.immediate : next);
  }

  jumpTo(eip: Expr): void {
    this.#goto(this.#evaluate(eip));
  }

  raiseIf(condition: Expr, vector: number): void {
    if (this.#evaluate(condition) !== 0) throw new RaisedException(vector);
  }

  #goto(eip: number): void {
    this.#state.eip = this.#instruction.operandSize === 16 ? eip & 0xffff : eip;
    this.#jumped = true;
  }

  #operand(n: number) {
    const operand = this.#instruction.line.operands[n];
    if (!operand) throw new Error(`${this.#instruction.line.mnemonic} has no operand ${n}`);
    return operand;
  }

  #operandWidth(code: OperandCode): Width {
    if (code === "AL" || code === "CL" || code === "1" || /^[A-Z]b$/.test(code)) return 8;
    if (code === "DX" || /w$/.test(code)) return 16;
    return /d$/.test(code) ? 32 : this.#instruction.operandSize;
  }

  #registerOf(n: number): number {
    const { code } = this.#operand(n);
    const { modrm, opcode } = this.#instruction;
    if (code === "AL" || code === "AX") return 0;
    if (code === "CL") return 1;
    if (code === "DX") return 2;
    if (code[0] === "G") return (modrm >> 3) & 7;
    return code[0] === "Z" ? opcode & 7 : modrm & 7;
  }

  /** Effective address plus a displacement, cut to the address size. */
  #offset(more = 0): number {
    const { base, index, scale, displacement, addressSize } = this.#instruction;
    let sum = displacement + more;
    if (base >= 0) sum += this.#state.reg(base);
    if (index >= 0) sum += this.#state.reg(index) << scale;
    return addressSize === 16 ? sum & 0xffff : sum >>> 0;
  }

  #load(address: number, width: Width, forWrite: boolean): Expr {
    if (forWrite) this.#memory.probe(address, bytesOf(width));
    return i32(this.#memory.read(address, bytesOf(width)));
  }

  #store(address: number, width: Width, value: Expr): void {
    this.#memory.write(address, bytesOf(width), this.#evaluate(value));
  }

  #register = (index: number, width: Width): Expr =>
    load(LOAD_KINDS[width], i32(0), registerOffset(index, width));

  #late(tree: Expr): Expr {
    return this.#atCall ? this.let(tree) : tree;
  }

  #evaluate(value: Expr): number {
    return evaluate32(value, this.#readState);
  }

  readonly #readState: ReadWord = (address, bytes) => {
    if (address + bytes > L.STATE_SIZE) throw new Error(`read outside the register file at ${address}`);
    if (bytes === 1) return this.#state.u8[address] as number;
    return (bytes === 2 ? this.#state.u16[address >> 1] : this.#state.u32[address >> 2]) as number;
  };
}
