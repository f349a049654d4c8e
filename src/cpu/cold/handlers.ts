import { isVectorLine } from "../decode/lookup.ts";
import type { Width } from "../instructions/context.ts";
import type { OpcodeLine } from "../instructions/line.ts";
import {
  add,
  and,
  type Expr,
  eq,
  eqz,
  gtU,
  i32,
  load,
  ltU,
  ne,
  or,
  type Stmt,
  shl,
  shrU,
  sub,
  xor,
} from "../ir/expr.ts";
import { ModuleBuilder } from "../ir/module.ts";
import { FunctionPrinter } from "../ir/printer.ts";
import * as L from "../layout.ts";
import { Cr0, Cr4 } from "../state.ts";
import { ColdContext, type Form } from "./context.ts";
import { HandlerCode } from "./handler-code.ts";
import { tlbEntry } from "./memory-access.ts";
import * as Op from "./micro-op.ts";
import { isMemoryOperand } from "./operands.ts";
import type { Routines } from "./routines.ts";
import { fillSwizzles } from "./swizzles.ts";

/** JavaScript functions that the generated code calls. All addresses unsigned or signed 32-bit alike. */
export interface HandlerImports {
  slowLoad(linear: number, bytesAndIntent: number, op: number): number;
  slowStore(linear: number, value: number, bytes: number, op: number): void;
  /** `how`: 4, 8 or 16 bytes and bits of WideAccess. They pass in WIDE. */
  slowWide(linear: number, how: number, op: number): void;
  segmentFault(op: number, segment: number, offset: number, bytes: number, permission: number): void;
  raiseFromCode(op: number, vector: number): void;
  /** First micro-op of the block at state EIP (sets PC_PAGE), or 0 to leave. */
  lookup(): number;
  /** The same for a branch inside the page, remembering the link in the micro-op. */
  link(op: number, taken: number): number;
  /** Runs a helper; 0 next, 1 jump, else leave. */
  helper(op: number): number;
  /** MMX or XMM registers (bits of Unit) may not be used just so: 0 they may, else leave. */
  unit(op: number, units: number): number;
  /** Checks that the second page of a page-crossing instruction is still the one decoded: 0 yes, else leave. */
  cross(op: number): number;
}

/** Handlers that belong to no opcode line. */
export interface SpecialHandlers {
  readonly helper: number;
  /** End of a block: continue at the page offset in IMM, linked. */
  readonly chain: number;
  /** End of a block after a possible change of mode or translation: continue by look-up. */
  readonly lookupNext: number;
  /** The block was dropped: give its instructions back and look up anew. */
  readonly stale: number;
  readonly cross: number;
  /** Address micro-ops: offset of 32 or 16 bits, checked against the segment or offset only. */
  readonly checked32: number;
  readonly checked16: number;
  readonly offset32: number;
  readonly offset16: number;
  /** Checks before an instruction that uses MMX or XMM registers, by bits of Unit. */
  readonly units: readonly [none: number, sse: number, mmx: number, both: number];
}

/** Register files whose use control registers can forbid; MMX registers wait for x87 exceptions besides. */
export const Unit = { sse: 1, mmx: 2 } as const;

const FORM_BITS = 7;
const WIDTH_CODE: Record<Width, number> = { 8: 0, 16: 1, 32: 2 };

/** Facts about a form's handler that the translator needs. */
export const FormFact = { mayFault: 1, setsFlags: 2, usesOperandAddress: 4 } as const;

/** All handlers of the cold tier, generated once from the opcode table. */
export class HandlerTable {
  readonly special: SpecialHandlers;
  readonly start: (op: number) => void;
  readonly count: number;
  private readonly slots: Int32Array;
  private readonly facts: Uint8Array;
  private readonly lineNumbers = new Map<OpcodeLine, number>();
  /** Handler of form (row) fused with a conditional branch (column: its line's place among the branches), 0 none. */
  private readonly fused = new Map<number, Int32Array>();
  private readonly branchNumbers = new Map<OpcodeLine, number>();

  constructor(lines: readonly OpcodeLine[], memory: WebAssembly.Memory, imports: HandlerImports) {
    this.slots = new Int32Array(lines.length << FORM_BITS).fill(-1);
    this.facts = new Uint8Array(lines.length << FORM_BITS);
    const builder = new ModuleBuilder();
    const imported = {
      slowLoad: builder.importFunction("slowLoad", ["i32", "i32", "i32"], ["i32"]),
      slowStore: builder.importFunction("slowStore", ["i32", "i32", "i32", "i32"], []),
      slowWide: builder.importFunction("slowWide", ["i32", "i32", "i32"], []),
      unit: builder.importFunction("unit", ["i32", "i32"], ["i32"]),
      segmentFault: builder.importFunction("segmentFault", ["i32", "i32", "i32", "i32", "i32"], []),
      raise: builder.importFunction("raise", ["i32", "i32"], []),
      lookup: builder.importFunction("lookup", [], ["i32"]),
      link: builder.importFunction("link", ["i32", "i32"], ["i32"]),
      helper: builder.importFunction("helper", ["i32"], ["i32"]),
      cross: builder.importFunction("cross", ["i32"], ["i32"]),
    };
    const handlerType = builder.type(["i32"], []);
    const routines: Routines = {
      slowLoad: imported.slowLoad,
      slowStore: imported.slowStore,
      slowWide: imported.slowWide,
      raise: imported.raise,
      segmentAddress: builder.indexAhead(0),
      short: builder.indexAhead(1),
      goto: builder.indexAhead(2),
      unlinkedTaken: builder.indexAhead(3),
      unlinkedFallThrough: builder.indexAhead(4),
      taken16: builder.indexAhead(5),
      handlerType,
    };
    defineSegmentAddress(builder, imported.segmentFault);
    builder.define(handlerType, shortBody(routines));
    builder.define(handlerType, gotoBody(routines, imported.lookup));
    builder.define(handlerType, unlinkedBody(routines, imported.link, true));
    builder.define(handlerType, unlinkedBody(routines, imported.link, false));
    builder.define(handlerType, taken16Body(routines));
    const start = builder.define(
      handlerType,
      body(routines, (c) => c.enter(c.op)),
    );
    builder.export("start", start);

    const slot = (code: Uint8Array) => builder.tableSlot(builder.define(handlerType, code));
    const special = (fill: (c: HandlerCode) => void) => slot(body(routines, fill));
    this.special = {
      helper: special((c) => {
        const outcome = c.let({ kind: "call", type: "i32", callee: imported.helper, args: [c.op] });
        c.when(eqz(outcome), () => c.next());
        c.when(eq(outcome, i32(1)), () => c.jumpTo(c.state(L.EIP)));
        c.leave();
      }),
      chain: special((c) => c.follow(Op.OP_LINK, routines.unlinkedTaken)),
      lookupNext: special((c) => c.jumpTo(add(c.state(L.PC_PAGE), c.field32(Op.OP_IMM)))),
      stale: special((c) => {
        c.setState(L.BUDGET, add(c.state(L.BUDGET), c.field16(Op.OP_REMAINING)));
        c.jumpTo(add(c.state(L.PC_PAGE), c.field16(Op.OP_PAGE_OFFSET)));
      }),
      cross: special((c) => {
        const outcome = c.let({ kind: "call", type: "i32", callee: imported.cross, args: [c.op] });
        c.when(eqz(outcome), () => c.next());
        c.leave();
      }),
      checked32: special((c) => addressOp(c, 32, true)),
      checked16: special((c) => addressOp(c, 16, true)),
      offset32: special((c) => addressOp(c, 32, false)),
      offset16: special((c) => addressOp(c, 16, false)),
      units: [
        0,
        special((c) => unitCheck(c, imported.unit, Unit.sse)),
        special((c) => unitCheck(c, imported.unit, Unit.mmx)),
        special((c) => unitCheck(c, imported.unit, Unit.sse | Unit.mmx)),
      ],
    };
    lines.forEach((line, number) => {
      this.lineNumbers.set(line, number);
      if (line.semantics !== undefined || line.fast !== undefined)
        this.addForms(line, number, routines, slot);
    });
    const branches = lines.filter(isFusedBranch);
    for (const branch of branches) this.branchNumbers.set(branch, this.branchNumbers.size);
    lines.forEach((line, number) => {
      if (FUSED_TESTS.has(line.mnemonic)) this.addFused(line, number, branches, routines, slot);
    });
    fillSwizzles(new Uint8Array(memory.buffer));
    const pages = memory.buffer.byteLength >>> 16;
    const module = new WebAssembly.Module(builder.build(pages, 65536));
    const instance = new WebAssembly.Instance(module, {
      env: { memory, ...bindImports(imports) },
    });
    this.start = instance.exports["start"] as (op: number) => void;
    this.count = this.slots.reduce((most, s) => Math.max(most, s), 0) + 1;
  }

  /** Index of a form: pass to `handler` and `fact`. */
  form(line: OpcodeLine, form: Form): number {
    return formIndex(this.lineNumbers.get(line) as number, form);
  }

  /** Slot in the handler table. */
  handler(form: number): number {
    return this.slots[form] as number;
  }
  /** The same form with the flags not computed. */
  flagsDead(form: number): number {
    return form | 2;
  }
  fact(form: number): number {
    return this.facts[form] as number;
  }

  /** Handler that does the instruction of `form` and the conditional branch after it, or 0. */
  fusedHandler(form: number, branch: OpcodeLine): number {
    const number = this.branchNumbers.get(branch);
    return number === undefined ? 0 : (this.fused.get(form)?.[number] ?? 0);
  }

  private addFused(
    line: OpcodeLine,
    number: number,
    branches: readonly OpcodeLine[],
    routines: Routines,
    slot: (code: Uint8Array) => number,
  ): void {
    const storing = line.operands[0]?.access !== "r";
    for (const width of widthsOf(line)) {
      for (const address of addressKindsOf(line)) {
        if (width === 16 || address === Op.AddressKind.prepared) continue;
        if (storing && address !== Op.AddressKind.none) continue;
        const form: Form = { width, address, addressWidth: 32, flatStack: true, flagsDead: false };
        // Where segments are not flat, addresses of memory are prepared.
        const forms = address === Op.AddressKind.none ? [form, { ...form, flatStack: false }] : [form];
        for (const each of forms) {
          const bySemantics = new Map<unknown, number>();
          const row = new Int32Array(branches.length);
          branches.forEach((branch, column) => {
            // Short and long branches of one condition differ in decoding only.
            const key = branch.mnemonic;
            const known =
              bySemantics.get(key) ?? slot(new ColdContext(line, each, routines).generateFused(branch));
            bySemantics.set(key, known);
            row[column] = known;
          });
          this.fused.set(formIndex(number, each), row);
        }
      }
    }
  }

  private addForms(
    line: OpcodeLine,
    number: number,
    routines: Routines,
    slot: (code: Uint8Array) => number,
  ): void {
    for (const width of widthsOf(line)) {
      for (const address of addressKindsOf(line)) {
        const base: Form = { width, address, addressWidth: 32, flatStack: true, flagsDead: false };
        const plain = new ColdContext(line, base, routines);
        const plainSlot = slot(plain.generate());
        for (let bits = 0; bits < 8; bits++) {
          const form: Form = {
            ...base,
            flatStack: (bits & 4) === 0 || !plain.usesFlatness,
            flagsDead: (bits & 2) !== 0 && plain.setsFlags,
            addressWidth: (bits & 1) !== 0 && plain.usesAddressWidth ? 16 : 32,
          };
          const index = (number << FORM_BITS) | (WIDTH_CODE[width] << 5) | (address << 3) | bits;
          const canonical = formIndex(number, form);
          if (index !== canonical) {
            this.slots[index] = this.slots[canonical] as number;
          } else {
            this.slots[index] =
              bits === 0 ? plainSlot : slot(new ColdContext(line, form, routines).generate());
          }
          this.facts[index] =
            (plain.mayFault || plain.usesFlatness ? FormFact.mayFault : 0) |
            (plain.setsFlags ? FormFact.setsFlags : 0) |
            (plain.usesOperandAddress ? FormFact.usesOperandAddress : 0);
        }
      }
    }
  }
}

function formIndex(lineNumber: number, form: Form): number {
  return (
    (lineNumber << FORM_BITS) |
    (WIDTH_CODE[form.width] << 5) |
    (form.address << 3) |
    (form.flatStack ? 0 : 4) |
    (form.flagsDead ? 2 : 0) |
    (form.addressWidth === 16 ? 1 : 0)
  );
}

/** Instructions that commonly set the flags for a branch right behind them. */
const FUSED_TESTS: ReadonlySet<string> = new Set(["cmp", "test", "and", "sub", "dec", "inc", "add", "or"]);
/** Conditional branches worth fusing: all but those on OF and PF. */
const isFusedBranch = (line: OpcodeLine): boolean =>
  line.operands[0]?.code[0] === "J" &&
  /^j(b|nb|ae|z|nz|e|ne|be|nbe|a|s|ns|l|nl|ge|le|nle|g)$/.test(line.mnemonic);

/** Widths that a line's forms come in: byte lines 8, lines that follow the operand size 16 and 32. */
function widthsOf(line: OpcodeLine): readonly Width[] {
  if (isVectorLine(line)) return [32];
  const byte =
    line.operands.length > 0 &&
    line.operands.every(
      (o) =>
        o.code === "AL" ||
        o.code === "CL" ||
        o.code === "1" ||
        (o.code[1] === "b" && o.code !== "Ibs" && o.code !== "Jb"),
    );
  return byte ? [8] : [16, 32];
}

function addressKindsOf(line: OpcodeLine): readonly Op.AddressKind[] {
  const K = Op.AddressKind;
  const asMemory = line.operands.some((o) => isMemoryOperand(o.code, true));
  const asRegister = !line.operands.some((o) => isMemoryOperand(o.code, false));
  // A helper wants its address prepared in any case.
  const kinds = line.fast === undefined ? [K.base, K.scaled, K.prepared] : [K.prepared];
  const memory = asMemory && line.only !== "reg" ? kinds : [];
  const register = asRegister && line.only !== "mem" ? [K.none] : [];
  return [...register, ...memory];
}

function bindImports(imports: HandlerImports): Record<string, unknown> {
  return {
    slowLoad: imports.slowLoad.bind(imports),
    slowStore: imports.slowStore.bind(imports),
    slowWide: imports.slowWide.bind(imports),
    unit: imports.unit.bind(imports),
    segmentFault: imports.segmentFault.bind(imports),
    raise: imports.raiseFromCode.bind(imports),
    lookup: imports.lookup.bind(imports),
    link: imports.link.bind(imports),
    helper: imports.helper.bind(imports),
    cross: imports.cross.bind(imports),
  };
}

function body(routines: Routines, fill: (c: HandlerCode) => void): Uint8Array {
  const c = new HandlerCode(routines);
  fill(c);
  return c.print();
}

function addressOp(c: HandlerCode, width: 16 | 32, checked: boolean): void {
  const sum = c.directAddress(Op.AddressKind.scaled);
  const offset = c.let(width === 16 ? and(sum, i32(0xffff)) : sum);
  c.setState(L.TEMP, offset);
  if (checked) {
    const linear = c.segmentAddress(c.field16(Op.OP_SEG), offset, c.field16(Op.OP_DST), c.field16(Op.OP_SRC));
    c.setState(L.LINEAR, linear);
  }
  c.next();
}

const X87_PENDING = 0x80;

function unitCheck(c: HandlerCode, unit: number, units: number): void {
  let trouble = and(c.state(L.CR0), i32(Cr0.EM | Cr0.TS));
  if (units & Unit.sse) trouble = or(trouble, xor(and(c.state(L.CR4), i32(Cr4.OSFXSR)), i32(Cr4.OSFXSR)));
  if (units & Unit.mmx) trouble = or(trouble, and(c.state(L.FPU_STATUS), i32(X87_PENDING)));
  c.when(c.let(trouble), () => {
    const outcome = c.let({ kind: "call", type: "i32", callee: unit, args: [c.op, i32(units)] });
    c.when(outcome, () => c.leave());
  });
  c.next();
}

/** (op, segment, offset, bytes, permission) → linear, or after the JavaScript fault path FAULT is set. */
function defineSegmentAddress(builder: ModuleBuilder, segmentFault: number): void {
  const printer = new FunctionPrinter(5, 0);
  const param = (index: number): Expr => ({ kind: "local", type: "i32", index });
  const [op, segment, offset, bytes, permission] = [
    param(0),
    param(1),
    param(2),
    param(3),
    param(4),
  ] as const;
  const last = printer.newLocal("i32");
  const lacks = ne(and(load("u8", segment, L.SEG_PERM), permission), permission);
  const bad = or(
    or(lacks, ltU(offset, load("i32", segment, L.SEG_LO))),
    or(gtU(last, load("i32", segment, L.SEG_HI)), ltU(last, offset)),
  );
  const statements: Stmt[] = [
    { kind: "set", index: last.index, value: add(offset, sub(bytes, i32(1))) },
    {
      kind: "if",
      condition: bad,
      then: [
        {
          kind: "call",
          callee: segmentFault,
          args: [op, segment, offset, bytes, permission],
          drops: false,
        },
      ],
      else: [],
    },
  ];
  const result = add(load("i32", segment, L.SEG_BASE), offset);
  builder.define(
    builder.type(["i32", "i32", "i32", "i32", "i32"], ["i32"]),
    printer.print(statements, result),
  );
}

/** The burst cannot take the block at `op` whole: leave with EIP at its start; JavaScript runs the rest of the burst. */
function shortBody(routines: Routines): Uint8Array {
  return body(routines, (c) => {
    c.setState(L.EIP, add(c.state(L.PC_PAGE), c.field16(Op.OP_PAGE_OFFSET)));
  });
}

/** Continues at an EIP: execute tag of the TLB, then the hash of blocks, else JavaScript. */
function gotoBody(routines: Routines, lookup: number): Uint8Array {
  return body(routines, (c) => {
    const eip = c.op;
    const linear = c.let(add(eip, load("i32", i32(0), L.SEG_CS + L.SEG_BASE)));
    const entry = c.let(tlbEntry(linear));
    const tag = load("i32", entry, L.TLB_BASE + L.TLB_EXEC);
    const inLimit = ltU(eip, load("i32", i32(0), L.FETCH_END));
    c.when(and(eq(tag, and(linear, i32(0xfffff000))), inLimit), () => {
      const hpa = c.let(sub(add(linear, load("i32", entry, L.TLB_BASE + L.TLB_DELTA)), i32(L.PHYS_BASE)));
      const slot = c.let(shl(and(xor(hpa, shrU(hpa, i32(15))), i32(L.BLOCKS_ENTRIES - 1)), i32(4)));
      const found = and(
        eq(load("i32", slot, L.BLOCKS_BASE), hpa),
        eq(load("i32", slot, L.BLOCKS_BASE + 4), load("i32", i32(0), L.MODE)),
      );
      c.when(found, () => {
        c.setState(L.PC_PAGE, sub(eip, and(linear, i32(0xfff))));
        c.enter(c.let(load("i32", slot, L.BLOCKS_BASE + 8)));
      });
    });
    c.setState(L.EIP, eip);
    const block = c.let({ kind: "call", type: "i32", callee: lookup, args: [] });
    c.when(block, () => c.enter(block));
  });
}

/** A branch whose link is not known: inside the page JavaScript resolves and remembers it, else by look-up. */
function unlinkedBody(routines: Routines, link: number, taken: boolean): Uint8Array {
  return body(routines, (c) => {
    const target = taken
      ? c.let(c.field32(Op.OP_IMM))
      : c.let(add(c.field16(Op.OP_PAGE_OFFSET), load("u8", c.op, Op.OP_LENGTH)));
    c.when(
      shrU(target, i32(12)),
      () => c.jumpTo(add(c.state(L.PC_PAGE), target)),
      () => {
        const block = c.let({
          kind: "call",
          type: "i32",
          callee: link,
          args: [c.op, i32(taken ? 1 : 0)],
        });
        c.when(block, () => c.enter(block));
      },
    );
  });
}

function taken16Body(routines: Routines): Uint8Array {
  return body(routines, (c) => c.jumpTo(and(add(c.state(L.PC_PAGE), c.field32(Op.OP_IMM)), i32(0xffff))));
}
