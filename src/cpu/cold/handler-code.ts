import { add, type Expr, i32, load, ltS, type Stmt, type StoreKind, shl, sub } from "../ir/expr.ts";
import { FunctionPrinter } from "../ir/printer.ts";
import * as L from "../layout.ts";
import * as Op from "./micro-op.ts";
import type { Routines } from "./routines.ts";

/** The statements of one handler, and how they end. The handler's parameter is the micro-op's address. */
export class HandlerCode {
  op: Expr = { kind: "local", type: "i32", index: 0 };
  /** It can leave with FAULT set. */
  mayFault = false;
  protected ended = false;
  protected readonly routines: Routines;
  private readonly printer: FunctionPrinter;
  private sink: Stmt[] = [];

  constructor(routines: Routines) {
    this.routines = routines;
    this.printer = new FunctionPrinter(1, routines.handlerType);
  }

  /** The code entry. */
  print(): Uint8Array {
    return this.printer.print(this.sink);
  }

  emit(statement: Stmt): void {
    this.sink.push(statement);
  }

  /** What `fill` emits, for a branch of the code: its end is not the handler's. */
  aside(fill: () => void): Stmt[] {
    const { sink, ended } = this;
    const statements: Stmt[] = [];
    this.sink = statements;
    fill();
    this.sink = sink;
    this.ended = ended;
    return statements;
  }

  newLocal(type: Expr["type"]): Expr & { readonly kind: "local" } {
    return this.printer.newLocal(type);
  }

  let(value: Expr): Expr {
    if (value.kind === "const" || value.kind === "local") return value;
    const local = this.newLocal(value.type);
    this.emit({ kind: "set", index: local.index, value });
    return local;
  }

  variable(initial: Expr): { get(): Expr; set(value: Expr): void } {
    const local = this.newLocal(initial.type);
    this.emit({ kind: "set", index: local.index, value: initial });
    return {
      get: () => {
        const copy = this.newLocal(local.type);
        this.emit({ kind: "set", index: copy.index, value: local });
        return copy;
      },
      set: (value) => this.emit({ kind: "set", index: local.index, value }),
    };
  }

  when(condition: Expr, then: () => void, otherwise: () => void = () => {}): void {
    const ends: boolean[] = [];
    const side = (fill: () => void) =>
      this.aside(() => {
        fill();
        ends.push(this.ended);
      });
    this.emit({ kind: "if", condition, then: side(then), else: side(otherwise) });
    this.ended = ends.every((end) => end);
  }

  state(offset: number): Expr {
    return this.let(load("i32", i32(0), offset));
  }
  setState(offset: number, value: Expr): void {
    this.put("i32", i32(0), offset, value);
  }
  put(access: StoreKind, address: Expr, offset: number, value: Expr): void {
    this.emit({ kind: "store", access, address, offset, value });
  }

  field16(offset: number): Expr {
    return load("u16", this.op, offset);
  }
  field32(offset: number): Expr {
    return load("i32", this.op, offset);
  }

  /** The address micro-op's own work: base + index + displacement by the form's fields. */
  directAddress(kind: Op.AddressKind): Expr {
    const base = load("i32", load("u16", this.op, Op.OP_BASE));
    const displaced = add(base, this.field32(Op.OP_DISP));
    if (kind === Op.AddressKind.base) return displaced;
    const index = load("i32", load("u16", this.op, Op.OP_INDEX));
    return add(displaced, shl(index, load("u8", this.op, Op.OP_SCALE)));
  }

  /** Checked linear address of `bytes` bytes at segment:offset; abandons the instruction when the segment refuses. */
  segmentAddress(segment: Expr, offset: Expr, bytes: number | Expr, permission: number | Expr): Expr {
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

  /** Leaves if what was called has set FAULT. */
  abandonOnFault(): void {
    this.mayFault = true;
    this.emit({ kind: "if", condition: load("i32", i32(0), L.FAULT), then: [{ kind: "return" }], else: [] });
  }

  raiseIf(condition: Expr, vector: number): void {
    this.mayFault = true;
    this.emit({
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

  /** Ends the handler: continue with the micro-op after so many. */
  protected skip(ops: number): void {
    this.emit({
      kind: "dispatch",
      handler: load("i32", this.op, ops * Op.OP_SIZE + Op.OP_HANDLER),
      argument: add(this.op, i32(ops * Op.OP_SIZE)),
    });
    this.ended = true;
  }

  /** Ends the handler: back to JavaScript. */
  leave(): void {
    this.emit({ kind: "return" });
    this.ended = true;
  }

  /** Ends the handler: continue in a common routine. */
  protected tail(callee: number, argument: Expr): void {
    this.emit({ kind: "tail", callee, argument });
    this.ended = true;
  }

  /** Ends the handler: continue at an EIP known only at run time. */
  jumpTo(eip: Expr): void {
    this.tail(this.routines.goto, eip);
  }

  /** Ends the handler: enter the block whose first micro-op the link field names, or resolve it. */
  follow(linkField: number, unlinked: number): void {
    const link = this.let(this.field32(linkField));
    this.emit({ kind: "if", condition: link, then: this.aside(() => this.enter(link)), else: [] });
    this.tail(unlinked, this.op);
  }

  /** Takes the block's instructions from the budget and dispatches its first micro-op. */
  enter(block: Expr): void {
    const left = this.let(sub(load("i32", i32(0), L.BUDGET), load("u16", block, Op.OP_REMAINING)));
    this.emit({
      kind: "if",
      condition: ltS(left, i32(0)),
      then: [{ kind: "tail", callee: this.routines.short, argument: block }],
      else: [],
    });
    this.setState(L.BUDGET, left);
    this.emit({ kind: "dispatch", handler: load("i32", block, Op.OP_HANDLER), argument: block });
  }
}
