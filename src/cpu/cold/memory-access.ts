import type { VectorBytes, Width } from "../instructions/context.ts";
import { add, and, type Expr, eq, i32, load, type Stmt, shrU } from "../ir/expr.ts";
import * as L from "../layout.ts";
import type { HandlerCode } from "./handler-code.ts";
import { LOAD_KIND, STORE_KIND } from "./operands.ts";
import { LoadIntent, type Routines, WideAccess } from "./routines.ts";
import { VECTOR_LOAD, VECTOR_STORE } from "./vector-operands.ts";

/** Offset from TLB_BASE of the half entry that serves `linear` at the current privilege. */
export function tlbEntry(linear: Expr): Expr {
  const index = and(shrU(linear, i32(7)), i32((L.TLB_ENTRIES - 1) * L.TLB_ENTRY_SIZE));
  return add(index, load("i32", i32(0), L.TLB_PRIV));
}

export interface AccessRules {
  /** 16 bytes must be aligned. */
  readonly aligned: boolean;
  /** A vector that the TLB does not serve is left to the micro-op that follows: the instruction's helper. */
  readonly trying: boolean;
}

/** Loads and stores at linear addresses: by the TLB, else by the slow paths in TypeScript. */
export class MemoryAccess {
  private readonly code: HandlerCode;
  private readonly routines: Routines;
  private readonly rules: AccessRules;

  constructor(code: HandlerCode, routines: Routines, rules: AccessRules) {
    this.code = code;
    this.routines = routines;
    this.rules = rules;
  }

  load(address: Expr, width: Width, forWrite: boolean): Expr {
    return this.loadWith(address, width, forWrite ? LoadIntent.write : 0);
  }

  /** The first doubleword of 8 bytes that will be written. */
  loadQuad(address: Expr): Expr {
    return this.loadWith(address, 32, LoadIntent.write | LoadIntent.quad);
  }

  private loadWith(address: Expr, width: Width, intent: number): Expr {
    const { code } = this;
    const linear = code.let(address);
    const bytes = width >> 3;
    const forWrite = (intent & LoadIntent.write) !== 0;
    const value = code.newLocal("i32");
    const entry = this.entry(linear);
    const set = (from: Expr): Stmt => ({ kind: "set", index: value.index, value: from });
    const slow = code.aside(() => {
      const args = [linear, i32(bytes | intent), code.op];
      code.emit(set({ kind: "call", type: "i32", callee: this.routines.slowLoad, args }));
      code.abandonOnFault();
    });
    code.emit({
      kind: "if",
      condition: this.hit(entry, linear, bytes, forWrite ? L.TLB_WRITE : L.TLB_READ),
      then: [set(load(LOAD_KIND[width], this.host(entry, linear)))],
      else: slow,
    });
    return value;
  }

  store(address: Expr, width: Width, value: Expr): void {
    const { code } = this;
    const linear = code.let(address);
    const held = code.let(value);
    const bytes = width >> 3;
    const entry = this.entry(linear);
    const slow = code.aside(() => {
      const args = [linear, held, i32(bytes), code.op];
      code.emit({ kind: "call", callee: this.routines.slowStore, args, drops: false });
      code.abandonOnFault();
    });
    const host = this.host(entry, linear);
    code.emit({
      kind: "if",
      condition: this.hit(entry, linear, bytes, L.TLB_WRITE),
      then: [{ kind: "store", access: STORE_KIND[width], address: host, offset: 0, value: held }],
      else: slow,
    });
  }

  loadVector(address: Expr, bytes: VectorBytes): Expr {
    const { code } = this;
    const linear = code.let(address);
    const value = code.newLocal("v128");
    const entry = this.entry(linear);
    const set = (from: Expr): Stmt => ({ kind: "set", index: value.index, value: from });
    const slow = code.aside(() => {
      if (this.rules.trying) code.next();
      else {
        this.slowVector(linear, bytes, 0);
        code.emit(set(load("v128", i32(0), L.WIDE)));
      }
    });
    code.emit({
      kind: "if",
      condition: this.vectorHit(entry, linear, bytes, L.TLB_READ),
      then: [set(load(VECTOR_LOAD[bytes], this.host(entry, linear)))],
      else: slow,
    });
    return value;
  }

  storeVector(address: Expr, bytes: VectorBytes, value: Expr): void {
    const { code } = this;
    const linear = code.let(address);
    const held = code.let(value);
    const entry = this.entry(linear);
    const host = this.host(entry, linear);
    const slow = code.aside(() => {
      code.put("v128", i32(0), L.WIDE, held);
      this.slowVector(linear, bytes, WideAccess.store);
    });
    code.emit({
      kind: "if",
      condition: this.vectorHit(entry, linear, bytes, L.TLB_WRITE),
      then: [{ kind: "store", access: VECTOR_STORE[bytes], address: host, offset: 0, value: held }],
      else: slow,
    });
  }

  private slowVector(linear: Expr, bytes: VectorBytes, intent: number): void {
    const { code, routines } = this;
    const how = bytes | intent | (this.mustAlign(bytes) ? WideAccess.aligned : 0);
    code.emit({ kind: "call", callee: routines.slowWide, args: [linear, i32(how), code.op], drops: false });
    code.abandonOnFault();
  }

  private mustAlign(bytes: VectorBytes): boolean {
    return bytes === 16 && this.rules.aligned;
  }

  /** What must be aligned to 16 bytes misses unless it is, and then never crosses a page. */
  private vectorHit(entry: Expr, linear: Expr, bytes: VectorBytes, tag: number): Expr {
    if (!this.mustAlign(bytes)) return this.hit(entry, linear, bytes, tag);
    return eq(this.tag(entry, tag), and(linear, i32(0xfffff00f)));
  }

  /** One compare with the page of the LAST byte also sends page-crossing accesses down the slow path. */
  private hit(entry: Expr, linear: Expr, bytes: number, tag: number): Expr {
    return eq(this.tag(entry, tag), and(add(linear, i32(bytes - 1)), i32(0xfffff000)));
  }

  private tag(entry: Expr, tag: number): Expr {
    return load("i32", entry, L.TLB_BASE + tag);
  }

  private entry(linear: Expr): Expr {
    return this.code.let(tlbEntry(linear));
  }

  private host(entry: Expr, linear: Expr): Expr {
    return add(linear, load("i32", entry, L.TLB_BASE + L.TLB_DELTA));
  }
}
