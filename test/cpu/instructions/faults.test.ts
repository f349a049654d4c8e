import { describe, expect, it } from "vitest";
import { CODE_EIP, decodeWhole, execute } from "./support/execute.ts";
import { nameOf, randomCase, straightLines } from "./support/forms.ts";
import { Random } from "./support/random.ts";

/** Lines that have a form which stores to memory. */
const WRITERS = straightLines.filter(
  ({ mnemonic, only, operands: [first] }) =>
    mnemonic === "push" || (only !== "reg" && first && /w/.test(first.access) && /^[EMO]/.test(first.code)),
);
/** Lines that have a form which reaches memory through a register. */
const TOUCHING = straightLines.filter(
  ({ mnemonic, only, operands }) =>
    ["push", "pop", "leave", "xlat"].includes(mnemonic) ||
    (only !== "reg" && operands.some(({ code }) => /^(E.|M.)/.test(code))),
);

describe("an instruction that faults has changed nothing", () => {
  it.each(WRITERS.map((line, n) => ({ line, n, name: nameOf(line) })))(
    "$name, memory read-only",
    ({ line, n }) => {
      const random = new Random(0x2545f491 + n);
      let faults = 0;
      for (let k = 0; k < 60; k++) {
        const one = randomCase(line, random);
        const outcome = execute(one, "at-call", false);
        if (outcome.fault < 0) continue;
        faults++;
        const { regs, eflags, data } = one;
        expect(outcome).toMatchObject({ regs, eflags, data, eip: CODE_EIP });
      }
      expect(faults).toBeGreaterThan(0);
    },
  );

  it.each(TOUCHING.map((line, n) => ({ line, n, name: nameOf(line) })))("$name, no memory", ({ line, n }) => {
    const random = new Random(0x1b873593 + n);
    let faults = 0;
    for (let k = 0; k < 30; k++) {
      const one = randomCase(line, random);
      // Everything that was a pointer into the data now points below it.
      const regs = one.regs.map((value) =>
        value >= 0x10000000 && value < 0x10000040 ? value - 0x1000 : value,
      );
      const moved = { ...one, regs };
      const outcome = execute(moved);
      if (outcome.fault < 0) continue;
      faults++;
      expect(outcome).toMatchObject({ regs, eflags: one.eflags, data: one.data, eip: CODE_EIP });
    }
    expect(faults).toBeGreaterThan(0);
  });

  it("a divide error leaves everything as it was", () => {
    const regs = [0x80000000, 0, 0xffffffff, 0xffffffff, 0, 0, 0, 0];
    const data = new Array<number>(16).fill(0);
    for (const code of [
      [0xf7, 0xfb],
      [0xf7, 0xf1],
      [0xf7, 0xf9],
      [0x66, 0xf7, 0xf1],
      [0xf6, 0xf1],
      [0xd4, 0],
    ]) {
      const outcome = execute({ code, regs, eflags: 0x2d7, data });
      expect(outcome, decodeWhole(code).line.mnemonic).toMatchObject({ vector: 0, regs, eflags: 0x2d7 });
    }
  });

  it("a shift by CL demands write access even when the count is zero", () => {
    const regs = [0, 0x20, 0, 0, 0, 0, 0, 0x10000010];
    const one = { code: [0xd3, 0x27], regs, eflags: 0x202, data: new Array<number>(16).fill(1) };
    expect(execute(one, "at-call", false).fault).toBe(0x10000010);
    expect(execute(one).fault).toBe(-1);
  });
});
