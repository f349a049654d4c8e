import { createInstruction, DecodeResult, Decoder } from "../../../../src/cpu/decode/decoder.ts";
import type { Instruction } from "../../../../src/cpu/decode/instruction.ts";
import * as L from "../../../../src/cpu/layout.ts";
import { CpuState } from "../../../../src/cpu/state.ts";
import { DATA_ADDRESS, type InstructionCase, type Snapshot } from "./cases.ts";
import { Interpreter, RaisedException } from "./interpreter.ts";
import { MemoryFault, WordsMemory } from "./words-memory.ts";

export interface Executed extends Snapshot {
  readonly eip: number;
  /** Exception raised, or -1. */
  readonly vector: number;
  /** Address of a memory fault, or -1. */
  readonly fault: number;
}

/** EIP of the instruction that `execute` runs. */
export const CODE_EIP = 0x10010000;

const decoder = new Decoder();

/** Decodes 32-bit code; throws unless it is one whole defined instruction. */
export function decodeWhole(code: readonly number[]): Instruction {
  const instruction = createInstruction();
  const result = decoder.decode(Uint8Array.from(code), 0, code.length, true, instruction);
  if (result !== DecodeResult.ok || instruction.length !== code.length) {
    const bytes = code.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    throw new Error(`${bytes}: decode result ${result}, length ${instruction.length}`);
  }
  return instruction;
}

/** A register file of its own. */
export const createState = (): CpuState => new CpuState(new WebAssembly.Memory({ initial: 1 }));

const state = createState();

/** Runs one case with the interpreter: bytes to decoder to table to semantics. */
export function execute(
  one: InstructionCase,
  registerReads: "at-call" | "at-use" = "at-call",
  writable = true,
): Executed {
  const instruction = decodeWhole(one.code);
  one.regs.forEach((value, n) => {
    state.setReg(n, value);
  });
  state.set(L.ZERO, 0);
  state.eflags = one.eflags;
  state.eip = CODE_EIP;
  const memory = new WordsMemory(DATA_ADDRESS, one.data);
  memory.writable = writable;
  let vector = -1;
  let fault = -1;
  try {
    new Interpreter(state, memory, instruction, registerReads).run();
  } catch (error) {
    if (error instanceof RaisedException) vector = error.vector;
    else if (error instanceof MemoryFault) fault = error.address;
    else throw error;
  }
  const regs = Array.from({ length: 8 }, (_, n) => state.reg(n));
  return { regs, eflags: state.eflags, data: memory.words, eip: state.eip, vector, fault };
}
