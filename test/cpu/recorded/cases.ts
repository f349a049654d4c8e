import type { OpcodeLine } from "../../../src/cpu/instructions/line.ts";
import { Random } from "../instructions/support/random.ts";
import { type Case, CONTENT } from "./case.ts";
import { type Encoding, encode, encode64 } from "./encoding.ts";
import { type Form, isFloatArithmetic, isReg, isRm, mandatoryOf } from "./forms.ts";
import { BASE, CODE, FX_BYTES, HALF, WINDOW, windowAt, XMM_AT } from "./memory-map.ts";
import { type Draft, memoryForm, operandPlace } from "./operand-address.ts";
import { operandBytes } from "./operand-size.ts";
import { putDouble, putExtended, putFloatingState, putFloatPairs, putPacked, single } from "./operands.ts";

/** Raise it when the same seed no longer gives the same cases: all fixtures are to be recorded anew then. */
export const GENERATOR_VERSION = 1;

const [EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
/** Where instructions end, as an offset in the code pages: near the middle of the first one. */
const END = 0x800;

/** Arithmetic flags at random. Bit 1 is always set, IF in any user program. */
const randomFlags = (random: Random): number => (random.word() & 0x8d5) | 0x202;

type Kind = Case["kind"];

function kindOf(form: Form): Kind {
  if (form.x87 || form.line.mnemonic === "wait") return "x87";
  const codes = form.line.operands.map(({ code }) => code as string);
  if (codes.some((code) => /^[VWU]/.test(code)) || /mxcsr/.test(form.line.mnemonic)) return "sse";
  return codes.some((code) => /^[PQN]/.test(code)) || form.line.mnemonic === "emms" ? "mmx" : "integer";
}

function fillContent(random: Random): Uint8Array {
  const content = new Uint8Array(CONTENT);
  const view = new DataView(content.buffer);
  for (let at = 0; at < CONTENT; at += 4) view.setUint32(at, random.operand(), true);
  return content;
}

/** Puts a value of interest at the operand's place. */
function putOperand(
  form: Form,
  kind: Kind,
  size: number,
  content: Uint8Array,
  at: number,
  random: Random,
): void {
  const scratch = new Uint8Array(128);
  const view = new DataView(scratch.buffer);
  if (kind === "x87" && size === 4 && (form.line.opcode & 7) < 2) view.setUint32(0, single(random), true);
  else if (kind === "x87" && size === 8 && form.line.opcode !== 0xdf) putDouble(view, 0, random);
  else if (kind === "x87" && size === 10 && form.line.opcode === 0xdb) putExtended(view, 0, random);
  else if (kind === "x87" && size === 10)
    for (let n = 0; n < 10; n++)
      scratch[n] = random.below(10) | (random.below(10) << 4) | (n === 9 ? random.word() & 0x80 : 0);
  else if (kind === "x87" && size >= 28) {
    view.setUint32(0, 0xffff0040 | (random.below(4) ? 0x33f : random.below(0x1000)), true);
    view.setUint32(
      4,
      0xffff0000 | (random.word() & 0x7f00) | (random.below(3) ? 0 : random.below(128)),
      true,
    );
    view.setUint32(8, 0xffff0000 | (random.below(2) ? random.below(0x10000) : 0), true);
    for (let n = 12; n < 28; n += 4) view.setUint32(n, random.word() & 0x07ffffff, true);
    if (size > 28) for (let n = 0; n < 8; n++) putExtended(view, 28 + 10 * n, random);
  } else if (kind === "x87" && size === 2 && form.x87?.reg === 5)
    view.setUint16(0, 0x40 | random.below(0x1000), true);
  else if (kind === "sse" && /mxcsr/.test(form.line.mnemonic))
    view.setUint32(0, random.below(5) ? 0x1f80 | random.below(0x10000) : random.word() & 0x1ffff, true);
  else if (kind === "mmx" || kind === "sse") putPacked(view, 0, random);
  else if (random.below(2)) return;
  else for (let n = 0; n < size; n += 4) view.setUint32(n, random.operand(), true);
  content.set(scratch.subarray(0, size), at);
}

/** The last two only where FS and GS have the base of the others. */
const OVERRIDES = [0x26, 0x36, 0x3e, 0x64, 0x65] as const;
const STACK_WORD = /^(push|pop|call|ret|enter|leave|int|iret)/;

/** Registers that a line uses without naming them in ModRM, and which the case sets by itself. */
function reserve(line: OpcodeLine, draft: Draft): void {
  if (line.string || line.mnemonic === "xlat") for (const r of [EAX, EBX, ECX, ESI, EDI]) draft.taken.add(r);
  if (STACK_WORD.test(line.mnemonic)) draft.taken.add(ESP);
  if (line.mnemonic === "leave" || line.mnemonic === "enter") draft.taken.add(EBP);
  if (line.mnemonic === "cmpxchg8b") for (const r of [EAX, EDX]) draft.taken.add(r);
  if (/^i?div$/.test(line.mnemonic)) for (const r of [EAX, EDX]) draft.taken.add(r);
  if (line.operands.some(({ code }) => code === "CL")) draft.taken.add(ECX);
}

function immediates(form: Form, random: Random): number[] {
  const { line, operandSize } = form;
  const out: number[] = [];
  const put = (value: number, count: number) => {
    for (let n = 0; n < count; n++) out.push((value >>> (8 * n)) & 0xff);
  };
  for (const operand of line.operands) {
    const value = random.operand();
    switch (operand.code as string) {
      case "Ib":
      case "Ibs":
        if (line.count === "zero") put(random.pick([0, 0x20, 0x40, 0xe0]), 1);
        else if (line.count === "nonzero") put(value % 32 === 0 ? 1 : value, 1);
        else if (line.mnemonic === "int") put(random.pick([3, 4, 5, 0x0d, 0x21, 0x60, 0xff]), 1);
        // Nesting counts modulo 32; deeper than 3, frame pointers would come from outside the window.
        else if (line.mnemonic === "enter")
          put(random.below(4) | (random.below(3) ? 0 : random.below(8) << 5), 1);
        else put(value, 1);
        break;
      case "Iw":
        put(random.below(40), 2);
        break;
      case "Iz":
        put(value, operandSize / 8);
        break;
      case "Jb": {
        const jump = random.below(2) ? random.below(128) : -16 - random.below(113);
        put(jump, 1);
        break;
      }
      case "Jz": {
        const jump = random.below(2) ? random.below(0x400) : -16 - random.below(0x400);
        put(jump, operandSize / 8);
        break;
      }
      case "A":
        put(CODE + random.below(0x1000), operandSize / 8);
        put(random.pick([0x23, 0x23, 0x23, 0, 0x2b, 3]), 2);
        break;
    }
  }
  return out;
}

/** The n-th case of a form: the same for ever. */
export function makeCase(form: Form, random: Random): Case {
  const { line, operandSize } = form;
  const kind = kindOf(form);
  const regs = Uint32Array.from({ length: 8 }, () => random.operand());
  regs[ESP] = windowAt(9) + HALF;
  const stack = STACK_WORD.test(line.mnemonic);
  const string = line.string === true;
  /** What only a 32-bit program can do is done flat, in 32-bit code and with 32-bit addresses. */
  const plain =
    encode64({ ...skeleton(form), modrm: { reg: line.extension ?? 0, rm: 0 } }, 0) === undefined ||
    stack ||
    string;
  const codeBits = plain && !string ? 32 : random.below(5) === 0 ? 16 : 32;
  const relative = line.operands.some(({ code }) => code[0] === "J");
  const bits = plain ? 32 : relative && operandSize === 16 ? 16 : relative && codeBits === 16 ? 32 : codeBits;
  const masked = line.mnemonic.startsWith("maskmov");
  const addressSize =
    plain || line.mnemonic === "xlat" || relative || masked ? 32 : random.below(5) === 0 ? 16 : 32;
  const base =
    addressSize === 16
      ? BASE
      : plain || masked || random.below(6) !== 0
        ? 0
        : random.pick([BASE, 0x0ff10000]);
  const draft: Draft = { regs, random, taken: new Set(), base };
  reserve(line, draft);
  const size = operandBytes(form);
  const content = fillContent(random);
  const windows: [number, number] = [windowAt(2), windowAt(9)];
  let modrm: Encoding["modrm"];
  let absolute: number | undefined;
  let operandAt = 0;
  const codes = line.operands.map(({ code }) => code as string);
  const hasModrm =
    form.x87 !== undefined ||
    line.extension !== undefined ||
    codes.some((code) => isRm(code) || isReg(code) || code[0] === "M");
  const bitString = /^bt[src]?$/.test(line.mnemonic) && codes[1] === "Gv";
  let reg = form.x87 ? form.x87.reg : (line.extension ?? random.below(8));
  if (line.extension === undefined && codes.some((code) => code.startsWith("Sw"))) reg = random.below(8);
  if (form.rm === "mem") {
    if (bitString) draft.taken.add(reg);
    if (draft.taken.size > 6) throw new Error(`${form.name}: no register is free`);
    const place = operandPlace(size, random);
    windows[0] = windowAt(place.page);
    let address = place.address;
    operandAt = address;
    putOperand(form, kind, size, content, address - windows[0], random);
    if (bitString) {
      // Bit numbers that stay within the window, with anything above bit 15 where only 16 bits count.
      const reach = Math.min(
        HALF - 8,
        Math.max(0, Math.min(address - windows[0], windows[0] + WINDOW - size - address)),
      );
      const bit = random.below(16 * reach + 1) - 8 * reach;
      regs[reg] = operandSize === 16 ? ((random.word() & 0xffff0000) | (bit & 0xffff)) >>> 0 : bit >>> 0;
      if (reach === 0) address = windows[0] + HALF;
    }
    modrm = { reg, rm: 0, memory: memoryForm((address - base) >>> 0, addressSize, draft) };
  } else if (hasModrm) {
    let rm = form.x87 ? random.pick(range(form.x87.low & 7, form.x87.high & 7)) : random.below(8);
    // The stack is no place to go to: whether it may be executed is not the processor's affair alone.
    if (rm === ESP && /^(call|jmp)$/.test(line.mnemonic)) rm = EAX;
    modrm = { reg, rm };
  }
  if (codes.some((code) => code[0] === "O")) {
    const wide = codes.includes("Ob") ? 1 : operandSize / 8;
    const place = operandPlace(wide, random);
    windows[0] = windowAt(place.page);
    absolute = (place.address - base) >>> 0;
  }
  const prefixed = random.below(4) === 0;
  const overridable = form.rm === "mem" || absolute !== undefined || string || prefixed;
  const legacyRep =
    line.map === "one" && !string && line.opcode !== 0x90 && !form.x87 && random.below(16) === 0;
  // Of MOV from and to CR0, AMD makes MOV from and to CR8 with it; and QEMU takes it where it must not be.
  const lockTried = !string && !plain && !/_cr$/.test(line.helper ?? "");
  const lock =
    line.lockable && form.rm === "mem" ? random.below(4) === 0 : lockTried && random.below(40) === 0;
  const encoding: Encoding = {
    ...skeleton(form),
    addressSize,
    rep:
      string && random.below(4) !== 0 ? random.pick([0xf2, 0xf3]) : legacyRep ? random.pick([0xf2, 0xf3]) : 0,
    lock,
    override:
      overridable && random.below(4) === 0
        ? random.pick(plain && !string ? OVERRIDES.slice(0, 3) : OVERRIDES)
        : 0,
    doubled: random.below(12) === 0,
    ...(modrm ? { modrm } : {}),
    ...(absolute === undefined ? {} : { absolute }),
    immediate: immediates(form, random),
  };
  let eflags = randomFlags(random);
  if (string) eflags |= random.below(3) === 0 ? 0x400 : 0;
  aim(form, draft, content, windows, encoding);
  const fx = new Uint8Array(FX_BYTES);
  putFloatingState(fx, kind, random);
  if (isFloatArithmetic(form) && modrm && random.below(4) !== 0) {
    const { memory, rm } = modrm;
    const first = new DataView(fx.buffer, XMM_AT + 16 * modrm.reg, 16);
    const second = memory
      ? new DataView(content.buffer, operandAt - windows[0], size)
      : new DataView(fx.buffer, XMM_AT + 16 * rm, 16);
    putFloatPairs(first, second, line.mnemonic.endsWith("d"), random);
  }
  const code = encode(encoding, bits);
  return {
    code,
    codeBits: bits,
    end: CODE + END,
    code64: encode64(encoding, base),
    base,
    regs,
    eflags,
    windows,
    content,
    fx,
    operandAt,
    kind,
  };
}

const range = (low: number, high: number): number[] =>
  Array.from({ length: high - low + 1 }, (_, n) => low + n);

function skeleton(form: Form): Encoding {
  const { line, operandSize } = form;
  const mandatory = mandatoryOf(line);
  return {
    map: line.map,
    opcode: line.opcode,
    ...(mandatory ? { mandatory } : {}),
    ...(line.prefix === "none" ? { exact: true } : {}),
    operandSize,
    addressSize: 32,
    rep: 0,
    lock: false,
    override: 0,
    doubled: false,
    immediate: [],
  };
}

/** Sets what an instruction uses without saying so, and makes rare outcomes common. */
function aim(
  form: Form,
  draft: Draft,
  content: Uint8Array,
  windows: [number, number],
  encoding: Encoding,
): void {
  const { regs, random, base } = draft;
  const { line } = form;
  const words = new Uint32Array(content.buffer);
  if (line.string) {
    const page = random.below(4) === 0 ? random.pick([1, 3, 4, 5, 6, 7]) : 2;
    const other = random.below(4) === 0 ? random.pick([8, 10, 11, 12]) : 9;
    windows[0] = windowAt(page);
    windows[1] = windowAt(other);
    const source = windows[0] + HALF + random.below(48) - 24;
    const destination =
      random.below(3) === 0 ? source + random.below(17) - 8 : windows[1] + HALF + random.below(48) - 24;
    const swap = random.below(2) === 0 && (line.mnemonic === "stos" || line.mnemonic === "scas");
    regs[ESI] = source - base;
    regs[EDI] = (swap ? source : destination) - base;
    regs[ECX] = random.below(10);
    if (random.below(2) && /^(cmps|scas)$/.test(line.mnemonic)) {
      // Long runs of equal bytes.
      words.fill(regs[EAX] as number);
      if (random.below(2)) content[random.below(content.length)] = random.below(256);
    }
    return;
  }
  switch (line.mnemonic) {
    case "xlat":
      windows[0] = windowAt(random.below(3) ? 2 : random.pick([1, 3, 5]));
      regs[EAX] = (((regs[EAX] as number) & ~0xff) >>> 0) | random.below(256);
      regs[EBX] = (windows[0] + random.below(WINDOW) - ((regs[EAX] as number) & 0xff) - base) >>> 0;
      break;
    case "maskmovq":
    case "maskmovdqu": {
      const place = operandPlace(line.mnemonic === "maskmovq" ? 8 : 16, random);
      windows[0] = windowAt(place.page);
      regs[EDI] = place.address;
      break;
    }
    case "cmpxchg":
    case "cmpxchg8b":
      if (random.below(2) === 0) words.fill(regs[EAX] as number);
      if (random.below(2) === 0 && line.mnemonic === "cmpxchg8b") regs[EDX] = regs[EAX] as number;
      break;
    case "div":
    case "idiv":
      // Quotients that fit are rare unless the upper half is small.
      if (random.below(2) === 0) regs[EDX] = random.pick([0, 1, 0xffffffff]);
      if (random.below(3) === 0) regs[EAX] = random.below(0x300);
      break;
    case "loop":
    case "loope":
    case "loopne":
    case "jcxz":
      if (random.below(2)) regs[ECX] = random.pick([0, 1, 2, 0x10000, 0x10001, 0xffff0000]);
      break;
    case "bound":
      if (random.below(2)) regs[encoding.modrm?.reg ?? 0] = random.below(100);
      for (let n = 0; n < WINDOW / 4; n++) words[n] = n & 1 ? 0x7fffffff - random.below(9) : random.below(40);
      break;
    default:
      break;
  }
  if (STACK_WORD.test(line.mnemonic)) {
    const page = random.below(4) === 0 ? random.pick([8, 10, 11, 12]) : 9;
    windows[1] = windowAt(page);
    regs[ESP] = windows[1] + HALF + 4 * random.below(21) - 40 + (random.below(5) === 0 ? random.below(4) : 0);
    if (line.mnemonic === "leave" || line.mnemonic === "enter")
      regs[EBP] = windows[1] + HALF + 4 * random.below(15) - 28;
  }
  transfer(form, draft, content, windows, encoding);
}

/** Gives control transfers through registers and memory places to go to: mostly in the code pages. */
function transfer(
  form: Form,
  draft: Draft,
  content: Uint8Array,
  windows: [number, number],
  encoding: Encoding,
): void {
  const { random, regs } = draft;
  const { mnemonic } = form.line;
  const target = () => CODE + random.below(0x1000);
  const selector = () => random.pick([0x23, 0x23, 0x23, 0, 3, 0x2b]);
  const view = new DataView(content.buffer);
  const put = (window: number, address: number, values: readonly number[]) => {
    values.forEach((value, n) => {
      const at = address - windows[window as 0] + 4 * n;
      if (at >= 0 && at + 4 <= WINDOW) view.setUint32(window * WINDOW + at, value, true);
    });
  };
  const flags = (random.word() & 0x40cd5) | 0x202;
  if (mnemonic === "popf" || mnemonic === "iret") {
    // No single steps: the trap would come in the midst of what follows.
    regs[ESP] = ((regs[ESP] as number) & ~1) >>> 0;
    for (let n = 1; n < CONTENT; n += 2) content[n] = (content[n] as number) & ~1;
  }
  if (/^(ret|retf|iret)$/.test(mnemonic))
    put(1, regs[ESP] as number, [target(), mnemonic === "ret" ? random.operand() : selector(), flags]);
  if (/^(call|jmp|callf|jmpf)$/.test(mnemonic) && encoding.modrm) {
    const { memory, rm } = encoding.modrm;
    if (memory) put(0, memory.offset, [target(), selector()]);
    else regs[rm] = target();
  }
}

/** Seed of a form, by its name: other forms may come and go. */
export function seedOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let n = 0; n < name.length; n++) hash = Math.imul(hash ^ name.charCodeAt(n), 0x01000193);
  return hash >>> 0;
}

export function casesOf(form: Form, count: number): Case[] {
  const random = new Random(seedOf(form.name));
  return Array.from({ length: count }, () => makeCase(form, random));
}
