import type { Random } from "../instructions/support/random.ts";
import type { MemoryForm } from "./encoding.ts";
import { HALF, WINDOW, windowAt } from "./memory-map.ts";

const [EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI] = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const NO_REGISTER = -1;

/** 16-bit addresses by ModRM.rm: base and index. */
const PAIRS_16: readonly (readonly [base: number, index: number])[] = [
  [EBX, ESI],
  [EBX, EDI],
  [EBP, ESI],
  [EBP, EDI],
  [ESI, NO_REGISTER],
  [EDI, NO_REGISTER],
  [EBP, NO_REGISTER],
  [EBX, NO_REGISTER],
];

export interface Place {
  readonly page: number;
  readonly address: number;
}

/** Where an operand lies: aligned, misaligned, across two pages, or where some of it cannot be read or written. */
export function operandPlace(size: number, random: Random): Place {
  const kind = random.below(20);
  const page = kind < 15 ? 2 : random.pick([1, 3, 4, 5, 6, 7]);
  const middle = windowAt(page) + HALF;
  const room = WINDOW - size;
  if (size > HALF) return { page, address: windowAt(page) + random.below(room + 1) };
  let offset = random.below(room + 1);
  if (kind < 8) offset -= offset % Math.min(16, size & (size - 1) ? 4 : size);
  else if (kind >= 12 && size > 1) offset = HALF - 1 - random.below(size - 1);
  return { page, address: middle - HALF + offset };
}

/** A case under construction. */
export interface Draft {
  readonly regs: Uint32Array;
  readonly random: Random;
  /** Registers whose values are fixed by now. */
  readonly taken: Set<number>;
  readonly base: number;
}

/** An address form that gives `offset`, with the registers set for it. */
export function memoryForm(offset: number, size: 16 | 32, draft: Draft): MemoryForm {
  const { random, regs, taken } = draft;
  const none = { base: NO_REGISTER, index: NO_REGISTER, scale: 0, rm16: 6 } as const;
  const absolute = (): MemoryForm => ({
    ...none,
    size,
    displacement: offset,
    displacementBytes: size === 16 ? 2 : 4,
    offset,
  });
  if (random.below(6) === 0) return absolute();
  const wide = random.pick([0, 1, 1, 2] as const);
  const long = size === 16 ? 2 : 4;
  const displacementBytes = wide === 2 ? long : wide;
  let displacement = 0;
  if (wide === 1) displacement = random.below(256) - 128;
  if (wide === 2) displacement = size === 16 ? random.below(0x10000) : random.operand();
  if (size === 16) {
    const rm16 = random.below(8);
    const [base, index] = PAIRS_16[rm16] as readonly [number, number];
    if (taken.has(base) || (index !== NO_REGISTER && taken.has(index))) return absolute();
    const second = index === NO_REGISTER ? 0 : random.below(0x10000);
    const upper = () => (random.below(2) ? random.word() & 0xffff0000 : 0);
    if (index !== NO_REGISTER) regs[index] = (upper() | second) >>> 0;
    regs[base] = (upper() | ((offset - second - displacement) & 0xffff)) >>> 0;
    taken.add(base).add(index);
    const zero = base === EBP && index === NO_REGISTER && displacementBytes === 0;
    return {
      size,
      base,
      index,
      scale: 0,
      rm16,
      displacement,
      displacementBytes: zero ? 1 : displacementBytes,
      offset,
    };
  }
  const free = [EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI].filter((r) => !taken.has(r));
  const base = random.below(8) === 0 ? NO_REGISTER : random.pick(free);
  const indices = free.filter((r) => r !== base && r !== ESP);
  const index = base === NO_REGISTER || random.below(2) ? random.pick(indices) : NO_REGISTER;
  const scale = index === NO_REGISTER ? 0 : (random.below(4) as 0 | 1 | 2 | 3);
  if (base === NO_REGISTER) {
    // Index and a displacement of 32 bits.
    const value = random.operand();
    regs[index] = value;
    taken.add(index);
    return {
      ...none,
      size,
      index,
      scale,
      displacement: (offset - (value << scale)) | 0,
      displacementBytes: 4,
      offset,
    };
  }
  const value = index === NO_REGISTER ? 0 : random.below(2) ? random.below(64) : random.operand();
  if (index !== NO_REGISTER) regs[index] = value;
  regs[base] = (offset - displacement - (value << scale)) >>> 0;
  taken.add(base).add(index);
  const zero = base === EBP && displacementBytes === 0;
  return {
    size,
    base,
    index,
    scale,
    rm16: 0,
    displacement,
    displacementBytes: zero ? 1 : displacementBytes,
    offset,
  };
}
