import { Instruction } from "iced-x86";
import { Assembly } from "./assembly.ts";
import { type GateOptions, gateBytes } from "./descriptors.ts";
import {
  codeOf,
  createInstruction,
  type EncodedOperand,
  fitsByte,
  GuestBuilderError,
  hasCode,
  operandOf,
} from "./encode.ts";
import {
  type ControlRegister,
  type DebugRegister,
  type GeneralRegister,
  type Immediate,
  isGeneralRegister,
  isImmediate,
  isMemory,
  isSegmentRegister,
  type LabelReference,
  type MemoryReference,
  type Operand,
  type Register32,
  ref,
  registerWidth,
  type SegmentRegister,
  type Width,
} from "./operands.ts";

/** Condition codes as in Jcc, SETcc and CMOVcc. */
export type Condition =
  | "o"
  | "no"
  | "b"
  | "ae"
  | "e"
  | "ne"
  | "be"
  | "a"
  | "s"
  | "ns"
  | "p"
  | "np"
  | "l"
  | "ge"
  | "le"
  | "g";

/** Instructions with no operand that is written out, under iced's names for their forms. */
const PLAIN = {
  hlt: "Hlt",
  cli: "Cli",
  sti: "Sti",
  cld: "Cld",
  std: "Std",
  clc: "Clc",
  stc: "Stc",
  cmc: "Cmc",
  ud2: "Ud2",
  int3: "Int3",
  into: "Into",
  clts: "Clts",
  wbinvd: "Wbinvd",
  invd: "Invd",
  cpuid: "Cpuid",
  pause: "Pause",
  rdtsc: "Rdtsc",
  rdmsr: "Rdmsr",
  wrmsr: "Wrmsr",
  sysenter: "Sysenter",
  sysexit: "Sysexitd",
  fninit: "Fninit",
  sahf: "Sahf",
  lahf: "Lahf",
  pushad: "Pushad",
  popad: "Popad",
  pushfd: "Pushfd",
  popfd: "Popfd",
  pushfw: "Pushfw",
  popfw: "Popfw",
  iretd: "Iretd",
  iretw: "Iretw",
  leave: "Leaved",
  cdq: "Cdq",
} as const;
export type PlainMnemonic = keyof typeof PLAIN;

/** Instructions with one operand that they read and write, or read with the accumulator. */
export type UnaryMnemonic = "inc" | "dec" | "neg" | "not" | "mul" | "imul" | "div" | "idiv";
export type ShiftMnemonic = "shl" | "shr" | "sar" | "rol" | "ror" | "rcl" | "rcr";
export type BitTestMnemonic = "bt" | "bts" | "btr" | "btc";
export type StringMnemonic = "movs" | "cmps" | "stos" | "lods" | "scas" | "ins" | "outs";
export type RepeatPrefix = "rep" | "repe" | "repne";

/** Opcode of the byte form; the wider form is the next one. */
const STRING_OPCODES: Readonly<Record<StringMnemonic, number>> = {
  movs: 0xa4,
  cmps: 0xa6,
  stos: 0xaa,
  lods: 0xac,
  scas: 0xae,
  ins: 0x6c,
  outs: 0x6e,
};
const REPEAT: Readonly<Record<RepeatPrefix, number>> = { rep: 0xf3, repe: 0xf3, repne: 0xf2 };
const LOCK = 0xf0;
const NOP = 0x90;
const OPERAND_SIZE = 0x66;

/** A label's name, an address, or a register or memory that holds the address. */
export type BranchTarget = string | LabelReference | MemoryReference | number;

const capital = (mnemonic: string): string => mnemonic[0]?.toUpperCase() + mnemonic.slice(1);

/** The width that two operands share, or that one has. @throws GuestBuilderError when neither says it, or they differ */
function widthOf(target: Operand, source: Operand | undefined): Width {
  const widths = [target, source].map((operand) => {
    if (operand === undefined || isImmediate(operand)) return undefined;
    return isMemory(operand) ? operand.width : registerWidth(operand);
  });
  const [first, second] = widths;
  const width = first ?? second;
  if (width === undefined)
    throw new GuestBuilderError("The operand's width is not known: use mem8, mem16 or mem32.");
  if (first !== undefined && second !== undefined && first !== second) {
    throw new GuestBuilderError(`The operands are of different widths (${first} and ${second} bits).`);
  }
  return width;
}

/** The form of a MOV from a segment register, or to or from a control or debug register; undefined for all others. */
function specialMove(target: unknown, source: unknown): string | undefined {
  if (isSegmentRegister(source)) return "Mov_rm16_Sreg";
  for (const kind of ["cr", "dr"]) {
    if (typeof target === "string" && target.startsWith(kind)) return `Mov_${kind}_r32`;
    if (typeof source === "string" && source.startsWith(kind)) return `Mov_r32_${kind}`;
  }
  return undefined;
}

/**
 * Writes IA-32 guest code from TypeScript:
 *
 *     const g = new GuestBuilder({ origin: 0x100000 });
 *     g.mov("ecx", 10).label("again").dec("ecx").jcc("ne", "again").hlt();
 *     const { bytes } = g.build();
 *
 * Operands are in Intel's order. Branches to labels take the near form, so that lengths never depend on distances. In 16-bit
 * code a label's address is its linear address: subtract the segment's base with `ref(name, -base)` for offsets.
 */
export class GuestBuilder extends Assembly {
  mov(
    target: GeneralRegister | MemoryReference | SegmentRegister | ControlRegister | DebugRegister,
    source: Operand | SegmentRegister | ControlRegister | DebugRegister,
  ): this {
    if (isSegmentRegister(target))
      return this.selector("Mov_Sreg_", source as Operand, [{ register: target }]);
    const special = specialMove(target, source);
    if (special) return this.form(special, [operandOf(target, 32), operandOf(source, 32)]);
    const to = target as GeneralRegister | MemoryReference;
    const from = source as Operand;
    const width = widthOf(to, from);
    if (!isImmediate(from)) return this.binary("mov", to, from);
    const form = isMemory(to) ? `Mov_rm${width}_imm${width}` : `Mov_r${width}_imm${width}`;
    return this.form(form, [operandOf(to, width), operandOf(from, width)]);
  }

  add(target: GeneralRegister | MemoryReference, source: Operand): this {
    return this.arithmetic("add", target, source);
  }
  or(target: GeneralRegister | MemoryReference, source: Operand): this {
    return this.arithmetic("or", target, source);
  }
  adc(target: GeneralRegister | MemoryReference, source: Operand): this {
    return this.arithmetic("adc", target, source);
  }
  sbb(target: GeneralRegister | MemoryReference, source: Operand): this {
    return this.arithmetic("sbb", target, source);
  }
  and(target: GeneralRegister | MemoryReference, source: Operand): this {
    return this.arithmetic("and", target, source);
  }
  sub(target: GeneralRegister | MemoryReference, source: Operand): this {
    return this.arithmetic("sub", target, source);
  }
  xor(target: GeneralRegister | MemoryReference, source: Operand): this {
    return this.arithmetic("xor", target, source);
  }
  cmp(target: GeneralRegister | MemoryReference, source: Operand): this {
    return this.arithmetic("cmp", target, source);
  }

  test(target: GeneralRegister | MemoryReference, source: GeneralRegister | Immediate): this {
    const width = widthOf(target, source);
    const kind = isImmediate(source) ? `imm${width}` : `r${width}`;
    return this.form(`Test_rm${width}_${kind}`, [operandOf(target, width), operandOf(source, width)]);
  }

  xchg(target: GeneralRegister | MemoryReference, source: GeneralRegister): this {
    return this.modify("xchg", target, source);
  }
  xadd(target: GeneralRegister | MemoryReference, source: GeneralRegister): this {
    return this.modify("xadd", target, source);
  }
  cmpxchg(target: GeneralRegister | MemoryReference, source: GeneralRegister): this {
    return this.modify("cmpxchg", target, source);
  }
  cmpxchg8b(target: MemoryReference): this {
    return this.form("Cmpxchg8b_m64", [{ memory: target }]);
  }
  bswap(register: Register32): this {
    return this.form("Bswap_r32", [{ register }]);
  }

  lea(target: GeneralRegister, address: MemoryReference): this {
    return this.form(`Lea_r${registerWidth(target)}_m`, [{ register: target }, { memory: address }]);
  }
  movzx(target: GeneralRegister, source: GeneralRegister | MemoryReference): this {
    return this.extend("Movzx", target, source);
  }
  movsx(target: GeneralRegister, source: GeneralRegister | MemoryReference): this {
    return this.extend("Movsx", target, source);
  }
  cmov(condition: Condition, target: GeneralRegister, source: GeneralRegister | MemoryReference): this {
    const width = registerWidth(target);
    return this.form(`Cmov${condition}_r${width}_rm${width}`, [
      { register: target },
      operandOf(source, width),
    ]);
  }
  set(condition: Condition, target: GeneralRegister | MemoryReference): this {
    return this.form(`Set${condition}_rm8`, [operandOf(target, 8)]);
  }

  unary(mnemonic: UnaryMnemonic, target: GeneralRegister | MemoryReference): this {
    const width = widthOf(target, undefined);
    const short = `${capital(mnemonic)}_r${width}`;
    const useShort = !isMemory(target) && width !== 8 && hasCode(short);
    return this.form(useShort ? short : `${capital(mnemonic)}_rm${width}`, [operandOf(target, width)]);
  }
  inc(target: GeneralRegister | MemoryReference): this {
    return this.unary("inc", target);
  }
  dec(target: GeneralRegister | MemoryReference): this {
    return this.unary("dec", target);
  }
  /** The two-operand form of IMUL: `target *= source`. */
  imul(target: GeneralRegister, source: GeneralRegister | MemoryReference): this {
    const width = registerWidth(target);
    return this.form(`Imul_r${width}_rm${width}`, [{ register: target }, operandOf(source, width)]);
  }

  shift(mnemonic: ShiftMnemonic, target: GeneralRegister | MemoryReference, count: number | "cl"): this {
    const width = widthOf(target, undefined);
    const kind = count === "cl" ? "CL" : "imm8";
    return this.form(`${capital(mnemonic)}_rm${width}_${kind}`, [
      operandOf(target, width),
      operandOf(count, 8),
    ]);
  }
  bitTest(
    mnemonic: BitTestMnemonic,
    target: GeneralRegister | MemoryReference,
    bit: GeneralRegister | number,
  ): this {
    const width = widthOf(target, typeof bit === "number" ? undefined : bit);
    const kind = typeof bit === "number" ? "imm8" : `r${width}`;
    return this.form(`${capital(mnemonic)}_rm${width}_${kind}`, [
      operandOf(target, width),
      operandOf(bit, 8),
    ]);
  }

  push(source: Operand | SegmentRegister): this {
    const size = this.mode === 32 ? "d" : "w";
    if (isSegmentRegister(source))
      return this.form(`Push${size}_${source.toUpperCase()}`, [{ register: source }]);
    if (isImmediate(source)) {
      if (fitsByte(source, this.mode))
        return this.form(`Push${size}_imm8`, [{ immediate: source, width: this.mode }]);
      return this.form(this.mode === 32 ? "Pushd_imm32" : "Push_imm16", [
        { immediate: source, width: this.mode },
      ]);
    }
    return this.stack("Push", source);
  }
  pop(target: GeneralRegister | MemoryReference | SegmentRegister): this {
    const size = this.mode === 32 ? "d" : "w";
    if (isSegmentRegister(target))
      return this.form(`Pop${size}_${target.toUpperCase()}`, [{ register: target }]);
    return this.stack("Pop", target);
  }

  /** To a label or number, or indirectly through a register or memory. */
  jmp(target: BranchTarget): this {
    return this.transfer("Jmp", target);
  }
  call(target: BranchTarget): this {
    return this.transfer("Call", target);
  }
  jcc(condition: Condition, label: string): this {
    return this.near(`J${condition}`, ref(label));
  }
  /** LOOP, whose branch is short: the label must be within 128 bytes. */
  loop(label: string): this {
    const form = this.mode === 32 ? "Loop_rel8_32_ECX" : "Loop_rel8_16_CX";
    return this.branch(form, ref(label));
  }
  /** Far jump to `selector`:`offset`; an offset given as a label is its address. */
  jmpFar(selector: number, offset: Immediate): this {
    return this.far("Jmp", selector, offset);
  }
  callFar(selector: number, offset: Immediate): this {
    return this.far("Call", selector, offset);
  }
  ret(popBytes?: number): this {
    const form = this.mode === 32 ? "Retnd" : "Retnw";
    if (popBytes === undefined) return this.form(form, []);
    return this.form(`${form}_imm16`, [{ immediate: popBytes, width: 16 }]);
  }
  retFar(): this {
    return this.form(this.mode === 32 ? "Retfd" : "Retfw", []);
  }
  int(vector: number): this {
    return this.form("Int_imm8", [{ immediate: vector, width: 8 }]);
  }
  iret(): this {
    return this.plain(this.mode === 32 ? "iretd" : "iretw");
  }

  /** From a port given as a number (0 to 255) or in DX. */
  in(target: "al" | "ax" | "eax", port: number | "dx"): this {
    const kind = port === "dx" ? "DX" : "imm8";
    return this.form(`In_${target.toUpperCase()}_${kind}`, [{ register: target }, operandOf(port, 8)]);
  }
  out(port: number | "dx", source: "al" | "ax" | "eax"): this {
    const kind = port === "dx" ? "DX" : "imm8";
    return this.form(`Out_${kind}_${source.toUpperCase()}`, [operandOf(port, 8), { register: source }]);
  }

  lgdt(address: MemoryReference): this {
    return this.table("Lgdt", address);
  }
  lidt(address: MemoryReference): this {
    return this.table("Lidt", address);
  }
  sgdt(address: MemoryReference): this {
    return this.table("Sgdt", address);
  }
  sidt(address: MemoryReference): this {
    return this.table("Sidt", address);
  }
  lldt(source: GeneralRegister | MemoryReference): this {
    return this.selector("Lldt_", source);
  }
  ltr(source: GeneralRegister | MemoryReference): this {
    return this.selector("Ltr_", source);
  }
  invlpg(address: MemoryReference): this {
    return this.form("Invlpg_m", [{ memory: address }]);
  }

  plain(mnemonic: PlainMnemonic): this {
    return this.form(PLAIN[mnemonic], []);
  }
  hlt(): this {
    return this.plain("hlt");
  }
  cli(): this {
    return this.plain("cli");
  }
  sti(): this {
    return this.plain("sti");
  }
  nop(): this {
    return this.raw([NOP]);
  }
  ud2(): this {
    return this.plain("ud2");
  }
  cpuid(): this {
    return this.plain("cpuid");
  }
  rdtsc(): this {
    return this.plain("rdtsc");
  }

  /** A LOCK prefix for the instruction that follows. */
  lock(): this {
    return this.raw([LOCK]);
  }
  /** A string instruction, `string("movs", 32, "rep")`. */
  string(mnemonic: StringMnemonic, width: Width, repeat?: RepeatPrefix): this {
    const opcode = STRING_OPCODES[mnemonic] + (width === 8 ? 0 : 1);
    const prefixes = repeat ? [REPEAT[repeat]] : [];
    if (width !== 8 && width !== this.mode) prefixes.push(OPERAND_SIZE);
    return this.raw([...prefixes, opcode]);
  }

  /** A gate descriptor, eight bytes, whose offset may be a label. */
  gate(options: Omit<GateOptions, "offset"> & { readonly offset: Immediate }): this {
    return this.late(8, (resolve) => gateBytes({ ...options, offset: resolve(options.offset) }));
  }

  private form(name: string, operands: readonly EncodedOperand[]): this {
    const bits = this.mode;
    return this.emit((resolve) => createInstruction(name, operands, bits, resolve));
  }

  /** A selector is read from 16 bits, whose register 32-bit code names by its 32 bits, to need no prefix. */
  private selector(name: string, source: Operand, before: readonly EncodedOperand[] = []): this {
    const kind = this.mode === 32 ? "r32m16" : "rm16";
    const isShort = typeof source === "string" && this.mode === 32 && registerWidth(source) === 16;
    const operand = isShort ? { register: `e${source}` } : operandOf(source, 16);
    return this.form(`${name}${kind}`, [...before, operand]);
  }

  private binary(
    mnemonic: string,
    target: GeneralRegister | MemoryReference,
    source: GeneralRegister | MemoryReference,
  ): this {
    const width = widthOf(target, source);
    const shape = isMemory(source) ? `r${width}_rm${width}` : `rm${width}_r${width}`;
    return this.form(`${capital(mnemonic)}_${shape}`, [operandOf(target, width), operandOf(source, width)]);
  }

  private arithmetic(mnemonic: string, target: GeneralRegister | MemoryReference, source: Operand): this {
    if (!isImmediate(source)) return this.binary(mnemonic, target, source);
    const width = widthOf(target, undefined);
    const size = width === 8 || fitsByte(source, width) ? 8 : width;
    const name = `${capital(mnemonic)}_rm${width}_imm${size}`;
    return this.form(name, [operandOf(target, width), { immediate: source, width }]);
  }

  private modify(mnemonic: string, target: GeneralRegister | MemoryReference, source: GeneralRegister): this {
    const width = widthOf(target, source);
    const name = `${capital(mnemonic)}_rm${width}_r${width}`;
    return this.form(name, [operandOf(target, width), { register: source }]);
  }

  private extend(name: string, target: GeneralRegister, source: GeneralRegister | MemoryReference): this {
    const from = widthOf(source, undefined);
    return this.form(`${name}_r${registerWidth(target)}_rm${from}`, [
      { register: target },
      operandOf(source, from),
    ]);
  }

  private stack(name: string, operand: GeneralRegister | MemoryReference): this {
    const width = widthOf(operand, undefined);
    return this.form(`${name}_${isMemory(operand) ? "rm" : "r"}${width}`, [operandOf(operand, width)]);
  }

  private transfer(name: string, target: BranchTarget): this {
    if (isMemory(target)) return this.form(`${name}_rm${target.width ?? this.mode}`, [{ memory: target }]);
    if (typeof target === "string" && isGeneralRegister(target)) {
      return this.form(`${name}_rm${registerWidth(target)}`, [{ register: target }]);
    }
    return this.near(name, typeof target === "string" ? ref(target) : target);
  }

  private near(name: string, target: Immediate): this {
    return this.branch(this.mode === 32 ? `${name}_rel32_32` : `${name}_rel16`, target);
  }

  private branch(form: string, target: Immediate): this {
    const bits = this.mode;
    return this.emit((resolve) => {
      const address = resolve(target);
      return Instruction.createBranch(codeOf(form), BigInt(bits === 16 ? address & 0xffff : address >>> 0));
    });
  }

  private far(name: string, selector: number, offset: Immediate): this {
    const form = codeOf(`${name}_ptr16${this.mode}`);
    return this.emit((resolve) => Instruction.createFarBranch(form, selector, resolve(offset) >>> 0));
  }

  private table(name: string, address: MemoryReference): this {
    return this.form(this.mode === 32 ? `${name}_m1632` : `${name}_m1632_16`, [{ memory: address }]);
  }
}
