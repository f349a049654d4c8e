import { describe, expect, it } from "vitest";
import { CpuState } from "../../src/cpu/state.ts";
import { SpinWatch } from "../../src/switch/spin-watch.ts";

/** A loop of `period` instructions, as one looks at it every 120; `counts`: ECX goes up by one each time round. */
function loop(period: number, counts = false) {
  const state = new CpuState(new WebAssembly.Memory({ initial: 1 }));
  let retired = 0;
  const show = () => {
    state.eip = 0x1000 + (retired % period);
    if (counts) state.setReg(1, Math.floor(retired / period));
  };
  show();
  const watch = new SpinWatch();
  const look = () => {
    watch.begin(state, retired);
    retired = watch.end;
    show();
    return watch.judge(state);
  };
  return { watch, look };
}

describe("a look at whether a vcpu spins", () => {
  it.each([1, 2, 3, 4, 5, 6, 8, 10, 12, 120])("knows a loop of %i instructions", (period) => {
    expect(loop(period).look()).toBe(true);
  });

  it.each([
    [7, false],
    [400, false],
    [4, true],
  ])("takes none of %i instructions for one (counting: %s)", (period, counts) => {
    const { watch, look } = loop(period, counts);
    expect([look(), watch.turns]).toEqual([false, 0]);
  });

  it("lets the 65th turn in a row pass, and the others' turns grow until then", () => {
    const { watch, look } = loop(4);
    const outcomes = Array.from({ length: 66 }, () => [look(), watch.othersTurn] as const);
    expect(outcomes.filter(([spins]) => !spins)).toHaveLength(1);
    expect([outcomes[0], outcomes[63], outcomes[64], outcomes[65]]).toEqual([
      [true, 138],
      [true, 2469],
      [false, 101],
      [true, 138],
    ]);
  });

  it("is over when it is told to forget", () => {
    const { watch, look } = loop(4);
    look();
    watch.forget();
    expect([watch.turns, watch.end]).toEqual([0, Number.POSITIVE_INFINITY]);
  });
});
