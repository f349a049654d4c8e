import { ByteWriter } from "./bytes.ts";
import type { BinaryOp, Expr, LoadKind, Stmt, StoreKind, UnaryOp, ValueType } from "./expr.ts";
import { VALUE_TYPES } from "./module.ts";

const BINARY_32: Record<BinaryOp, number> = {
  add: 0x6a,
  sub: 0x6b,
  mul: 0x6c,
  div_s: 0x6d,
  div_u: 0x6e,
  rem_s: 0x6f,
  rem_u: 0x70,
  and: 0x71,
  or: 0x72,
  xor: 0x73,
  shl: 0x74,
  shr_s: 0x75,
  shr_u: 0x76,
  rotl: 0x77,
  rotr: 0x78,
  eq: 0x46,
  ne: 0x47,
  lt_s: 0x48,
  lt_u: 0x49,
  gt_s: 0x4a,
  gt_u: 0x4b,
  le_s: 0x4c,
  le_u: 0x4d,
  ge_s: 0x4e,
  ge_u: 0x4f,
};
/** The i64 arithmetic opcodes follow the i32 ones at this distance; comparisons at another. */
const ARITHMETIC_64 = 0x7c - 0x6a;
const COMPARE_64 = 0x51 - 0x46;

const UNARY_32: Record<UnaryOp, number> = {
  eqz: 0x45,
  clz: 0x67,
  ctz: 0x68,
  popcnt: 0x69,
  extend8_s: 0xc0,
  extend16_s: 0xc1,
  extend32_s: -1,
};
const UNARY_64: Record<UnaryOp, number> = {
  eqz: 0x50,
  clz: 0x79,
  ctz: 0x7a,
  popcnt: 0x7b,
  extend8_s: 0xc2,
  extend16_s: 0xc3,
  extend32_s: 0xc4,
};

/** Behind the prefix of vector instructions. */
const VECTOR = 0xfd;
const VECTOR_LOADS = { v128: 0x00, v32: 0x5c, v64: 0x5d } as const;
/** Those of a lane are followed by its number. */
const VECTOR_STORES = { v128: 0x0b, v32: 0x5a, v64: 0x5b } as const;

const isVector = (access: LoadKind | StoreKind): access is keyof typeof VECTOR_LOADS => access[0] === "v";

/** Opcodes of each access with an i32 and with an i64. */
type ScalarLoad = Exclude<LoadKind, keyof typeof VECTOR_LOADS>;
type ScalarStore = Exclude<StoreKind, keyof typeof VECTOR_STORES>;
const LOADS: Record<ScalarLoad, readonly [opcode: number, opcode64: number]> = {
  u8: [0x2d, 0x31],
  s8: [0x2c, 0x30],
  u16: [0x2f, 0x33],
  s16: [0x2e, 0x32],
  i32: [0x28, 0x35],
  i64: [-1, 0x29],
};
const STORES: Record<ScalarStore, readonly [opcode: number, opcode64: number]> = {
  i8: [0x3a, 0x3c],
  i16: [0x3b, 0x3d],
  i32: [0x36, 0x3e],
  i64: [-1, 0x37],
};

/** One function under construction: numbers its locals, then prints its statements as a WebAssembly code entry. */
export class FunctionPrinter {
  private readonly locals: ValueType[] = [];
  private readonly code = new ByteWriter();
  /** Nesting depth at which each open `loop` has its leaving block. */
  private readonly loopDepths: number[] = [];
  private depth = 0;
  private readonly params: number;
  private readonly handlerType: number;

  /** `params`: number of parameters (locals 0..params-1); `handlerType`: type index of `dispatch` targets. */
  constructor(params: number, handlerType: number) {
    this.params = params;
    this.handlerType = handlerType;
  }

  newLocal(type: ValueType): Expr & { readonly kind: "local" } {
    const index = this.params + this.locals.push(type) - 1;
    return { kind: "local", type, index };
  }

  /** Prints all statements and returns the code entry. `result`: value left on the stack at the end, for functions that return one. */
  print(statements: readonly Stmt[], result?: Expr): Uint8Array {
    this.code.reset();
    for (const s of statements) this.statement(s);
    if (result !== undefined) this.expression(result);
    this.code.byte(0x0b);
    const body = this.code.take();
    const out = new ByteWriter();
    out.u32(this.locals.length);
    for (const type of this.locals) {
      out.u32(1);
      out.byte(VALUE_TYPES[type]);
    }
    out.append(body);
    return out.take();
  }

  private statement(s: Stmt): void {
    const c = this.code;
    switch (s.kind) {
      case "set":
        this.expression(s.value);
        c.byte(0x21);
        c.u32(s.index);
        return;
      case "store": {
        this.expression(s.address);
        this.expression(s.value);
        if (isVector(s.access)) {
          c.byte(VECTOR);
          c.u32(VECTOR_STORES[s.access]);
        } else c.byte(STORES[s.access][s.value.type === "i32" ? 0 : 1]);
        c.u32(0);
        c.u32(s.offset);
        if (s.access === "v32" || s.access === "v64") c.byte(0);
        return;
      }
      case "if":
        this.expression(s.condition);
        c.byte(0x04);
        c.byte(0x40);
        this.depth++;
        for (const t of s.then) this.statement(t);
        if (s.else.length > 0) {
          c.byte(0x05);
          for (const t of s.else) this.statement(t);
        }
        this.depth--;
        c.byte(0x0b);
        return;
      case "loop":
        c.byte(0x02);
        c.byte(0x40);
        this.depth++;
        this.loopDepths.push(this.depth);
        c.byte(0x03);
        c.byte(0x40);
        this.depth++;
        for (const t of s.body) this.statement(t);
        c.byte(0x0c);
        c.u32(0);
        this.depth--;
        c.byte(0x0b);
        this.loopDepths.pop();
        this.depth--;
        c.byte(0x0b);
        return;
      case "break": {
        const target = this.loopDepths.at(-1);
        if (target === undefined) throw new Error("break outside a loop");
        c.byte(0x0c);
        c.u32(this.depth - target);
        return;
      }
      case "call":
        for (const a of s.args) this.expression(a);
        c.byte(0x10);
        c.u32(s.callee);
        if (s.drops) c.byte(0x1a);
        return;
      case "return":
        c.byte(0x0f);
        return;
      case "dispatch":
        this.expression(s.argument);
        this.expression(s.handler);
        c.byte(0x13);
        c.u32(this.handlerType);
        c.u32(0);
        return;
      case "tail":
        this.expression(s.argument);
        c.byte(0x12);
        c.u32(s.callee);
        return;
    }
  }

  private expression(e: Expr): void {
    const c = this.code;
    switch (e.kind) {
      case "const":
        if (e.type === "i32") {
          c.byte(0x41);
          c.s32(e.value);
        } else {
          c.byte(0x42);
          c.s64(e.value);
        }
        return;
      case "local":
        c.byte(0x20);
        c.u32(e.index);
        return;
      case "binary": {
        this.expression(e.a);
        this.expression(e.b);
        const opcode = BINARY_32[e.op];
        if (e.a.type === "i32") c.byte(opcode);
        else c.byte(opcode + (opcode < 0x60 ? COMPARE_64 : ARITHMETIC_64));
        return;
      }
      case "unary":
        this.expression(e.a);
        c.byte((e.a.type === "i32" ? UNARY_32 : UNARY_64)[e.op]);
        return;
      case "convert":
        this.expression(e.a);
        c.byte(e.op === "wrap" ? 0xa7 : e.op === "extend_s" ? 0xac : 0xad);
        return;
      case "load":
        this.expression(e.address);
        if (isVector(e.access)) {
          c.byte(VECTOR);
          c.u32(VECTOR_LOADS[e.access]);
        } else c.byte(LOADS[e.access][e.type === "i32" ? 0 : 1]);
        c.u32(0);
        c.u32(e.offset);
        return;
      case "select":
        this.expression(e.a);
        this.expression(e.b);
        this.expression(e.condition);
        if (e.type === "v128") {
          c.byte(0x1c);
          c.u32(1);
          c.byte(VALUE_TYPES.v128);
        } else c.byte(0x1b);
        return;
      case "simd":
        for (const a of e.args) this.expression(a);
        c.byte(VECTOR);
        c.u32(e.op);
        for (const byte of e.immediate) c.byte(byte);
        return;
      case "call":
        for (const a of e.args) this.expression(a);
        c.byte(0x10);
        c.u32(e.callee);
        return;
    }
  }
}
