import { ByteWriter } from "./bytes.ts";
import type { ValueType } from "./expr.ts";

/** Encoding of value types in the binary format. */
export const VALUE_TYPES: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, v128: 0x7b };

export interface FunctionType {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** What the modules of the engine import and define; function indices are assigned in the order of the calls, imports first. */
export class ModuleBuilder {
  private readonly types: FunctionType[] = [];
  private readonly imports: { name: string; type: number }[] = [];
  private readonly functions: { type: number; body: Uint8Array }[] = [];
  private readonly exports: { name: string; index: number }[] = [];
  private readonly elements: number[] = [];

  /** Index of a function type, shared by equal types. */
  type(params: readonly ValueType[], results: readonly ValueType[]): number {
    const at = this.types.findIndex(
      (t) => t.params.join() === params.join() && t.results.join() === results.join(),
    );
    return at >= 0 ? at : this.types.push({ params, results }) - 1;
  }

  /** Imports a JavaScript function `env.name`; all imports come before the first `define`. */
  importFunction(name: string, params: readonly ValueType[], results: readonly ValueType[]): number {
    if (this.functions.length > 0) throw new Error("imports must precede definitions");
    return this.imports.push({ name, type: this.type(params, results) }) - 1;
  }

  /** Adds a function; `body` is the code entry without its size prefix (locals vector, instructions, end). */
  define(type: number, body: Uint8Array): number {
    return this.imports.length + this.functions.push({ type, body }) - 1;
  }

  /** Index that the n-th definition from now will get (0 = the next). */
  indexAhead(n: number): number {
    return this.imports.length + this.functions.length + n;
  }

  export(name: string, index: number): void {
    this.exports.push({ name, index });
  }

  /** Puts a function into the next slot of the module's table; returns the slot. */
  tableSlot(index: number): number {
    return this.elements.push(index) - 1;
  }

  /** The module's bytes: imports env.memory (at least `memoryPages` pages), defines its own table. */
  build(memoryPages: number, maximumPages: number): Uint8Array {
    const out = new ByteWriter();
    out.append(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
    const section = (id: number, fill: (w: ByteWriter) => void) => {
      const w = new ByteWriter();
      fill(w);
      out.byte(id);
      out.u32(w.length);
      out.append(w.take());
    };
    section(1, (w) => {
      w.u32(this.types.length);
      for (const t of this.types) {
        w.byte(0x60);
        w.u32(t.params.length);
        for (const p of t.params) w.byte(VALUE_TYPES[p]);
        w.u32(t.results.length);
        for (const r of t.results) w.byte(VALUE_TYPES[r]);
      }
    });
    section(2, (w) => {
      w.u32(this.imports.length + 1);
      w.name("env");
      w.name("memory");
      w.byte(2);
      w.byte(1);
      w.u32(memoryPages);
      w.u32(maximumPages);
      for (const f of this.imports) {
        w.name("env");
        w.name(f.name);
        w.byte(0);
        w.u32(f.type);
      }
    });
    section(3, (w) => {
      w.u32(this.functions.length);
      for (const f of this.functions) w.u32(f.type);
    });
    section(4, (w) => {
      w.u32(1);
      w.byte(0x70);
      w.byte(1);
      w.u32(this.elements.length);
      w.u32(this.elements.length);
    });
    section(7, (w) => {
      w.u32(this.exports.length);
      for (const e of this.exports) {
        w.name(e.name);
        w.byte(0);
        w.u32(e.index);
      }
    });
    section(9, (w) => {
      w.u32(1);
      w.u32(0);
      w.append(new Uint8Array([0x41, 0, 0x0b]));
      w.u32(this.elements.length);
      for (const index of this.elements) w.u32(index);
    });
    section(10, (w) => {
      w.u32(this.functions.length);
      for (const f of this.functions) {
        w.u32(f.body.length);
        w.append(f.body);
      }
    });
    return out.take();
  }
}
