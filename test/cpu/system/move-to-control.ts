import type { FakeCore, Outcome } from "./fake-core.ts";

/** MOV to a control register, from EAX. */
export function movToCr(core: FakeCore, register: number, value: number): Outcome {
  core.state.setReg(0, value);
  return core.run("mov_to_cr", { reg: register, rm: 0, length: 3 });
}

/** What it raises. */
export function faultOfMovToCr(core: FakeCore, register: number, value: number): unknown {
  core.state.setReg(0, value);
  return core.faultOf("mov_to_cr", { reg: register, rm: 0 });
}
