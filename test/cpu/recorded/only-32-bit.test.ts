import { describe, expect, test } from "vitest";
import { Flag } from "../../../src/cpu/state.ts";
import { Random } from "../instructions/support/random.ts";
import { CODE, DATA, DATA_WORDS, type Outcome, runByHand } from "./by-hand.ts";

/** Instructions that 64-bit mode has not, or has with other operand sizes: by the manual's own words (Intel SDM vol. 2), on the engine. */

const { CF, PF, AF, ZF, SF, OF } = Flag;
const START = DATA;

function run(
  code: readonly number[],
  regs: Partial<Record<number, number>> = {},
  eflags = 0,
  data: readonly number[] = [],
) {
  return runByHand({
    code,
    regs: Array.from({ length: 8 }, (_, n) => regs[n] ?? 0x11111111 * (n + 1)),
    eflags: eflags | 0x202,
    data: Array.from({ length: DATA_WORDS }, (_, n) => data[n] ?? 0),
  });
}

const isEven = (byte: number): boolean =>
  [...(byte & 0xff).toString(2)].filter((bit) => bit === "1").length % 2 === 0;
const resultFlags = (al: number): number =>
  (al & 0x80 ? SF : 0) | ((al & 0xff) === 0 ? ZF : 0) | (isEven(al) ? PF : 0);

interface Adjusted {
  readonly ax: number;
  readonly flags: number;
}

const MODELS: Readonly<
  Record<string, { opcode: number; defined: number; model: (ax: number, flags: number) => Adjusted }>
> = {
  daa: {
    opcode: 0x27,
    defined: CF | AF | ZF | SF | PF,
    model: (ax, flags) => {
      const old = ax & 0xff;
      const low = (old & 15) > 9 || (flags & AF) !== 0;
      const high = old > 0x99 || (flags & CF) !== 0;
      const al = (old + (low ? 6 : 0) + (high ? 0x60 : 0)) & 0xff;
      return { ax: (ax & 0xff00) | al, flags: (low ? AF : 0) | (high ? CF : 0) | resultFlags(al) };
    },
  },
  das: {
    opcode: 0x2f,
    defined: CF | AF | ZF | SF | PF,
    model: (ax, flags) => {
      const old = ax & 0xff;
      const low = (old & 15) > 9 || (flags & AF) !== 0;
      const high = old > 0x99 || (flags & CF) !== 0;
      const al = (old - (low ? 6 : 0) - (high ? 0x60 : 0)) & 0xff;
      const carry = high || (low && old < 6);
      return { ax: (ax & 0xff00) | al, flags: (low ? AF : 0) | (carry ? CF : 0) | resultFlags(al) };
    },
  },
  aaa: {
    opcode: 0x37,
    defined: CF | AF,
    model: (ax, flags) => {
      const adjusts = (ax & 15) > 9 || (flags & AF) !== 0;
      return { ax: (adjusts ? ax + 0x106 : ax) & 0xff0f, flags: adjusts ? CF | AF : 0 };
    },
  },
  aas: {
    opcode: 0x3f,
    defined: CF | AF,
    model: (ax, flags) => {
      const adjusts = (ax & 15) > 9 || (flags & AF) !== 0;
      return { ax: (adjusts ? ax - 0x106 : ax) & 0xff0f, flags: adjusts ? CF | AF : 0 };
    },
  },
};

describe("decimal adjustment, for every AL and flags", () => {
  test.each(Object.entries(MODELS))("%s", (_name, { opcode, defined, model }) => {
    const wrong: string[] = [];
    for (let n = 0; n < 1 << 12; n++) {
      const ax = ((n & 0x800 ? 0x5a : 0xff) << 8) | (n & 0xff);
      const flags = (n & 0x100 ? CF : 0) | (n & 0x200 ? AF : 0) | (n & 0x400 ? OF | SF | ZF | PF : 0);
      const { regs, eflags } = run([opcode], { 0: 0xabcd0000 | ax }, flags);
      const expected = model(ax, flags);
      if (((regs[0] as number) & 0xffff) !== expected.ax || (eflags & defined) !== expected.flags)
        wrong.push(
          `AX ${ax.toString(16)} flags ${flags.toString(16)}: ${(regs[0] as number).toString(16)} ${(eflags & defined).toString(16)}`,
        );
    }
    expect(wrong.slice(0, 3)).toEqual([]);
  });

  test("aam divides AL by any base, and by 0 faults", () => {
    for (const base of [10, 16, 1, 7, 255])
      for (let al = 0; al < 256; al++) {
        const { regs, eflags } = run([0xd4, base], { 0: 0x7700 | al });
        const left = al % base;
        expect([(regs[0] as number) & 0xffff, eflags & (SF | ZF | PF)]).toEqual([
          (Math.floor(al / base) << 8) | left,
          resultFlags(left),
        ]);
      }
    expect(run([0xd4, 0]).vector).toBe(0);
  });

  test("aad multiplies AH by any base and adds it to AL", () => {
    const random = new Random(0xaad);
    for (let n = 0; n < 2000; n++) {
      const [ax, base] = [random.word() & 0xffff, random.pick([10, 16, 0, 255, 3])];
      const { regs, eflags } = run([0xd5, base], { 0: ax });
      const al = ((ax & 0xff) + (ax >> 8) * base) & 0xff;
      expect([(regs[0] as number) & 0xffff, eflags & (SF | ZF | PF)]).toEqual([al, resultFlags(al)]);
    }
  });

  test("salc fills AL with CF", () => {
    expect(
      [0, CF].map((flags) => (run([0xd6], { 0: 0x12345678 }, flags).regs[0] as number).toString(16)),
    ).toEqual(["12345600", "123456ff"]);
  });
});

describe("the stack", () => {
  const ESP = 4;
  const middle = START + 32;
  /** Stack pointer's movement, and the words that have changed, by offset from the middle. */
  function pushed(outcome: Outcome): [number, Record<number, number>] {
    const words = outcome.data.flatMap((word, n) => (word === 0 ? [] : [[n * 4 - 32, word]]));
    return [(outcome.regs[ESP] as number) - middle, Object.fromEntries(words)];
  }
  test.each([
    ["push ecx", [0x51], -4, { "-4": 0x22222222 }],
    ["push cx", [0x66, 0x51], -2, { "-4": 0x22220000 }],
    ["push esp, its old value", [0x54], -4, { "-4": middle }],
    ["push imm32", [0x68, 0x78, 0x56, 0x34, 0x12], -4, { "-4": 0x12345678 }],
    ["push imm16", [0x66, 0x68, 0x34, 0x12], -2, { "-4": 0x12340000 }],
    ["push imm8, sign-extended", [0x6a, 0x80], -4, { "-4": 0xffffff80 }],
    ["push r/m", [0xff, 0xf1], -4, { "-4": 0x22222222 }],
    [
      "pusha",
      [0x60],
      -32,
      {
        "-4": 0x11111111,
        "-8": 0x22222222,
        "-12": 0x33333333,
        "-16": 0x44444444,
        "-20": middle,
        "-24": 0x66666666,
        "-28": 0x77777777,
        "-32": 0x88888888,
      },
    ],
  ] as const)("%s", (_name, code, moved, words) => {
    expect(pushed(run(code, { [ESP]: middle }))).toEqual([moved, words]);
  });

  const data = Array.from({ length: DATA_WORDS }, (_, n) => 0xa0000000 + n);
  test.each([
    ["pop ecx", [0x59], { 1: 0xa0000008, 4: middle + 4 }],
    ["pop cx", [0x66, 0x59], { 1: 0x22220008, 4: middle + 2 }],
    ["pop esp", [0x5c], { 4: 0xa0000008 }],
    ["pop r/m", [0x8f, 0xc1], { 1: 0xa0000008, 4: middle + 4 }],
    [
      "popa, but ESP",
      [0x61],
      {
        7: 0xa0000008,
        6: 0xa0000009,
        5: 0xa000000a,
        4: middle + 32,
        3: 0xa000000c,
        2: 0xa000000d,
        1: 0xa000000e,
        0: 0xa000000f,
      },
    ],
    ["leave", [0xc9], { 5: 0xa000000a, 4: middle + 12 }],
    ["ret n drops arguments", [0xc2, 0x08, 0x00], { 4: middle + 12 }],
  ] as const)("%s", (_name, code, changes) => {
    const regs = { [ESP]: middle, 5: middle + 8 };
    const words = [...data];
    // RET's target: the next instruction, which the replay takes for none taken.
    if (code[0] === 0xc2) words[8] = CODE + code.length;
    const outcome = run(code, regs, 0, words);
    const expected = Array.from({ length: 8 }, (_, n) => 0x11111111 * (n + 1));
    for (const [n, value] of Object.entries({ ...regs, ...changes })) expected[Number(n)] = value;
    expect(outcome.regs).toEqual(expected);
  });

  test("call and jmp, near, through a register and memory", () => {
    const target = CODE + 16;
    const branch = (code: readonly number[], words: readonly number[] = []) =>
      run(code, { [ESP]: middle, 1: target, 3: START }, 0, words);
    // 14 bytes behind a two-byte instruction.
    expect(branch([0xff, 0xe1]).taken).toBe(true);
    expect(branch([0xff, 0x23], [target]).taken).toBe(true);
    const called = branch([0xff, 0xd1]);
    expect([called.taken, pushed(called)]).toEqual([true, [-4, { "-4": CODE + 2 }]]);
    const near = run([0xe8, 14, 0, 0, 0], { [ESP]: middle });
    expect([near.taken, pushed(near)]).toEqual([true, [-4, { "-4": CODE + 5 }]]);
  });
});

test("moves between the accumulator and an absolute address", () => {
  const at = [START & 0xff, (START >> 8) & 0xff, (START >> 16) & 0xff, START >>> 24];
  expect(run([0xa1, ...at], {}, 0, [0xcafebabe]).regs[0]).toBe(0xcafebabe);
  expect(run([0xa0, ...at], {}, 0, [0xcafebabe]).regs[0]).toBe(0x111111be);
  expect(run([0xa3, ...at]).data[0]).toBe(0x11111111);
  expect(run([0x66, 0xa3, ...at]).data[0]).toBe(0x1111);
  expect(run([0xa2, ...at]).data[0]).toBe(0x11);
});

test("short forms of inc and dec keep CF", () => {
  for (let r = 0; r < 8; r++) {
    const up = run([0x40 + r], { [r]: 0xffffffff }, CF);
    expect([up.regs[r], up.eflags & (CF | ZF)]).toEqual([0, CF | ZF]);
    const down = run([0x66, 0x48 + r], { [r]: 0xabcd0000 }, 0);
    expect([down.regs[r], down.eflags & (CF | SF)]).toEqual([0xabcdffff, SF]);
  }
});

test("opcode 82 is opcode 80", () => {
  const random = new Random(0x82);
  for (let n = 0; n < 400; n++) {
    const [modrm, immediate, eax] = [0xc0 | (random.below(8) << 3), random.below(256), random.word()];
    const [one, other] = [0x80, 0x82].map((opcode) =>
      run([opcode, modrm, immediate], { 0: eax }, random.word() & 0),
    );
    expect(one).toEqual(other);
  }
});
