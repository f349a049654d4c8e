import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import { Flag } from "../../../src/cpu/state.ts";
import { FakeCore, Outcome, Vector } from "./fake-core.ts";
import { ProtectedCore } from "./protected-core.ts";

const REP = 0xf3;
const REPNE = 0xf2;

function core(registers: { ecx?: number; esi?: number; edi?: number; eax?: number }): ProtectedCore {
  const made = new ProtectedCore();
  made.state.setReg(0, registers.eax ?? 0);
  made.state.setReg(1, registers.ecx ?? 0);
  made.state.setReg(6, registers.esi ?? 0);
  made.state.setReg(7, registers.edi ?? 0);
  return made;
}

const indices = (c: FakeCore) => ({ ecx: c.state.reg(1), esi: c.state.reg(6), edi: c.state.reg(7) });

const down = (c: FakeCore): void => {
  c.state.eflags = Flag.DF | 2;
};

/** What one-by-one moves leave, worked out with no runs at all. */
function moveOneByOne(bytes: number[], from: number, to: number, count: number, size: number, step: number) {
  const result = [...bytes];
  for (let i = 0; i < count; i++) {
    const element = result.slice(from + i * step, from + i * step + size);
    result.splice(to + i * step, size, ...element);
  }
  return result;
}

describe("MOVS", () => {
  it("moves one element without REP, whatever ECX holds", () => {
    const c = core({ ecx: 0, esi: 0x10000, edi: 0x11000 });
    c.memory.fill32(0x10000, [0x11223344]);
    expect(c.run("movs", { opcode: 0xa5 })).toBe(Outcome.next);
    expect(c.memory.dwords(0x11000, 1)).toEqual([0x11223344]);
    expect(indices(c)).toEqual({ ecx: 0, esi: 0x10004, edi: 0x11004 });
  });

  it("moves nothing when ECX is 0", () => {
    const c = core({ ecx: 0, esi: 0x10000, edi: 0x11000 });
    c.memory.fill(0x10000, [1]);
    expect(c.run("movs", { opcode: 0xa4, rep: REP })).toBe(Outcome.next);
    expect(c.memory.bytes(0x11000, 1)).toEqual([0]);
    expect(indices(c)).toEqual({ ecx: 0, esi: 0x10000, edi: 0x11000 });
  });

  it("copies in bulk across pages of both sides", () => {
    const c = core({ ecx: 3000, esi: 0x10ffe, edi: 0x20123 });
    const data = Array.from({ length: 3000 }, (_, i) => (i * 7) & 0xff);
    c.memory.fill(0x10ffe, data);
    c.memory.singles = 0;
    expect(c.run("movs", { opcode: 0xa4, rep: REP })).toBe(Outcome.next);
    expect(c.memory.bytes(0x20123, 3001)).toEqual([...data, 0]);
    expect(indices(c)).toEqual({ ecx: 0, esi: 0x10ffe + 3000, edi: 0x20123 + 3000 });
    expect(c.memory.singles).toBe(0);
  });

  it("goes one by one where an element crosses a page", () => {
    const c = core({ ecx: 2000, esi: 0x10001, edi: 0x20002 });
    const data = Array.from({ length: 8000 }, (_, i) => (i * 5 + 1) & 0xff);
    c.memory.fill(0x10001, data);
    expect(c.run("movs", { opcode: 0xa5, rep: REP })).toBe(Outcome.next);
    expect(c.memory.bytes(0x20002, 8001)).toEqual([...data, 0]);
  });

  const overlaps = [1, 2, 3, 4, 5, 8, 63, 64, 200].flatMap((distance) =>
    ([1, 2, 4] as const).flatMap((size) =>
      [distance, -distance].flatMap((offset) =>
        [false, true].map((goesDown) => [size, offset, goesDown] as const),
      ),
    ),
  );
  it.each(overlaps)(
    "of %i bytes over itself at distance %i (down: %s) does as single moves do",
    (size, offset, goesDown) => {
      const count = 96;
      const first = goesDown ? 0x200 + (count - 1) * size : 0x200;
      const c = core({ ecx: count, esi: 0x10000 + first, edi: 0x10000 + first + offset });
      if (goesDown) down(c);
      const data = Array.from({ length: 0x600 }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
      c.memory.fill(0x10000, data);
      c.run("movs", { opcode: size === 1 ? 0xa4 : 0xa5, operandSize: size === 2 ? 16 : 32, rep: REP });
      const step = goesDown ? -size : size;
      expect(c.memory.bytes(0x10000, 0x600)).toEqual(
        moveOneByOne(data, first, first + offset, count, size, step),
      );
      expect(indices(c)).toEqual({
        ecx: 0,
        esi: 0x10000 + first + count * step,
        edi: 0x10000 + first + offset + count * step,
      });
    },
  );

  it("stops at a page fault with registers at the last element moved", () => {
    const c = core({ ecx: 100, esi: 0x10000, edi: 0x11ff0 });
    c.memory.fill(
      0x10000,
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    c.memory.pages.set(0x12, "absent");
    expect(c.faultOf("movs", { opcode: 0xa4, rep: REP })).toEqual({
      vector: Vector.PF,
      errorCode: 2,
      address: 0x12000,
    });
    expect(indices(c)).toEqual({ ecx: 84, esi: 0x10010, edi: 0x12000 });
    expect(c.state.eip).toBe(0x5000);

    c.memory.pages.clear();
    expect(c.run("movs", { opcode: 0xa4, rep: REP })).toBe(Outcome.next);
    expect(c.memory.bytes(0x11ff0, 100)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  });

  it("yields after 4096 elements and is finished by being begun anew", () => {
    const c = core({ ecx: 5000, esi: 0x10000, edi: 0x20000 });
    expect(c.run("movs", { opcode: 0xa5, rep: REP })).toBe(Outcome.again);
    expect(indices(c)).toEqual({ ecx: 904, esi: 0x14000, edi: 0x24000 });
    expect(c.state.eip).toBe(0x5000);
    expect(c.run("movs", { opcode: 0xa5, rep: REP })).toBe(Outcome.next);
    expect(indices(c)).toEqual({ ecx: 0, esi: 0x10000 + 20000, edi: 0x20000 + 20000 });
  });

  it("writes a page that holds code through the checked path", () => {
    const c = core({ ecx: 8, esi: 0x10000, edi: 0x11000 });
    c.memory.fill(0x10000, [1, 2, 3, 4, 5, 6, 7, 8]);
    c.memory.indirect.add(0x11);
    c.memory.singles = 0;
    c.run("movs", { opcode: 0xa4, rep: REP });
    expect(c.memory.bytes(0x11000, 8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(c.memory.singles).toBe(16);
  });

  it("forgets answered accesses after each iteration", () => {
    const c = core({ ecx: 2, esi: 0x10000, edi: 0x11000 });
    c.memory.indirect.add(0x11);
    c.run("movs", { opcode: 0xa4, rep: REP });
    expect(c.notices).toEqual(["iteration", "iteration"]);
  });

  it("wraps 16-bit indices and leaves the upper halves alone", () => {
    const c = core({ ecx: 0xabcd0004, esi: 0x1234fffe, edi: 0x56780010 });
    c.memory.fill(0xfffe, [1, 2]);
    c.memory.fill(0, [3, 4]);
    c.run("movs", { opcode: 0xa4, rep: REP, addressSize: 16 });
    expect(c.memory.bytes(0x10, 4)).toEqual([1, 2, 3, 4]);
    expect(indices(c)).toEqual({ ecx: 0xabcd0000, esi: 0x12340002, edi: 0x56780014 });
  });

  it("stops at the segment's limit with #GP(0)", () => {
    const c = core({ ecx: 8, esi: 0x10000, edi: 0xc });
    c.state.setSegment(0, 0x80, 0x20000, 0xf, 0x4093);
    expect(c.faultOf("movs", { opcode: 0xa4, rep: REP })).toEqual({ vector: Vector.GP, errorCode: 0 });
    expect(indices(c)).toEqual({ ecx: 4, esi: 0x10004, edi: 0x10 });
  });

  it("reads from the overridden segment", () => {
    const c = core({ ecx: 4, esi: 0, edi: 0x11000 });
    c.state.setSegment(4, 0x80, 0x30000, 0xffff, 0x4093);
    c.memory.fill(0x30000, [9, 8, 7, 6]);
    c.run("movs", { opcode: 0xa4, rep: REP, segment: 4 });
    expect(c.memory.bytes(0x11000, 4)).toEqual([9, 8, 7, 6]);
  });
});

describe("STOS", () => {
  it.each([
    [1, 0xaa, 0x1122aabb & 0xff, 5000],
    [2, 0xab, 0xabcd, 2500],
    [4, 0xab, 0x11223344, 1500],
    [4, 0xab, 0x5a5a5a5a, 1500],
  ] as const)("fills with elements of %i bytes over pages", (size, opcode, value, count) => {
    const c = core({ eax: value, ecx: count, edi: 0x10ff0 });
    const operandSize = size === 2 ? 16 : 32;
    while (c.run("stos", { opcode, operandSize, rep: REP }) === Outcome.again);
    const element = Array.from({ length: size }, (_, i) => (value >>> (8 * i)) & 0xff);
    const expected = Array.from({ length: count }, () => element).flat();
    expect(c.memory.bytes(0x10fef, count * size + 2)).toEqual([0, ...expected, 0]);
    expect(indices(c)).toMatchObject({ ecx: 0, edi: 0x10ff0 + count * size });
  });

  it("fills downwards", () => {
    const c = core({ eax: 0x1234, ecx: 3, edi: 0x10010 });
    down(c);
    c.run("stos", { opcode: 0xab, operandSize: 16, rep: REP });
    expect(c.memory.words(0x1000a, 5)).toEqual([0, 0x1234, 0x1234, 0x1234, 0]);
    expect(c.state.reg(7)).toBe(0x1000a);
  });

  it("stops at a read-only page with registers at the last element stored", () => {
    const c = core({ eax: 7, ecx: 32, edi: 0x10ff0 });
    c.memory.pages.set(0x11, "readOnly");
    expect(c.faultOf("stos", { opcode: 0xaa, rep: REP })).toMatchObject({ vector: Vector.PF, errorCode: 3 });
    expect(indices(c)).toMatchObject({ ecx: 16, edi: 0x11000 });
    expect(c.memory.bytes(0x10fef, 18)).toEqual([0, ...Array(16).fill(7), 0]);
  });
});

describe("LODS", () => {
  it("loads AL and moves ESI by the direction flag", () => {
    const c = core({ eax: 0x11111111, esi: 0x10000 });
    down(c);
    c.memory.fill(0x10000, [0x7f]);
    c.run("lods", { opcode: 0xac });
    expect(c.state.reg(0)).toBe(0x1111117f);
    expect(c.state.reg(6)).toBe(0xffff);
  });
});

describe("SCAS", () => {
  it("finds the terminator with REPNE", () => {
    const c = core({ eax: 0, ecx: 0xffffffff, edi: 0x10ffa });
    c.memory.fill(0x10ffa, [65, 66, 67, 68, 69, 70, 71, 72, 0, 73]);
    expect(c.run("scas", { opcode: 0xae, rep: REPNE })).toBe(Outcome.next);
    expect(indices(c)).toMatchObject({ ecx: 0xffffffff - 9, edi: 0x10ffa + 9 });
    expect(c.state.eflags & Flag.ZF).toBe(Flag.ZF);
  });

  it("leaves flags alone when ECX is 0", () => {
    const c = core({ ecx: 0, edi: 0x10000 });
    c.state.eflags = Flag.CF | Flag.PF | 2;
    c.run("scas", { opcode: 0xae, rep: REPNE });
    expect(c.state.eflags).toBe(Flag.CF | Flag.PF | 2);
  });

  it("stops scanning at the first difference with REPE", () => {
    const c = core({ eax: 5, ecx: 10, edi: 0x10000 });
    c.memory.fill32(0x10000, [5, 5, 6, 5]);
    c.run("scas", { opcode: 0xaf, rep: REP });
    expect(indices(c)).toMatchObject({ ecx: 7, edi: 0x1000c });
    expect(c.state.eflags & (Flag.ZF | Flag.CF | Flag.SF)).toBe(Flag.CF | Flag.SF);
  });
});

describe("CMPS", () => {
  it("compares to the first difference, flags of left minus right", () => {
    const c = core({ ecx: 100, esi: 0x10000, edi: 0x20000 });
    c.memory.fill(0x10000, [1, 2, 3, 0x80]);
    c.memory.fill(0x20000, [1, 2, 3, 0x01]);
    c.run("cmps", { opcode: 0xa6, rep: REP });
    expect(indices(c)).toEqual({ ecx: 96, esi: 0x10004, edi: 0x20004 });
    expect(c.state.eflags & 0x8d5).toBe(Flag.OF | Flag.AF);
  });

  it("keeps the flags of the last completed pair when a page fault stops it", () => {
    const c = core({ ecx: 100, esi: 0x10ffe, edi: 0x20000 });
    c.memory.fill(0x10ffe, [4, 4]);
    c.memory.fill(0x20000, [4, 4]);
    c.memory.pages.set(0x11, "absent");
    expect(c.faultOf("cmps", { opcode: 0xa6, rep: REP })).toMatchObject({ address: 0x11000 });
    expect(indices(c)).toEqual({ ecx: 98, esi: 0x11000, edi: 0x20002 });
    expect(c.state.eflags & Flag.ZF).toBe(Flag.ZF);
  });

  const pairs = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];
  it.each([1, 2, 4] as const)("sets all six flags as a subtraction of %i bytes", (size) => {
    const bits = size * 8;
    const mask = 2 ** bits;
    for (const a of pairs) {
      for (const b of pairs) {
        const left = a % mask;
        const right = b % mask;
        const c = core({ esi: 0x10000, edi: 0x20000 });
        c.memory.fill32(0x10000, [left]);
        c.memory.fill32(0x20000, [right]);
        c.run("cmps", { opcode: size === 1 ? 0xa6 : 0xa7, operandSize: size === 2 ? 16 : 32 });
        const result = (left - right + mask) % mask;
        const sign = (value: number) => value >= mask / 2;
        const ones = (result & 0xff).toString(2).replaceAll("0", "").length;
        const expected =
          (left < right ? Flag.CF : 0) |
          (ones % 2 === 0 ? Flag.PF : 0) |
          ((left & 15) < (right & 15) ? Flag.AF : 0) |
          (result === 0 ? Flag.ZF : 0) |
          (sign(result) ? Flag.SF : 0) |
          (sign(left) !== sign(right) && sign(result) !== sign(left) ? Flag.OF : 0);
        expect([left, right, c.state.eflags & 0x8d5]).toEqual([left, right, expected]);
      }
    }
  });
});

describe("INS and OUTS", () => {
  it("reads one element per answer and leaves at the first unanswered port access", () => {
    const c = core({ ecx: 3, edi: 0x10000 });
    c.state.setReg(2, 0x1f0);
    c.answers = [0x1122, 0x3344];
    const ins = () => c.run("ins", { opcode: 0x6d, operandSize: 16, rep: REP });
    expect([ins(), ins(), ins()]).toEqual([Outcome.again, Outcome.again, Outcome.exit]);
    expect(c.memory.words(0x10000, 3)).toEqual([0x1122, 0x3344, 0]);
    expect(indices(c)).toMatchObject({ ecx: 1, edi: 0x10004 });
    expect(c.notices).toEqual(["iteration", "iteration"]);
  });

  it("does not touch the port when the store would fault", () => {
    const c = core({ ecx: 1, edi: 0x10000 });
    c.answers = [1];
    c.memory.pages.set(0x10, "absent");
    expect(c.faultOf("ins", { opcode: 0x6c, rep: REP })).toMatchObject({ vector: Vector.PF });
    expect(c.ports).toEqual([]);
  });

  it("writes the elements to the port in order", () => {
    const c = core({ ecx: 2, esi: 0x10000 });
    c.state.setReg(2, 0x3f8);
    c.memory.fill(0x10000, [0x41, 0x42]);
    c.answers = [0, 0];
    const outs = () => c.run("outs", { opcode: 0x6e, rep: REP });
    expect([outs(), outs()]).toEqual([Outcome.again, Outcome.next]);
    expect(c.ports).toEqual([
      { port: 0x3f8, size: 1, write: true, value: 0x41 },
      { port: 0x3f8, size: 1, write: true, value: 0x42 },
    ]);
    expect(indices(c)).toMatchObject({ ecx: 0, esi: 0x10002 });
  });
});

it("a string instruction of real mode uses the 64 KiB limit", () => {
  const c = new FakeCore();
  c.state.setReg(7, 0xffff);
  expect(c.faultOf("stos", { opcode: 0xab, operandSize: 16, addressSize: 16 })).toEqual({
    vector: Vector.GP,
    errorCode: 0,
  });
  expect(c.state.get(L.SEG_ES + L.SEG_HI)).toBe(0xffff);
});
