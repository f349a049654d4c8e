import { describe, expect, it } from "vitest";
import { execute } from "./support/execute.ts";
import { MODELS, type Model } from "./support/model.ts";
import { Random } from "./support/random.ts";

const WIDTHS = [8, 16, 32] as const;
const NO_DATA = new Array<number>(16).fill(0);
const EAX = 0;
const ECX = 1;
const EDX = 2;

/** ModRM forms with the operand in (E)AX, the second, if any, in (E)CX or CL; opcodes are those of the byte form. */
const ENCODINGS: Readonly<Record<keyof typeof MODELS, readonly [opcode: number, modrm: number]>> = {
  add: [0x00, 0xc8],
  or: [0x08, 0xc8],
  adc: [0x10, 0xc8],
  sbb: [0x18, 0xc8],
  and: [0x20, 0xc8],
  sub: [0x28, 0xc8],
  xor: [0x30, 0xc8],
  cmp: [0x38, 0xc8],
  inc: [0xfe, 0xc0],
  dec: [0xfe, 0xc8],
  not: [0xf6, 0xd0],
  neg: [0xf6, 0xd8],
  rol: [0xd2, 0xc0],
  ror: [0xd2, 0xc8],
  rcl: [0xd2, 0xd0],
  rcr: [0xd2, 0xd8],
  shl: [0xd2, 0xe0],
  shr: [0xd2, 0xe8],
  sar: [0xd2, 0xf8],
};

function encode(opcode: number, modrm: number, width: number): number[] {
  const code = [width === 8 ? opcode : opcode + 1, modrm];
  return width === 16 ? [0x66, ...code] : code;
}

const names = Object.keys(MODELS) as (keyof typeof MODELS)[];

describe.each(WIDTHS)("%i-bit operations are what the manual says", (width) => {
  it.each(names)("%s", (name) => {
    const model: Model = MODELS[name];
    const [opcode, modrm] = ENCODINGS[name];
    const code = encode(opcode, modrm, width);
    const random = new Random(width);
    for (let n = 0; n < 500; n++) {
      const eax = random.operand();
      const ecx = random.operand();
      const eflags = (random.word() & 0x8d5) | 0x202;
      const cut = (value: number) => BigInt.asUintN(width, BigInt(value));
      const expected = model(cut(eax), cut(ecx), width, eflags);
      const actual = execute({ code, regs: [eax, ecx, 0, 0, 0, 0, 0, 0], eflags, data: NO_DATA });
      const upper = BigInt(eax) - cut(eax);
      expect(
        { eax: BigInt(actual.regs[EAX] as number), flags: actual.eflags & expected.defined },
        `${name} ${eax.toString(16)}, ${ecx.toString(16)}, flags ${eflags.toString(16)}`,
      ).toEqual({ eax: upper | expected.result, flags: expected.flags });
    }
  });
});

describe.each(WIDTHS)("%i-bit multiplication and division", (width) => {
  /** The double-width accumulator: AX, DX:AX or EDX:EAX. */
  const accumulator = (regs: readonly number[]): bigint => {
    const [low, high] = [BigInt(regs[EAX] as number), BigInt(regs[EDX] as number)];
    if (width === 8) return BigInt.asUintN(16, low);
    return (BigInt.asUintN(width, high) << BigInt(width)) | BigInt.asUintN(width, low);
  };
  const view = (isSigned: boolean, bits: number, value: bigint) =>
    isSigned ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);

  it.each([
    ["mul", 0xe1, false],
    ["imul", 0xe9, true],
  ] as const)("%s", (_, modrm, isSigned) => {
    const random = new Random(width + 1);
    for (let n = 0; n < 300; n++) {
      const regs = [random.operand(), random.operand(), random.operand(), 0, 0, 0, 0, 0];
      const { regs: after, eflags } = execute({
        code: encode(0xf6, modrm, width),
        regs,
        eflags: 0x202,
        data: NO_DATA,
      });
      const a = view(isSigned, width, BigInt(regs[EAX] as number));
      const b = view(isSigned, width, BigInt(regs[ECX] as number));
      expect(accumulator(after)).toBe(BigInt.asUintN(2 * width, a * b));
      expect(eflags & 0x801).toBe(view(isSigned, width, a * b) === a * b ? 0 : 0x801);
    }
  });

  it.each([
    ["div", 0xf1, false],
    ["idiv", 0xf9, true],
  ] as const)("%s, and its divide error", (_, modrm, isSigned) => {
    const random = new Random(width + 2);
    const seen = { error: 0, quotient: 0 };
    for (let n = 0; n < 600; n++) {
      const high = random.pick([0, 1, 0xffffffff, random.operand()]);
      const regs = [random.operand(), random.operand(), high, 0, 0, 0, 0, 0];
      const after = execute({ code: encode(0xf6, modrm, width), regs, eflags: 0x202, data: NO_DATA });
      const dividend = view(isSigned, 2 * width, accumulator(regs));
      const divisor = view(isSigned, width, BigInt(regs[ECX] as number));
      const quotient = divisor === 0n ? undefined : dividend / divisor;
      if (quotient === undefined || view(isSigned, width, quotient) !== quotient) {
        seen.error++;
        expect(after).toMatchObject({ vector: 0, regs });
        continue;
      }
      seen.quotient++;
      const remainder = BigInt.asUintN(width, dividend % divisor);
      expect(accumulator(after.regs)).toBe((remainder << BigInt(width)) | BigInt.asUintN(width, quotient));
    }
    expect(Math.min(seen.error, seen.quotient)).toBeGreaterThan(20);
  });
});
