import { createInstruction, DecodeResult, type Decoder } from "../decode/decoder.ts";
import type { Instruction } from "../decode/instruction.ts";
import type { Width } from "../instructions/context.ts";
import { FLAGS_ALL, type OpcodeLine, type Operand } from "../instructions/line.ts";
import * as L from "../layout.ts";
import { Mode } from "../modes.ts";
import { FormFact, type HandlerTable, Unit } from "./handlers.ts";
import * as Op from "./micro-op.ts";
import { isEncodedRegister, isMemoryOperand, operandWidth } from "./operands.ts";
import { isVectorRegister, registerOffset, vectorBytes, vectorOffset } from "./vector-operands.ts";

/** Longest block in instructions, and in micro-ops with room for unit checks, address micro-ops, fast ones before helpers, the page check and the end. */
const MAX_INSTRUCTIONS = 48;
export const MAX_BLOCK_OPS = MAX_INSTRUCTIONS * 4 + 4;
const NO_REGISTER = L.ZERO;
const PREFIX_NUMBER = { none: 0, 102: 1, 242: 2, 243: 3 } as const;
/** Operands in ModRM.reg. */
const IN_REG: ReadonlySet<string> = new Set(["G", "P", "V"]);
/** Lines that F3 90 may be decoded as. */
const UNITS = { sse: Unit.sse, mmx: Unit.mmx, "sse mmx": Unit.sse | Unit.mmx } as const;
const PAUSES: ReadonlySet<string> = new Set(["nop", "pause"]);

export interface TranslatorViews {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
}

/** Helpers by number, as their micro-ops name them; the last two stand for bytes that are no instruction. */
export interface HelperNumbers {
  /** Of lines that are not generated. */
  of(line: OpcodeLine): number | undefined;
  /** Of those that do otherwise on processors before the 486. */
  before486(line: OpcodeLine): number | undefined;
  readonly undefinedOpcode: number;
  readonly tooLong: number;
  /** PAUSE, where it leaves the guest. */
  readonly pause: number;
}

const memoryBytes = (code: Operand["code"], width: Width): number =>
  isVectorRegister(code) || VECTOR_MEMORY.test(code) ? vectorBytes(code) : operandWidth(code, width) >> 3;
const VECTOR_MEMORY = /^M(dq|ps|pd|q)$/;

/** Decodes a run of instructions into micro-ops in the arena. One result at a time, in the fields. */
export class Translator {
  /** Micro-ops written, bytes of code covered, instructions. */
  opCount = 0;
  byteCount = 0;
  instructionCount = 0;
  private readonly instruction: Instruction = createInstruction();
  private readonly instructionOfOp = new Uint16Array(MAX_BLOCK_OPS);
  private at = 0;
  /** Machine frame that the block begins in: branches remember it, so that links stay inside one frame. */
  private frame = 0;
  private first = 0;
  /** Micro-op whose flags nothing has seen yet, and the handler it gets if they are overwritten first. */
  private pendingFlags = 0;
  private pendingHandler = 0;
  /** Micro-op and form of the generated instruction emitted last, for fusing it with a branch. */
  private lastOp = 0;
  private lastForm = 0;
  /** Units checked in this block already: bits of Unit. */
  private checkedUnits = 0;
  private readonly views: TranslatorViews;
  private readonly handlers: HandlerTable;
  private readonly decoder: Decoder;
  private readonly helpers: HelperNumbers;
  private readonly before486: boolean;

  constructor(views: TranslatorViews, handlers: HandlerTable, decoder: Decoder, helpers: HelperNumbers) {
    this.views = views;
    this.handlers = handlers;
    this.decoder = decoder;
    this.helpers = helpers;
    this.before486 = decoder.before486;
  }

  /**
   * Writes the block of the code at byte `host` of the memory, `pageOffset` into its page, to `arena`; at most `limit` instructions.
   * False when the very first instruction runs into the next page: use `translateCrossing`.
   */
  translate(host: number, pageOffset: number, arena: number, mode: number, limit: number): boolean {
    this.begin(arena, host);
    const code32 = (mode & Mode.code32) !== 0;
    const most = Math.min(limit, MAX_INSTRUCTIONS);
    let offset = pageOffset;
    for (;;) {
      const result = this.decoder.decode(
        this.views.u8,
        host + offset - pageOffset,
        4096 - offset,
        code32,
        this.instruction,
      );
      if (result === DecodeResult.needMore) {
        if (this.instructionCount === 0) return false;
        break;
      }
      const ends = this.instructionOps(result, offset, mode);
      offset += this.instruction.length;
      if (ends || this.instructionCount === most || offset === 4096) {
        if (!ends) break;
        this.finish(offset - pageOffset);
        return true;
      }
    }
    this.chain(this.handlers.special.chain, offset);
    this.finish(offset - pageOffset);
    return true;
  }

  /**
   * The same for one instruction that crosses into the next page: `bytes` holds its bytes joined, `secondHpa` the machine address of the
   * second page, which a check before the instruction compares.
   */
  translateCrossing(
    bytes: Uint8Array,
    available: number,
    pageOffset: number,
    arena: number,
    mode: number,
    host: number,
    secondHpa: number,
  ): void {
    this.begin(arena, host);
    const check = this.newOp(this.handlers.special.cross, pageOffset, 0);
    this.views.i32[(check + Op.OP_DISP) >> 2] = secondHpa;
    this.instructionCount = 0;
    const code32 = (mode & Mode.code32) !== 0;
    const result = this.decoder.decode(bytes, 0, available, code32, this.instruction);
    const ends = this.instructionOps(result, pageOffset, mode);
    const offset = pageOffset + this.instruction.length;
    if (!ends) this.chain(this.handlers.special.chain, offset);
    this.finish(this.instruction.length);
  }

  /** Handler of the check that page-crossing blocks begin with. */
  get crossHandler(): number {
    return this.handlers.special.cross;
  }

  private begin(arena: number, host: number): void {
    this.frame = (host - L.PHYS_BASE) >>> 12;
    this.at = arena;
    this.first = arena;
    this.opCount = 0;
    this.instructionCount = 0;
    this.pendingFlags = 0;
    this.lastOp = 0;
    this.checkedUnits = 0;
  }

  private finish(byteCount: number): void {
    this.byteCount = byteCount;
    const n = this.instructionCount;
    for (let k = 0; k < this.opCount; k++) {
      const remaining = n - (this.instructionOfOp[k] as number);
      this.views.u16[(this.first + k * Op.OP_SIZE + Op.OP_REMAINING) >> 1] = remaining;
    }
  }

  /** Appends a micro-op with its common fields; others are zero or "no register". */
  private newOp(handler: number, pageOffset: number, length: number): number {
    const at = this.at;
    const { u8, u16, i32 } = this.views;
    const w = at >> 2;
    const h = at >> 1;
    i32[w] = handler;
    i32[w + 1] = 0;
    i32[w + 2] = 0;
    i32[w + 3] = 0;
    u16[h + (Op.OP_DST >> 1)] = NO_REGISTER;
    u16[h + (Op.OP_SRC >> 1)] = NO_REGISTER;
    u16[h + (Op.OP_BASE >> 1)] = NO_REGISTER;
    u16[h + (Op.OP_INDEX >> 1)] = NO_REGISTER;
    u16[h + (Op.OP_SEG >> 1)] = L.SEG_DS;
    u16[h + (Op.OP_PAGE_OFFSET >> 1)] = pageOffset;
    u8[at + Op.OP_LENGTH] = length;
    u8[at + Op.OP_SCALE] = 0;
    this.instructionOfOp[this.opCount++] = this.instructionCount;
    this.at += Op.OP_SIZE;
    return at;
  }

  /** Emits the micro-ops of the decoded instruction; true when the block ends with it. */
  private instructionOps(result: DecodeResult, offset: number, mode: number): boolean {
    const i = this.instruction;
    if (result !== DecodeResult.ok) {
      const number =
        result === DecodeResult.undefinedOpcode ? this.helpers.undefinedOpcode : this.helpers.tooLong;
      this.helperOp(number, offset);
      this.instructionCount++;
      return true;
    }
    const helper = this.helperOf(i.line);
    if (i.line.units !== undefined) this.unitCheck(UNITS[i.line.units], offset);
    if (mode & Mode.pauseExits && i.rep === 0xf3 && i.opcode === 0x90 && PAUSES.has(i.line.mnemonic))
      this.helperOp(this.helpers.pause, offset);
    else if (helper !== undefined) this.helperInstruction(helper, offset);
    else this.generatedInstruction(offset, mode);
    this.instructionCount++;
    if (i.line.endsBlock !== true) return false;
    this.chain(this.handlers.special.lookupNext, offset + i.length);
    return true;
  }

  private chain(handler: number, target: number): void {
    const op = this.newOp(handler, target, 0);
    this.views.i32[(op + Op.OP_IMM) >> 2] = target;
    this.views.i32[(op + Op.OP_DST) >> 2] = this.frame;
  }

  /** Control registers do not change within a block; x87 exceptions come to be pending by helpers alone. */
  private unitCheck(units: number, offset: number): void {
    const missing = units & ~this.checkedUnits;
    if (missing === 0) return;
    this.pendingFlags = 0;
    this.newOp(this.handlers.special.units[missing as 1 | 2 | 3], offset, this.instruction.length);
    this.checkedUnits |= units;
  }

  /** The helper that does it; undefined: a generated handler does. */
  private helperOf(line: OpcodeLine): number | undefined {
    return (this.before486 ? this.helpers.before486(line) : undefined) ?? this.helpers.of(line);
  }

  private helperInstruction(number: number, offset: number): void {
    const i = this.instruction;
    this.pendingFlags = 0;
    if (i.line.units === undefined) this.checkedUnits &= ~Unit.mmx;
    if (i.line.fast !== undefined) this.fastInstruction(offset);
    else if (i.memory) {
      const special = this.handlers.special;
      this.addressFields(
        this.newOp(i.addressSize === 16 ? special.offset16 : special.offset32, offset, i.length),
      );
    }
    this.helperOp(number, offset);
  }

  /** The ordinary case of a helper's instruction; it leaves the offset of a memory operand for the helper. */
  private fastInstruction(offset: number): void {
    const i = this.instruction;
    const address = i.memory ? Op.AddressKind.prepared : Op.AddressKind.none;
    const { line, addressSize: addressWidth } = i;
    const form = this.handlers.form(line, {
      width: 32,
      address,
      addressWidth,
      flatStack: true,
      flagsDead: false,
    });
    if (i.memory) this.addressOp(offset, 32, true);
    const op = this.newOp(this.handlers.handler(form), offset, i.length);
    this.views.i32[(op + Op.OP_IMM) >> 2] = i.immediate;
    this.registerFields(op, 32);
  }

  private helperOp(number: number, offset: number): void {
    const i = this.instruction;
    this.pendingFlags = 0;
    const op = this.newOp(this.handlers.special.helper, offset, i.length);
    const { u16, i32 } = this.views;
    i32[(op + Op.OP_IMM) >> 2] = i.immediate;
    i32[(op + Op.OP_DISP) >> 2] = i.immediate2;
    i32[(op + Op.OP_LINK) >> 2] = number;
    u16[(op + Op.OP_DST) >> 1] =
      (i.modrm & 0xff) |
      (i.memory ? Op.HELPER_MEMORY : 0) |
      (i.modrm < 0 ? Op.HELPER_NO_MODRM : 0) |
      (i.base === 4 || i.index === 4 ? Op.HELPER_BASE_IS_ESP : 0);
    u16[(op + Op.OP_SRC) >> 1] =
      i.opcode |
      (i.operandSize === 32 ? Op.HELPER_OPERAND32 : 0) |
      (i.addressSize === 32 ? Op.HELPER_ADDRESS32 : 0) |
      (i.rep === 0xf2 ? Op.HELPER_REPNE : i.rep === 0xf3 ? Op.HELPER_REP : 0) |
      (i.line.prefix === undefined ? 0 : PREFIX_NUMBER[i.line.prefix] << Op.HELPER_PREFIX);
    u16[(op + Op.OP_SEG) >> 1] = L.SEG + i.segment * L.SEG_SIZE;
  }

  private addressFields(op: number): void {
    const i = this.instruction;
    const { u8, u16, i32 } = this.views;
    if (i.base >= 0) u16[(op + Op.OP_BASE) >> 1] = i.base << 3;
    if (i.index >= 0) u16[(op + Op.OP_INDEX) >> 1] = i.index << 3;
    u8[op + Op.OP_SCALE] = i.scale;
    i32[(op + Op.OP_DISP) >> 2] = i.displacement;
    u16[(op + Op.OP_SEG) >> 1] = L.SEG + i.segment * L.SEG_SIZE;
  }

  private generatedInstruction(offset: number, mode: number): void {
    const i = this.instruction;
    const line = i.line;
    const isBranch = line.operands[0]?.code[0] === "J";
    const width = isBranch ? i.operandSize : i.width;
    const K = Op.AddressKind;
    const flat = (mode & Mode.flat) !== 0;
    let address: Op.AddressKind = K.none;
    if (i.memory) {
      // Flat says nothing of FS and GS, nor of writing through CS.
      if (!flat || i.segment > 3 || i.segment === 1 || i.addressSize === 16) address = K.prepared;
      else address = i.index >= 0 ? K.scaled : K.base;
    }
    const flatStack = flat && (mode & Mode.stack32) !== 0;
    const form = this.handlers.form(line, {
      width,
      address,
      addressWidth: i.addressSize,
      flatStack,
      flagsDead: false,
    });
    const handler = this.handlers.handler(form);
    if (handler < 0) throw new Error(`no handler for ${line.mnemonic}, width ${width}, address ${address}`);
    const facts = this.handlers.fact(form);
    if (address === K.prepared) this.addressOp(offset, width, (facts & FormFact.usesOperandAddress) !== 0);
    const op = this.newOp(handler, offset, i.length);
    this.flagsSeen(op, form, facts);
    const { u16, i32 } = this.views;
    if (address === K.prepared) u16[(op + Op.OP_SEG) >> 1] = L.SEG + i.segment * L.SEG_SIZE;
    else if (address !== K.none) this.addressFields(op);
    i32[(op + Op.OP_IMM) >> 2] = isBranch ? offset + i.length + i.immediate : i.immediate;
    if (isBranch) {
      i32[(op + Op.OP_DST) >> 2] = this.frame;
      if (width === 32 && this.lastOp !== 0 && this.lastOp === op - Op.OP_SIZE) {
        const fused = this.handlers.fusedHandler(this.lastForm, line);
        if (fused !== 0) i32[(this.lastOp + Op.OP_HANDLER) >> 2] = fused;
      }
      return;
    }
    this.lastOp = op;
    this.lastForm = form;
    this.registerFields(op, width);
  }

  /** The places of the registers that the encoding names. */
  private registerFields(op: number, width: Width): void {
    const i = this.instruction;
    const { u16 } = this.views;
    let field = Op.OP_DST;
    for (const operand of i.line.operands) {
      if (!isEncodedRegister(operand.code, i.memory)) continue;
      const kind = operand.code[0];
      const number = IN_REG.has(kind as string)
        ? (i.modrm >> 3) & 7
        : kind === "Z"
          ? i.opcode & 7
          : i.modrm & 7;
      u16[(op + field) >> 1] = isVectorRegister(operand.code)
        ? vectorOffset(operand.code, number)
        : registerOffset(number, operandWidth(operand.code, width));
      field = Op.OP_SRC;
    }
  }

  /** The micro-op that computes (and checks) the address of a memory operand that is not in a flat segment. */
  private addressOp(offset: number, width: 8 | 16 | 32, checked: boolean): void {
    const i = this.instruction;
    const s = this.handlers.special;
    const wide = i.addressSize === 32;
    const handler = checked ? (wide ? s.checked32 : s.checked16) : wide ? s.offset32 : s.offset16;
    const op = this.newOp(handler, offset, i.length);
    this.addressFields(op);
    if (!checked) return;
    for (const operand of i.line.operands) {
      if (!isMemoryOperand(operand.code, true)) continue;
      const { u16 } = this.views;
      u16[(op + Op.OP_DST) >> 1] = memoryBytes(operand.code, width);
      u16[(op + Op.OP_SRC) >> 1] = operand.access === "rw" ? 3 : operand.access === "w" ? 2 : 1;
      return;
    }
  }

  /** Leaves flags uncomputed that are overwritten before an instruction reads them or a fault could show them. */
  private flagsSeen(op: number, form: number, facts: number): void {
    const line = this.instruction.line;
    const writes = line.writesFlags ?? 0;
    const reads = line.readsFlags ?? 0;
    const exposes = reads !== 0 || (facts & FormFact.mayFault) !== 0 || line.endsBlock === true;
    if (exposes) this.pendingFlags = 0;
    if (writes === FLAGS_ALL) {
      if (this.pendingFlags !== 0) {
        this.views.i32[(this.pendingFlags + Op.OP_HANDLER) >> 2] = this.pendingHandler;
        this.pendingFlags = 0;
      }
      if ((facts & FormFact.setsFlags) !== 0) {
        this.pendingFlags = op;
        this.pendingHandler = this.handlers.handler(this.handlers.flagsDead(form));
      }
    } else if (writes !== 0) this.pendingFlags = 0;
  }
}
