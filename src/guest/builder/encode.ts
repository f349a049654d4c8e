import { Code, Instruction, MemoryOperand, Register } from "iced-x86";
import {
  type Immediate,
  icedRegister,
  isImmediate,
  isMemory,
  type MemoryReference,
  type Width,
} from "./operands.ts";

/** A program cannot be built: an unknown label, operands that no instruction takes, a number that does not fit. */
export class GuestBuilderError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "GuestBuilderError";
  }
}

/** Gives the address of a label; in the first pass, which only finds lengths, any number of full size. */
export type Resolve = (value: Immediate) => number;

/** 16- or 32-bit code: the default size of operands and addresses. */
export type Bits = 16 | 32;

export function codeOf(name: string): Code {
  const code = Code[name as keyof typeof Code];
  if (code === undefined) throw new GuestBuilderError(`No instruction takes these operands (${name}).`);
  return code;
}

/** True exactly when iced knows a form of this name. */
export const hasCode = (name: string): boolean => name in Code;

function displacementSize(memory: MemoryReference, bits: Bits): number {
  const { base, index, displacement } = memory;
  const register = base ?? index;
  const isWide = register === undefined ? bits === 32 : register.length === 3;
  const full = isWide ? 4 : 2;
  // A label's displacement has its full size always, so that lengths do not depend on addresses.
  if (register === undefined || typeof displacement === "object") return full;
  return displacement === undefined ? 0 : 1;
}

export function memoryOperand(memory: MemoryReference, bits: Bits, resolve: Resolve): MemoryOperand {
  const { base, index, scale, displacement, segment } = memory;
  // iced would leave the scale out without a word: 16-bit addresses have none.
  if (scale !== undefined && scale !== 1 && index?.length === 2) {
    throw new GuestBuilderError(`The 16-bit index ${index} cannot be scaled.`);
  }
  const value = displacement === undefined ? 0 : resolve(displacement) | 0;
  const size = displacementSize(memory, bits);
  return new MemoryOperand(
    base ? icedRegister(base) : Register.None,
    index ? icedRegister(index) : Register.None,
    scale ?? 1,
    BigInt(size === 2 ? value & 0xffff : value),
    size,
    false,
    segment ? icedRegister(segment) : Register.None,
  );
}

/** `value` as a signed number of `width` bits; it may have been given signed or unsigned. */
export function signed(value: number, width: Width): number {
  const low = -(2 ** (width - 1));
  if (!Number.isInteger(value) || value < low || value >= 2 ** width) {
    throw new GuestBuilderError(`The number ${value} does not fit into ${width} bits.`);
  }
  return (value << (32 - width)) >> (32 - width);
}

/** True exactly when an immediate of `width` bits may be written as one byte that the processor extends by its sign. */
export function fitsByte(value: Immediate, width: Width): boolean {
  if (typeof value !== "number") return false;
  const number = signed(value, width);
  return number >= -128 && number <= 127;
}

/** An operand as iced is to see it: register by name, memory, or an immediate of a width. */
export type EncodedOperand =
  | { readonly register: string }
  | { readonly memory: MemoryReference }
  | { readonly immediate: Immediate; readonly width: Width };

export function operandOf(operand: string | MemoryReference | Immediate, width: Width): EncodedOperand {
  if (isMemory(operand)) return { memory: operand };
  if (isImmediate(operand)) return { immediate: operand, width };
  return { register: operand };
}

/** Builds an iced instruction from a form's name and up to three operands. */
export function createInstruction(
  form: string,
  operands: readonly EncodedOperand[],
  bits: Bits,
  resolve: Resolve,
): Instruction {
  const code = codeOf(form);
  const instruction = dispatch(code, operands, bits, resolve);
  if (!instruction)
    throw new GuestBuilderError(`The operands of ${form} are in no order that can be encoded.`);
  return instruction;
}

function dispatch(
  code: Code,
  operands: readonly EncodedOperand[],
  bits: Bits,
  resolve: Resolve,
): Instruction | undefined {
  const shape = operands.map((o) => ("register" in o ? "r" : "memory" in o ? "m" : "i")).join("");
  const register = (index: number): Register =>
    icedRegister((operands[index] as { readonly register: string }).register);
  const immediate = (index: number): number => {
    const operand = operands[index] as { readonly immediate: Immediate; readonly width: Width };
    return signed(resolve(operand.immediate), operand.width);
  };
  const withMemory = (index: number, create: (memory: MemoryOperand) => Instruction): Instruction => {
    const { memory } = operands[index] as { readonly memory: MemoryReference };
    // iced takes the operand over and frees it.
    return create(memoryOperand(memory, bits, resolve));
  };
  switch (shape) {
    case "":
      return Instruction.create(code);
    case "r":
      return Instruction.createReg(code, register(0));
    case "i":
      return Instruction.createI32(code, immediate(0));
    case "m":
      return withMemory(0, (memory) => Instruction.createMem(code, memory));
    case "rr":
      return Instruction.createRegReg(code, register(0), register(1));
    case "ri":
      return Instruction.createRegI32(code, register(0), immediate(1));
    case "ir":
      return Instruction.createI32Reg(code, immediate(0), register(1));
    case "rm":
      return withMemory(1, (memory) => Instruction.createRegMem(code, register(0), memory));
    case "mr":
      return withMemory(0, (memory) => Instruction.createMemReg(code, memory, register(1)));
    case "mi":
      return withMemory(0, (memory) => Instruction.createMemI32(code, memory, immediate(1)));
    case "rri":
      return Instruction.createRegRegI32(code, register(0), register(1), immediate(2));
    case "rmi":
      return withMemory(1, (memory) => Instruction.createRegMemI32(code, register(0), memory, immediate(2)));
  }
  return undefined;
}
