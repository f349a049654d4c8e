import { createInstruction, DecodeResult, Decoder } from "../../../../src/cpu/decode/decoder.ts";
import type { Instruction } from "../../../../src/cpu/decode/instruction.ts";
import { type CpuModel, cpuIdentity } from "../../../../src/cpu/system/cpu-models.ts";
import { memoryText, type Reference, ReferenceDecoder, STRIDE } from "./reference.ts";

/**
 * Where the two differ on purpose: which of the x87's encodings, and of 0F 01 with a register, are reserved is their helpers' affair, not
 * the decoder's, so every one of them decodes; CLAC is a form of the line of STAC.
 */
const knownDifference = (ours: string, iced: string): boolean =>
  (ours.startsWith("fpu ") || ours.startsWith("stac ")) && (iced === "invalid" || iced.startsWith("clac "));

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

export interface Difference {
  readonly bytes: string;
  readonly ours: string;
  readonly iced: string;
}

/** Decodes sequences of STRIDE bytes with both, as a processor of that name does; gives the differences. */
export function compare(code: Uint8Array, bitness: 16 | 32, model: CpuModel = "max"): Difference[] {
  const decoder = new Decoder(cpuIdentity(model).opcodes);
  const instruction = createInstruction();
  const reference = new ReferenceDecoder(code, bitness, model);
  const differences: Difference[] = [];
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
