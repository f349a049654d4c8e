import { describe, expect, it } from "vitest";
import type { HelperOp } from "../../../src/cpu/core.ts";
import type { OpcodeLine } from "../../../src/cpu/instructions/line.ts";
import { OPCODE_LINES } from "../../../src/cpu/instructions/table.ts";
import * as L from "../../../src/cpu/layout.ts";
import { SSE_HELPERS } from "../../../src/cpu/sse/index.ts";
import { CODE, EngineGuest, STACK } from "../engine/support/guest.ts";
import { Random } from "../instructions/support/random.ts";
import { lineName } from "../recorded/forms.ts";
import { putPacked } from "../recorded/operands.ts";

const CASES = 400;

const guest = new EngineGuest();
const { state } = guest.cpu;
const fastLines = OPCODE_LINES.filter((line) => line.fast !== undefined);

/** Destination register 0, source register 1. */
const MODRM = 0xc1;
function encode(line: OpcodeLine, immediate: number): number[] {
  const prefix = typeof line.prefix === "number" ? [line.prefix] : [];
  const tail = line.operands.some(({ code }) => code === "Ib") ? [immediate] : [];
  return [...prefix, 0x0f, line.opcode, MODRM, ...tail, 0xf4];
}

interface Registers {
  readonly general: Uint8Array;
  readonly vectors: Uint8Array;
  readonly mxcsr: number;
  readonly eflags: number;
}
const registers = (): Registers => ({
  general: state.u8.slice(L.EAX, L.EAX + 4),
  vectors: state.u8.slice(L.XMM, L.XMM + 32),
  mxcsr: state.get(L.MXCSR),
  eflags: state.eflags & 0x8d5,
});
function load(from: Registers): void {
  state.u8.set(from.general, L.EAX);
  state.u8.set(from.general, L.ECX);
  state.u8.set(from.vectors, L.XMM);
  state.set(L.MXCSR, from.mxcsr);
  state.eflags = from.eflags | 2;
}

function byHelper(line: OpcodeLine, immediate: number): Registers {
  const operation = { memory: false, modrm: MODRM, reg: 0, rm: 1, immediate, opcode: line.opcode };
  SSE_HELPERS[line.helper as string]?.(guest.cpu.core, operation as unknown as HelperOp);
  return registers();
}

/** Values that both ways can do: ordinary ones twice as often. */
function operands(random: Random): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  const ordinary = random.below(2) === 0;
  for (const at of [0, 16]) {
    putPacked(view, at, random);
    if (!ordinary) continue;
    const double = random.below(2) === 0;
    for (let n = 0; n < 16; n += double ? 8 : 4) {
      const value = random.pick([
        0,
        1,
        -1.5,
        3,
        1 / 3,
        -0,
        1e30,
        2 ** -100,
        random.below(1000) - 500,
        2 ** 31,
        -(2 ** 31),
        2 ** 24 + 1,
      ]);
      if (double) view.setFloat64(at + n, value, true);
      else view.setFloat32(at + n, value, true);
    }
  }
  if (random.below(6) === 0) bytes.copyWithin(16, 0, 16);
  return bytes;
}

describe("the ordinary case that generated code does is what the helper does", () => {
  it.each(fastLines.map((line) => [lineName(line), line] as const))("%s", (name, line) => {
    const random = new Random(line.opcode * 256 + (typeof line.prefix === "number" ? line.prefix : 0));
    let ordinary = 0;
    for (let n = 0; n < CASES; n++) {
      const immediate = random.below(256);
      const before: Registers = {
        general: new Uint8Array(Uint32Array.of(random.operand()).buffer),
        vectors: operands(random),
        mxcsr: random.pick([0x1fa0, 0x1fa0, 0x1fbf, 0x1f80, 0x3fa0, 0x5fa0, 0x7fa0, 0x9fa0, 0x1fe0]),
        eflags: random.word() & 0x8d5,
      };
      guest.enterFlat({ ring: 0, paged: false, eip: CODE, esp: STACK });
      guest.write(CODE, encode(line, immediate));
      load(before);
      expect([guest.runToExit().reason, guest.haltedIn]).toEqual(["hlt", -1]);
      const actual = registers();
      load(before);
      const expected = byHelper(line, immediate);
      expect(
        actual,
        `${name}, immediate ${immediate}, ${Buffer.from(before.vectors).toString("hex")}, MXCSR ${before.mxcsr.toString(16)}`,
      ).toEqual(expected);
      if (actual.mxcsr === before.mxcsr) ordinary++;
    }
    expect(ordinary).toBeGreaterThan(CASES / 10);
  });
});
