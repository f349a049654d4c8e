import * as L from "../../../src/cpu/layout.ts";
import { EngineGuest, U, W } from "../engine/support/guest.ts";
import { BRANCH, type Case, CODE, DATA, DATA_WORDS, type Outcome } from "./native.ts";

const PAGE_FAULT = 14;
/** Exceptions that push an error code. */
const WITH_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17]);

/** Single instructions on the engine, in ring 3 with paging: the same places in memory as on the processor. */
export class Replay {
  readonly #guest: EngineGuest;

  constructor() {
    this.#guest = new EngineGuest({
      memory: [
        [CODE, 1],
        [DATA, 1],
      ],
    });
    this.#guest.map(0x1000, 0x1000, W, 15);
    this.#guest.map(CODE, CODE, U | W);
    this.#guest.map(DATA, DATA, U | W);
  }

  run(one: Case): Outcome {
    const guest = this.#guest;
    const { cpu } = guest;
    const { state } = cpu;
    guest.enterFlat({ ring: 3, paged: true, eip: CODE, esp: one.regs[4] as number });
    for (const [n, value] of one.regs.entries()) state.setReg(n, value);
    state.eflags = one.eflags;
    guest.write(CODE, one.code);
    const at = guest.hpa(DATA + one.offset) >>> 2;
    guest.machine.u32.set(one.data, at);
    const { reason } = cpu.run(1);
    const data = [...guest.machine.u32.subarray(at, at + DATA_WORDS)];
    if (reason === "budget") {
      if (cpu.retired !== 1) throw new Error("the instruction has not retired");
      const next = CODE + one.code.length;
      const taken = state.eip === next + BRANCH;
      if (!taken && state.eip !== next) throw new Error(`went to 0x${state.eip.toString(16)}`);
      return { vector: -1, taken, address: 0, regs: guest.registers, eflags: state.eflags, data };
    }
    const vector = guest.haltedIn;
    if (reason !== "hlt" || vector < 0) throw new Error(`left with ${reason}`);
    const frame = guest.frame(WITH_ERROR_CODE.has(vector));
    if (frame.eip !== CODE) throw new Error(`exception ${vector} at 0x${frame.eip.toString(16)}`);
    const regs = guest.registers.map((value, n) => (n === 4 ? frame.esp : value));
    const address = vector === PAGE_FAULT ? state.get(L.CR2) : 0;
    return { vector, taken: false, address, regs, eflags: frame.eflags, data };
  }
}
