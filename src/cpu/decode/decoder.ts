import { Generation } from "../instructions/line.ts";
import { OPCODE_LINES } from "../instructions/table.ts";
import { BASE_16, INDEX_16, SEGMENT_DS, SEGMENT_OF_BASE, SEGMENT_SS } from "./address.ts";
import type { Instruction } from "./instruction.ts";
import { Immediate, OpcodeLookup, Plane, Position, type Shape } from "./lookup.ts";

export const DecodeResult = {
  ok: 0,
  /** The instruction goes on past the bytes available: give more, or raise the fault of fetching them. */
  needMore: 1,
  /** More than 15 bytes: #GP(0). */
  tooLong: 2,
  /** No such opcode, or LOCK where it is not allowed: #UD. */
  undefinedOpcode: 3,
} as const;
export type DecodeResult = (typeof DecodeResult)[keyof typeof DecodeResult];

/** SDM vol. 3, 6.15, interrupt 13: instructions longer than this raise #GP. */
export const MAX_INSTRUCTION_BYTES = 15;

/** All CPUID features there are: every line of the table exists. */
const EVERY_FEATURE = 0xffffffff;

const LOOKUP = new OpcodeLookup(OPCODE_LINES);

/** A record for `decode` to fill. */
export function createInstruction(): Instruction {
  return {
    line: OPCODE_LINES[0]!,
    length: 0,
    opcode: 0,
    operandSize: 32,
    addressSize: 32,
    width: 32,
    rep: 0,
    lock: false,
    modrm: -1,
    memory: false,
    base: -1,
    index: -1,
    scale: 0,
    displacement: 0,
    segment: SEGMENT_DS,
    immediate: 0,
    immediate2: 0,
  };
}

/**
 * Decodes IA-32 machine code. Bytes beyond `available` are never taken into account, though they may be looked at: what
 * was decoded from them is thrown away. So the hot path checks the length once, at the end.
 *
 * `rep` is reported for every instruction; only lines with `string` repeat. `segment` is the override, or the default of the memory
 * operand (DS where there is none, as string instructions want it).
 */
export class Decoder {
  readonly #features: number;
  /** The processor is an 80386, whose decoding differs in places. */
  readonly before486: boolean;
  #bytes: Uint8Array = new Uint8Array(0);
  #cursor = 0;
  /** Segment override, -1 none. */
  #override = -1;

  /** `features`: the CPUID leaf 1 EDX word of the processor; opcodes of features that it lacks are undefined. */
  constructor(features: number = EVERY_FEATURE) {
    this.#features = features;
    this.before486 = (features & (1 << Generation.i486)) === 0;
  }

  /**
   * Decodes the instruction at `bytes[at]`, of which `available` bytes may be used, into `out`. `mode32` is CS.D. Unless the
   * result is ok, `out` holds nothing of use.
   */
  decode(bytes: Uint8Array, at: number, available: number, mode32: boolean, out: Instruction): DecodeResult {
    this.#bytes = bytes;
    this.#cursor = at;
    const found = this.#decode(mode32, at, out);
    const length = this.#cursor - at;
    if (length > MAX_INSTRUCTION_BYTES && available >= MAX_INSTRUCTION_BYTES) return DecodeResult.tooLong;
    if (length > available) return DecodeResult.needMore;
    out.length = length;
    return found ? DecodeResult.ok : DecodeResult.undefinedOpcode;
  }

  /** False when there is no such instruction. */
  #decode(mode32: boolean, at: number, out: Instruction): boolean {
    let position = this.#prefixes(mode32, at, out);
    if (position < 0) return false;
    if (position === 0x0f) position = 256 + this.#byte();
    out.opcode = position & 0xff;

    let shape: Shape | undefined;
    out.modrm = -1;
    out.memory = false;
    out.base = -1;
    out.index = -1;
    out.scale = 0;
    out.displacement = 0;
    out.segment = this.#override < 0 ? SEGMENT_DS : this.#override;
    const kind = LOOKUP.kinds[position] as number;
    if (kind & Position.prefixed) position += this.#plane(mode32, out);
    if (kind & Position.modrm) {
      const modrm = this.#byte();
      const isRegister = modrm >= 0xc0;
      shape = LOOKUP.find(position, (modrm >> 3) & 7, isRegister);
      if (shape === undefined) return false;
      out.modrm = modrm;
      if (!isRegister && !shape.registerOnly) this.#address(modrm, out);
    } else {
      shape = LOOKUP.find(position, 0, false);
      if (shape === undefined) return false;
      if (shape.baseBx) {
        out.memory = true;
        out.base = 3;
      }
    }

    if (shape.feature !== 0 && (shape.feature & this.#features) === 0) return false;
    out.width = shape.width === 0 ? out.operandSize : shape.width;
    out.immediate = 0;
    out.immediate2 = 0;
    if (shape.immediate !== Immediate.none) {
      if (shape.immediate === Immediate.offset) {
        out.memory = true;
        out.displacement = out.addressSize === 32 ? this.#dword() : this.#word();
      } else {
        out.immediate = this.#immediate(shape.immediate, out);
        if (shape.immediate === Immediate.far) out.immediate2 = this.#word();
        else if (shape.immediate2 !== Immediate.none) out.immediate2 = this.#immediate(shape.immediate2, out);
      }
    }
    if (shape.zeroCount !== undefined && (out.immediate & 31) === 0) shape = shape.zeroCount;
    out.line = shape.line;
    return !out.lock || (shape.line.lockable === true && out.memory);
  }

  /** Which mandatory prefix there is: the last of F2 and F3, else 66. */
  #plane(mode32: boolean, out: Instruction): number {
    if (out.rep !== 0) return out.rep === 0xf3 ? Plane.repeat : Plane.repeatNot;
    return out.operandSize === (mode32 ? 16 : 32) ? Plane.operandSize : Plane.none;
  }

  /** Reads prefixes and the first opcode byte, which it gives; -1 when there is none within 15 bytes. */
  #prefixes(mode32: boolean, at: number, out: Instruction): number {
    out.rep = 0;
    out.lock = false;
    out.operandSize = mode32 ? 32 : 16;
    out.addressSize = mode32 ? 32 : 16;
    this.#override = -1;
    while (this.#cursor - at <= MAX_INSTRUCTION_BYTES) {
      const byte = this.#byte();
      switch (byte) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
          this.#override = (byte >> 3) & 3;
          break;
        case 0x64:
        case 0x65:
          this.#override = byte & 7;
          break;
        case 0x66:
          out.operandSize = mode32 ? 16 : 32;
          break;
        case 0x67:
          out.addressSize = mode32 ? 16 : 32;
          break;
        case 0xf0:
          out.lock = true;
          break;
        case 0xf2:
        case 0xf3:
          out.rep = byte;
          break;
        default:
          return byte;
      }
    }
    return -1;
  }

  /** The memory operand of a ModRM byte whose mod is not 3. */
  #address(modrm: number, out: Instruction): void {
    out.memory = true;
    const mod = modrm >> 6;
    const rm = modrm & 7;
    if (out.addressSize === 32) this.#address32(mod, rm, out);
    else this.#address16(mod, rm, out);
    if (this.#override >= 0) out.segment = this.#override;
  }

  #address32(mod: number, rm: number, out: Instruction): void {
    let base = rm;
    /** Of the base, where there is no index. */
    let baseScale = 0;
    if (rm === 4) {
      const sib = this.#byte();
      base = sib & 7;
      const index = (sib >> 3) & 7;
      if (index !== 4) {
        out.index = index;
        out.scale = sib >> 6;
      } else if (this.before486) baseScale = sib >> 6;
    }
    if (mod === 0 && base === 5) {
      out.displacement = this.#dword();
      return;
    }
    if (baseScale !== 0) {
      // The manual leaves open what a scale without an index does: an 80386 scales the base.
      out.index = base;
      out.scale = baseScale;
    } else out.base = base;
    out.segment = SEGMENT_OF_BASE[base] as number;
    if (mod === 1) out.displacement = (this.#byte() << 24) >> 24;
    else if (mod === 2) out.displacement = this.#dword();
  }

  #address16(mod: number, rm: number, out: Instruction): void {
    if (mod === 0 && rm === 6) {
      out.displacement = (this.#word() << 16) >> 16;
      return;
    }
    out.base = BASE_16[rm] as number;
    out.index = INDEX_16[rm] as number;
    if (out.base === 5) out.segment = SEGMENT_SS;
    if (mod === 1) out.displacement = (this.#byte() << 24) >> 24;
    else if (mod === 2) out.displacement = (this.#word() << 16) >> 16;
  }

  #immediate(kind: Immediate, out: Instruction): number {
    const wide = out.operandSize === 32;
    switch (kind) {
      case Immediate.byte:
        return this.#byte();
      case Immediate.byteSigned: {
        const value = (this.#byte() << 24) >> 24;
        return wide ? value : value & 0xffff;
      }
      case Immediate.relativeByte:
        return (this.#byte() << 24) >> 24;
      case Immediate.relative:
        return wide ? this.#dword() : (this.#word() << 16) >> 16;
      case Immediate.word:
        return this.#word();
      default:
        return wide ? this.#dword() : this.#word();
    }
  }

  #byte(): number {
    return this.#bytes[this.#cursor++]! | 0;
  }

  #word(): number {
    const low = this.#byte();
    return low | (this.#byte() << 8);
  }

  #dword(): number {
    const low = this.#word();
    return low | (this.#word() << 16);
  }
}
