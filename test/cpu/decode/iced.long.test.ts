import { describe, expect, it } from "vitest";
import { CPU_MODELS } from "../../../src/cpu/system/cpu-models.ts";
import { Random } from "../instructions/support/random.ts";
import { compare, type Difference } from "./support/comparison.ts";
import { STRIDE } from "./support/reference.ts";

const PREFIXES = [0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0xf0, 0xf2, 0xf3] as const;
const MANDATORY = [[], [0x66], [0xf3], [0xf2], [0x66, 0xf2], [0xf3, 0x66], [0xf2, 0xf3], [0xf0]] as const;

/** Every opcode of both maps with every ModRM.mod and .reg, other bytes at random, once without and once with prefixes. */
function everyOpcode(random: Random): Uint8Array {
  const count = 512 * 32 * 2;
  const code = Uint8Array.from({ length: count * STRIDE }, () => random.word() & 0xff);
  for (let n = 0; n < count; n++) {
    let at = n * STRIDE;
    if (n & 1) for (let left = 1 + random.below(2); left > 0; left--) code[at++] = random.pick(PREFIXES);
    const form = n >> 1;
    if (form & 0x2000) code[at++] = 0x0f;
    code[at++] = (form >> 5) & 0xff;
    code[at] = ((form & 31) << 3) | random.below(8);
  }
  return code;
}

/** Sequences with 0 to 16 prefixes, then anything. */
function manyPrefixes(random: Random): Uint8Array {
  const count = 4000;
  const code = Uint8Array.from({ length: count * STRIDE }, () => random.word() & 0xff);
  for (let n = 0; n < count; n++)
    for (let left = random.below(17), at = n * STRIDE; left > 0; left--) code[at++] = random.pick(PREFIXES);
  return code;
}

/** Every opcode of one map with every ModRM.reg and r/m in a register or (`rm` 5 alone) in memory, with one choice of prefixes. */
function audited(prefixes: readonly number[], map: "one" | "0f"): Uint8Array {
  const forms: number[] = [];
  for (let opcode = 0; opcode < 256; opcode++)
    for (let reg = 0; reg < 8; reg++)
      for (const modrm of [0x45, ...Array.from({ length: 8 }, (_, rm) => 0xc0 | rm)])
        forms.push((opcode << 8) | modrm | (reg << 3));
  const code = new Uint8Array(forms.length * STRIDE);
  forms.forEach((form, n) => {
    code.set([...prefixes, ...(map === "0f" ? [0x0f] : []), form >> 8, form & 0xff, 0x12], n * STRIDE);
  });
  return code;
}

describe.each(CPU_MODELS)(
  "the opcodes of %s exist and are as long as an independent decoder says",
  (model) => {
    it.each(["one", "0f"] as const)(
      "in the map %s, with each mandatory prefix, redundant ones and LOCK",
      (map) => {
        const found: Difference[] = [];
        for (const prefixes of MANDATORY)
          for (const bitness of [16, 32] as const)
            found.push(...compare(audited(prefixes, map), bitness, model));
        expect(found.slice(0, 50)).toEqual([]);
      },
    );
  },
);

describe.each([16, 32] as const)("in %i-bit mode the decoder agrees with an independent one", (bitness) => {
  it("on every opcode: length, mnemonic and memory operand", () => {
    expect(compare(everyOpcode(new Random(bitness)), bitness).slice(0, 50)).toEqual([]);
  });

  it("on any number of prefixes", () => {
    expect(compare(manyPrefixes(new Random(bitness + 1)), bitness).slice(0, 50)).toEqual([]);
  });
});
