import { Decoder, DecoderOptions, Formatter, FormatterSyntax } from "iced-x86";
import type { GuestProgram } from "../../../src/guest/builder/index.ts";

/** The instructions of a program in NASM syntax, until its end or `end`. */
export function disassemble(program: GuestProgram, bits: 16 | 32 = 32, end = program.bytes.length): string[] {
  const decoder = new Decoder(bits, program.bytes.subarray(0, end), DecoderOptions.None);
  decoder.ip = BigInt(program.origin);
  const formatter = new Formatter(FormatterSyntax.Nasm);
  formatter.hexPrefix = "0x";
  formatter.hexSuffix = "";
  formatter.uppercaseHex = false;
  formatter.showBranchSize = false;
  const lines: string[] = [];
  while (decoder.canDecode) {
    // Far and near branches are written at their full width.
    lines.push(formatter.format(decoder.decode()).replaceAll(/0x0+(?=[0-9a-f])/g, "0x"));
  }
  return lines;
}
