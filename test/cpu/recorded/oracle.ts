import { join } from "node:path";
import { type Case, INPUT_BYTES, OUTPUT_BYTES, type Outcome, readOutput, writeInput } from "./case.ts";
import { answerOf, type NativeProgram, NativePrograms } from "./native-programs.ts";

/** Something that executes cases. */
export interface Oracle {
  /** For people: what it is. */
  readonly name: string;
  /** The bytes that it is to be given for a case; undefined: it cannot execute it. */
  code(one: Case): readonly number[] | undefined;
  run(cases: readonly Case[]): Outcome[];
}

const HARNESS = join(import.meta.dirname, "harness.c");

/** harness.c in all the ways that work here, until `dispose`. */
export class Oracles {
  readonly #programs = new NativePrograms();
  /** Executes 64-bit code on the processor. */
  readonly processor64: Oracle | undefined;
  /** Executes 32-bit code, on the processor or in QEMU. */
  readonly program32: Oracle | undefined;

  constructor() {
    const wide = this.#programs.build64(HARNESS);
    const narrow = this.#programs.build32(HARNESS);
    if (wide) this.processor64 = oracle(wide, (one) => one.code64);
    const flat = (one: Case) => (one.codeBits === 32 && one.base === 0 ? one.code : undefined);
    if (narrow) this.program32 = oracle(narrow, flat);
  }

  dispose(): void {
    this.#programs.dispose();
  }
}

function oracle(program: NativeProgram, code: Oracle["code"]): Oracle {
  return {
    name: program.executor,
    code,
    run(cases) {
      const input = new Uint8Array(cases.length * INPUT_BYTES);
      const view = new DataView(input.buffer);
      cases.forEach((one, n) => {
        writeInput(one, code(one) as readonly number[], view, n * INPUT_BYTES);
      });
      const answer = answerOf(program, input, cases.length * OUTPUT_BYTES);
      const output = new DataView(answer.buffer, answer.byteOffset, answer.length);
      return cases.map((one, n) => {
        const given = code(one) as readonly number[];
        const outcome = readOutput(one, given, output, n * OUTPUT_BYTES);
        // The 32-bit program neither sets nor sees floating-point state: what it executes has none.
        return given === one.code ? { ...outcome, fx: one.fx } : outcome;
      });
    },
  };
}
