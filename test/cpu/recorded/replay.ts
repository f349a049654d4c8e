import * as L from "../../../src/cpu/layout.ts";
import { EngineGuest, HANDLERS, Sel, U, W } from "../engine/support/guest.ts";
import { type Case, CONTENT, type Outcome } from "./case.ts";
import { BASE, CODE, CODE_PAGES, FX_BYTES, HALF, PAGE, PAGE_KINDS, XMM_AT } from "./memory-map.ts";

const INT3 = 0xcc;
/** Vectors that a user program may call by INT n. */
const USER_VECTORS = new Set([3, 4]);
/** With an error code on the stack. */
const WITH_ERROR_CODE = new Set([8, 10, 11, 12, 13, 14, 17]);
const BUDGET = 100_000;

/** The engine in the place of the processor: ring 3, paged, the memory of harness.c. */
export class Replay {
  readonly guest: EngineGuest;
  readonly #hpa = new Map<number, number>();

  constructor() {
    const ranges = [...PAGE_KINDS].flatMap((kind, n) =>
      kind === "." ? [] : [[BASE + n * PAGE, 1] as const],
    );
    this.guest = new EngineGuest({ memory: [...ranges, [CODE, CODE_PAGES]] });
    const { guest } = this;
    guest.map(0x1000, 0x1000, W, 15);
    [...PAGE_KINDS].forEach((kind, n) => {
      if (kind !== ".") guest.map(BASE + n * PAGE, BASE + n * PAGE, U | (kind === "W" ? W : 0));
    });
    guest.map(CODE, CODE, U | W, CODE_PAGES);
    for (let vector = 0; vector < 256; vector++)
      guest.gate(vector, HANDLERS + vector * 16, "interrupt", USER_VECTORS.has(vector) ? 3 : 0);
    for (let n = 0; n < PAGE_KINDS.length; n++)
      if (PAGE_KINDS[n] !== ".") this.#hpa.set(BASE / PAGE + n, guest.hpa(BASE + n * PAGE));
    guest.write(CODE, new Uint8Array(CODE_PAGES * PAGE).fill(INT3));
  }

  run(one: Case): Outcome {
    const { guest } = this;
    const { state } = guest.cpu;
    const start = one.end - one.code.length;
    const codeBase = one.codeBits === 16 ? CODE : 0;
    guest.enterFlat({ ring: 3, paged: true, eip: start - codeBase, esp: 0 });
    if (one.codeBits === 16) state.setSegment(1, Sel.code3, CODE, 0xffff, 0x00fb);
    if (one.base !== 0)
      for (const n of [0, 2, 3, 4, 5]) state.setSegment(n, Sel.data3, one.base, 0xffffffff, 0xc0f3);
    state.updateMode();
    for (let n = 0; n < 8; n++) state.setReg(n, one.regs[n] as number);
    state.eflags = one.eflags;
    setFloatingState(guest, one.fx);
    guest.write(start, one.code);
    this.#windows(one, one.content, true);
    const exit = guest.runToExit(BUDGET, 1);
    const outcome = this.#outcome(one, exit.reason);
    guest.write(
      start,
      one.code.map(() => INT3),
    );
    return outcome;
  }

  #outcome(one: Case, reason: string): Outcome {
    const { guest } = this;
    const { state } = guest.cpu;
    const vector = reason === "hlt" ? guest.haltedIn : -1;
    if (vector < 0) throw new Error(`left with ${reason} at 0x${state.eip.toString(16)}`);
    const frame = guest.frame(WITH_ERROR_CODE.has(vector));
    const regs = Uint32Array.from({ length: 8 }, (_, n) => (n === 4 ? frame.esp : state.reg(n)));
    const content = one.content.slice();
    this.#windows(one, content, false);
    return {
      vector,
      errorCode: vector === 13 || vector === 14 ? frame.errorCode : 0,
      cr2: vector === 14 ? state.get(L.CR2) : 0,
      eip: (frame.eip + (one.codeBits === 16 && frame.cs === Sel.code3 ? CODE : 0)) >>> 0,
      regs,
      eflags: frame.eflags,
      content,
      fx: floatingState(guest),
    };
  }

  #windows(one: Case, content: Uint8Array, store: boolean): void {
    const { machine, cpu } = this.guest;
    for (let half = 0; half < CONTENT / HALF; half++) {
      const address = (one.windows[(half >> 1) as 0] as number) + (half & 1) * HALF;
      const page = this.#hpa.get(Math.floor(address / PAGE));
      if (page === undefined) continue;
      const hpa = page + (address % PAGE);
      const part = content.subarray(half * HALF, half * HALF + HALF);
      if (store) {
        machine.u8.set(part, hpa);
        cpu.memoryWritten(hpa, HALF);
      } else part.set(machine.u8.subarray(hpa, hpa + HALF));
    }
  }
}

function setFloatingState({ cpu: { state } }: EngineGuest, fx: Uint8Array): void {
  const view = new DataView(fx.buffer, fx.byteOffset, fx.length);
  const status = view.getUint16(2, true);
  const top = (status >> 11) & 7;
  state.set(L.FPU_CONTROL, view.getUint16(0, true));
  state.set(L.FPU_STATUS, status);
  state.set(L.FPU_EMPTY, ~(fx[4] as number) & 0xff);
  for (let n = 0; n < 8; n++)
    state.u8.set(fx.subarray(32 + 16 * n, 42 + 16 * n), L.FPU_REGS + 16 * ((top + n) & 7));
  state.u8.set(fx.subarray(XMM_AT, FX_BYTES), L.XMM);
  state.set(L.MXCSR, view.getUint32(24, true));
}

function floatingState({ cpu: { state } }: EngineGuest): Uint8Array {
  const fx = new Uint8Array(FX_BYTES);
  const view = new DataView(fx.buffer);
  const status = state.get(L.FPU_STATUS);
  const top = (status >> 11) & 7;
  view.setUint16(0, state.get(L.FPU_CONTROL), true);
  view.setUint16(2, status, true);
  fx[4] = ~state.get(L.FPU_EMPTY) & 0xff;
  for (let n = 0; n < 8; n++) {
    const at = L.FPU_REGS + 16 * ((top + n) & 7);
    fx.set(state.u8.subarray(at, at + 10), 32 + 16 * n);
  }
  fx.set(state.u8.subarray(L.XMM, L.XMM + 128), XMM_AT);
  view.setUint32(24, state.get(L.MXCSR), true);
  return fx;
}
