import type { Random } from "../instructions/support/random.ts";
import { encode } from "../recorded/encoding.ts";
import { FORMS } from "../recorded/forms.ts";
import { SELECTORS } from "./places.ts";

/** Bytes to be run as code: random ones, and ones that reach the rarer parts of the engine. */

/** Beginnings that random bytes seldom get right. */
const SEEDS: readonly (readonly number[])[] = [
  [0x0f, 0x01],
  [0x0f, 0x00],
  [0x0f, 0x20],
  [0x0f, 0x22],
  [0x0f, 0x21],
  [0x0f, 0x23],
  [0x0f, 0x30],
  [0x0f, 0x32],
  [0x0f, 0xa2],
  [0x0f, 0xb2],
  [0x0f, 0xc7],
  [0x0f, 0xae],
  [0x8e],
  [0xcf],
  [0xea],
  [0x9a],
  [0xcb],
  [0xcd],
  [0xf3, 0xa4],
  [0xf3, 0xab],
  [0xf3, 0x6c],
  [0xf2, 0xae],
  [0xfb],
  [0x9d],
  [0xc8],
  [0xff],
  [0xd9],
  [0xdd],
  [0x66],
  [0x67],
  [0x64],
  [0xf0],
];

export type Flavour = "bytes" | "seeded" | "valid" | "self-modifying";
export const FLAVOURS: readonly Flavour[] = ["bytes", "seeded", "valid", "self-modifying"];

/** One instruction of the table with random operands. */
function valid(bits: 16 | 32, random: Random): number[] {
  const { line, rm, operandSize, x87 } = random.pick(FORMS);
  const reg = x87?.reg ?? line.extension ?? random.below(8);
  const register = x87 ? (x87.low & 7) + random.below((x87.high & 7) - (x87.low & 7) + 1) : random.below(8);
  const base = random.below(8);
  const memory = {
    size: bits,
    base,
    index: -1,
    scale: 0,
    rm16: random.below(8),
    displacement: random.below(256) - 128,
    displacementBytes: 1,
    offset: 0,
  } as const;
  const wide = operandSize / 8;
  const lengths: Readonly<Record<string, number>> = {
    Ib: 1,
    Ibs: 1,
    Jb: 1,
    Iw: 2,
    Iz: wide,
    Jz: wide,
    A: wide + 2,
  };
  const length = line.operands.reduce((sum, { code }) => sum + (lengths[code] ?? 0), 0);
  const near = line.operands.some(({ code }) => code === "Jz");
  const immediate = Array.from({ length }, (_, n) => (near && n > 0 ? 0 : random.below(256)));
  if (line.operands.some(({ code }) => code === "A") && random.below(4)) {
    const selector = random.pick(SELECTORS);
    immediate.splice(-2, 2, selector & 0xff, selector >>> 8);
  }
  return encode(
    {
      map: line.map,
      opcode: line.opcode,
      operandSize,
      addressSize: bits,
      rep: line.string && random.below(2) ? 0xf3 : 0,
      lock: line.lockable === true && rm === "mem" && random.below(4) === 0,
      override: random.below(16) === 0 ? random.pick([0x26, 0x2e, 0x36, 0x64, 0x65]) : 0,
      doubled: false,
      ...(rm === "none" ? {} : { modrm: rm === "mem" ? { reg, rm: 0, memory } : { reg, rm: register } }),
      ...(line.operands.some(({ code }) => code[0] === "O") ? { absolute: random.word() } : {}),
      immediate,
    },
    bits,
  );
}

/** MOV BYTE [EIP-relative to the code by an absolute address], imm8: a store into what is run. */
function storeInto(at: number, size: number, bits: 16 | 32, random: Random): number[] {
  const target = bits === 32 ? at + random.below(size) : random.below(size);
  const address = [target & 0xff, (target >>> 8) & 0xff, (target >>> 16) & 0xff, target >>> 24].slice(
    0,
    bits / 8,
  );
  return [0xc6, bits === 32 ? 0x05 : 0x06, ...address, random.below(256)];
}

/** Fills `bytes`, which will lie at linear address `at`. */
export function fillCode(
  bytes: Uint8Array,
  at: number,
  bits: 16 | 32,
  flavour: Flavour,
  random: Random,
): void {
  for (let n = 0; n < bytes.length; n += 4) {
    const word = random.word();
    bytes.set([word, word >>> 8, word >>> 16, word >>> 24], n);
  }
  if (flavour === "bytes") return;
  if (flavour === "seeded") {
    for (let n = 0; n < bytes.length / 64; n++) bytes.set(random.pick(SEEDS), random.below(bytes.length - 2));
    return;
  }
  for (let n = 0; n < bytes.length - 32; ) {
    const store = flavour === "self-modifying" && random.below(8) === 0;
    const code = store ? storeInto(at, bytes.length, bits, random) : valid(bits, random);
    bytes.set(code, n);
    n += code.length;
  }
}
