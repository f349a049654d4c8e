/** Instructions in parts, and their bytes in the three modes that matter here. */

export interface MemoryForm {
  /** Address size of the form. */
  readonly size: 16 | 32;
  /** Registers or -1; for 16 bits `rm` is ModRM.rm and the registers follow from it. */
  readonly base: number;
  readonly index: number;
  readonly scale: 0 | 1 | 2 | 3;
  readonly rm16: number;
  readonly displacement: number;
  readonly displacementBytes: 0 | 1 | 2 | 4;
  /** Offset in the segment that comes of it. */
  readonly offset: number;
}

export interface Encoding {
  readonly map: "one" | "0f";
  readonly opcode: number;
  /** 66, F2 or F3 as part of the opcode. */
  readonly mandatory?: number;
  /** 66 would make another instruction of it. */
  readonly exact?: boolean;
  readonly operandSize: 16 | 32;
  /** What LOOP, JCXZ, strings and XLAT count or address with; memory operands have a size of their own, the same. */
  readonly addressSize: 16 | 32;
  /** F2 or F3, else 0. */
  readonly rep: number;
  readonly lock: boolean;
  /** Segment override prefix, else 0. */
  readonly override: number;
  /** Prefixes that are there twice. */
  readonly doubled: boolean;
  readonly modrm?: { readonly reg: number; readonly rm: number; readonly memory?: MemoryForm };
  /** Memory at an absolute offset (A0..A3). */
  readonly absolute?: number;
  readonly immediate: readonly number[];
}

const bytes = (value: number, count: number): number[] =>
  Array.from({ length: count }, (_, n) => (value >>> (8 * n)) & 0xff);

function modrmBytes(reg: number, memory: MemoryForm): number[] {
  const { size, base, index, scale, rm16, displacement, displacementBytes: wide } = memory;
  const tail = bytes(displacement, wide);
  const mod = wide === 0 ? 0 : wide === 1 ? 1 : 2;
  if (size === 16) {
    const absolute = base < 0 && index < 0;
    return [((absolute ? 0 : mod) << 6) | (reg << 3) | (absolute ? 6 : rm16), ...tail];
  }
  if (base < 0 && index < 0) return [(reg << 3) | 5, ...bytes(displacement, 4)];
  if (base < 0) return [(reg << 3) | 4, (scale << 6) | (index << 3) | 5, ...bytes(displacement, 4)];
  if (index < 0 && base !== 4) return [(mod << 6) | (reg << 3) | base, ...tail];
  return [(mod << 6) | (reg << 3) | 4, (scale << 6) | ((index < 0 ? 4 : index) << 3) | base, ...tail];
}

function opcodeBytes(e: Encoding): number[] {
  return [...(e.mandatory ? [e.mandatory] : []), ...(e.map === "0f" ? [0x0f] : []), e.opcode];
}

const LONGEST = 15;

/** IA-32 bytes for a code segment of so many bits; prefixes are doubled only if there is room. */
export function encode(e: Encoding, codeBits: 16 | 32): number[] {
  const code = bytesOf(e, codeBits);
  return code.length > LONGEST ? bytesOf({ ...e, doubled: false }, codeBits) : code;
}

function bytesOf(e: Encoding, codeBits: 16 | 32): number[] {
  const out: number[] = [];
  if (e.operandSize !== codeBits && e.mandatory !== 0x66 && !e.exact) out.push(0x66);
  if (e.addressSize !== codeBits) out.push(0x67);
  if (e.override) out.push(e.override);
  if (e.rep) out.push(e.rep);
  if (e.lock) out.push(0xf0);
  if (e.doubled) out.push(...out.filter((prefix) => prefix !== 0xf2 && prefix !== 0xf3));
  out.push(...opcodeBytes(e));
  if (e.modrm) {
    if (e.modrm.memory) out.push(...modrmBytes(e.modrm.reg, e.modrm.memory));
    else out.push(0xc0 | (e.modrm.reg << 3) | e.modrm.rm);
  }
  if (e.absolute !== undefined) out.push(...bytes(e.absolute, e.addressSize / 8));
  return [...out, ...e.immediate];
}

/** One-byte opcodes that 64-bit mode has not, or that mean something else there. */
const NOT_IN_64 = new Set([
  0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x62, 0x63, 0x9a, 0xc4, 0xc5,
  0xc8, 0xc9, 0xce, 0xcf, 0xca, 0xcb, 0xd4, 0xd5, 0xd6, 0xea, 0xc2, 0xc3, 0xe8, 0x9c, 0x9d, 0xf1, 0x8e, 0x8c,
  0x8f,
]);
const NOT_IN_64_0F = new Set([0xa0, 0xa1, 0xa8, 0xa9, 0xb2, 0xb4, 0xb5]);

/**
 * Bytes of 64-bit mode that do the same, in flat memory with the base of GS at the segments' base; undefined where there are none.
 * An address is computed in 32 bits (prefix 67) from the same registers, or, where the form is one of 16 bits, given as it comes out.
 */
export function encode64(e: Encoding, base: number): number[] | undefined {
  let { opcode } = e;
  let { modrm } = e;
  const out: number[] = [];
  const pushes = e.map === "one" && ((opcode >= 0x50 && opcode < 0x60) || opcode === 0x68 || opcode === 0x6a);
  if (e.map === "one") {
    if (NOT_IN_64.has(opcode)) return undefined;
    if (pushes && (e.operandSize === 32 || base !== 0)) return undefined;
    if (opcode === 0xff && modrm && modrm.reg >= 2 && modrm.reg <= 6) {
      if (modrm.reg !== 6 || e.operandSize === 32 || base !== 0) return undefined;
    }
    if (opcode >= 0x40 && opcode < 0x50) {
      modrm = { reg: (opcode >> 3) & 1, rm: opcode & 7 };
      opcode = 0xff;
    }
    if (opcode === 0x82) opcode = 0x80;
    if (opcode === 0xe3 && e.addressSize === 16) return undefined;
    if (opcode >= 0xe0 && opcode <= 0xe2 && e.addressSize === 16) return undefined;
  } else if (NOT_IN_64_0F.has(opcode)) return undefined;
  const string = e.map === "one" && ((opcode >= 0xa4 && opcode < 0xa8) || (opcode >= 0xaa && opcode < 0xb0));
  const ports = e.map === "one" && opcode >= 0x6c && opcode < 0x70;
  if ((string || ports) && (base !== 0 || e.addressSize === 16)) return undefined;
  const branch =
    (e.map === "one" &&
      ((opcode >= 0x70 && opcode < 0x80) ||
        opcode === 0xe9 ||
        opcode === 0xeb ||
        (opcode & 0xfc) === 0xe0)) ||
    (e.map === "0f" && opcode >= 0x80 && opcode < 0x90);
  const xlat = e.map === "one" && opcode === 0xd7;
  if (xlat && e.addressSize === 16) return undefined;
  if (e.operandSize === 16 && !branch && e.mandatory !== 0x66) out.push(0x66);
  const masked = e.map === "0f" && opcode === 0xf7;
  const addresses =
    masked || modrm?.memory !== undefined || e.absolute !== undefined || string || ports || xlat;
  const counts = e.map === "one" && opcode >= 0xe0 && opcode <= 0xe3;
  if (addresses || counts) out.push(0x67);
  if (base !== 0 && addresses) out.push(0x65);
  if (e.rep) out.push(e.rep);
  if (e.lock) out.push(0xf0);
  if (e.mandatory) out.push(e.mandatory);
  if (e.map === "0f") out.push(0x0f);
  out.push(opcode);
  if (modrm) {
    const { memory, reg } = modrm;
    if (!memory) out.push(0xc0 | (reg << 3) | modrm.rm);
    else if (memory.size === 16 || (memory.base < 0 && memory.index < 0))
      out.push((reg << 3) | 4, 0x25, ...bytes(memory.offset, 4));
    else out.push(...modrmBytes(reg, memory));
  }
  if (e.absolute !== undefined) out.push(...bytes(e.absolute, 4));
  const immediate = [...e.immediate];
  if (branch && e.operandSize === 16 && immediate.length === 2) {
    const sign = (immediate[1] as number) & 0x80 ? 0xff : 0;
    immediate.push(sign, sign);
  }
  out.push(...immediate);
  return out;
}
