import { describe, expect, it } from "vitest";
import { createInstruction, DecodeResult, Decoder } from "../../../src/cpu/decode/decoder.ts";
import type { Instruction } from "../../../src/cpu/decode/instruction.ts";
import { Random } from "../instructions/support/random.ts";
import { memoryText, type Reference, ReferenceDecoder, STRIDE } from "./support/reference.ts";

const PREFIXES = [0x66, 0x67, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0xf0, 0xf2, 0xf3] as const;

/** Floating-point arithmetic of SSE and SSE2. */
const NOT_YET = /^(u?comi|cvt|sqrt|rsqrt|rcp|add|mul|sub|min|div|max|cmp)\w*[sp][sdi]2?\w* /;

/**
 * Where the two differ on purpose: which of the x87's encodings, and of 0F 01 with a register, are reserved is their helpers' affair, not
 * the decoder's, so every one of them decodes; CLAC is a form of the line of STAC.
 */
const knownDifference = (ours: string, iced: string): boolean =>
  (ours === "invalid" && NOT_YET.test(iced)) ||
  ((ours.startsWith("fpu ") || ours.startsWith("stac ")) && (iced === "invalid" || iced.startsWith("clac ")));

/** Our decoder's view in the same words, for comparison. */
function describeOurs(result: DecodeResult, instruction: Instruction): string {
  if (result !== DecodeResult.ok) return "invalid";
  return `${instruction.line.mnemonic} length ${instruction.length} ${ourMemory(instruction)}`.trim();
}

function ourMemory(instruction: Instruction): string {
  const { line, memory, segment, base, index, scale, addressSize, displacement } = instruction;
  if (!memory || line.mnemonic === "xlat") return "";
  const cut = addressSize === 16 ? displacement & 0xffff : displacement >>> 0;
  return memoryText(segment, base, index, 1 << scale, cut);
}

function describeReference(reference: Reference, ours: Instruction): string {
  if (!reference.valid || reference.foreign) return "invalid";
  const memory = ours.memory && ours.line.mnemonic !== "xlat" ? reference.memory : "";
  return `${reference.mnemonic} length ${reference.length} ${memory}`.trim();
}

/** Decodes sequences of STRIDE bytes with both; gives the differences. */
function compare(code: Uint8Array, bitness: 16 | 32): { bytes: string; ours: string; iced: string }[] {
  const decoder = new Decoder();
  const instruction = createInstruction();
  const reference = new ReferenceDecoder(code, bitness);
  const differences: { bytes: string; ours: string; iced: string }[] = [];
  for (let n = 0; n * STRIDE < code.length; n++) {
    const result = decoder.decode(code, n * STRIDE, STRIDE, bitness === 32, instruction);
    const other = reference.decode(n);
    const ours = describeOurs(result, instruction);
    const iced = describeReference(other, instruction);
    const bytes = code.subarray(n * STRIDE, (n + 1) * STRIDE);
    if (ours !== iced && !knownDifference(ours, iced))
      differences.push({ bytes: Buffer.from(bytes).toString("hex"), ours, iced });
  }
  reference.dispose();
  return differences;
}

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

describe.each([16, 32] as const)("in %i-bit mode the decoder agrees with an independent one", (bitness) => {
  it("on every opcode: length, mnemonic and memory operand", () => {
    expect(compare(everyOpcode(new Random(bitness)), bitness).slice(0, 50)).toEqual([]);
  });

  it("on any number of prefixes", () => {
    expect(compare(manyPrefixes(new Random(bitness + 1)), bitness).slice(0, 50)).toEqual([]);
  });
});
