import { describe, expect, it } from "vitest";
import { type GuestBuilder, mem32 } from "../../src/guest/index.ts";
import { bootTwo, twoProcessors } from "../support/two-processors.ts";

const TURN = 0x500;
const DONE = 0x504;
const PAUSES = 0x508;
const ROUNDS = 300;
const QUANTUM = 20_000;

/** Waits with PAUSE until the word is of the parity, and counts it up. */
const passOn = (g: GuestBuilder, parity: number) => {
  const label = `pass${g.here}`;
  g.label(label).plain("pause").mov("eax", mem32(TURN)).and("eax", 1).cmp("eax", parity).jcc("ne", label);
  g.inc(mem32(TURN));
};

function run(first: (g: GuestBuilder) => void, second: (g: GuestBuilder) => void, pager: "bare" | "kvm") {
  const program = twoProcessors({ first, second });
  const { vm, word } = bootTwo(program, { pager, quantum: QUANTUM, maxInstructions: 20_000_000 });
  const { status } = vm.run({ until: () => word(DONE) === 1 });
  return { status, instructions: vm.stats().instructions, pauses: word(PAUSES) };
}

const end = (g: GuestBuilder) => g.mov(mem32(DONE), 1).label("end").jmp("end");

/** src/switch/vcpu-set.ts: MOST_SPINS. */
describe("PAUSE", () => {
  it.each(["bare", "kvm"] as const)("gives the turn to the one that is waited for, under %s", (pager) => {
    const rounds = (parity: number, done: (g: GuestBuilder) => void) => (g: GuestBuilder) => {
      g.mov("esi", ROUNDS).label(`round${parity}`);
      passOn(g, parity);
      g.dec("esi").jcc("ne", `round${parity}`);
      done(g);
    };
    const outcome = run(
      rounds(0, (g) => g.label("idle0").plain("cli").hlt().jmp("idle0")),
      rounds(1, end),
      pager,
    );
    expect(outcome.status).toBe("until");
    // Without it every round would take two quanta.
    expect(outcome.instructions).toBeLessThan((ROUNDS * 2 * QUANTUM) / 4);
  });

  it("does not keep a loop that counts its PAUSEs from getting ahead of a busy processor", () => {
    const outcome = run(
      (g) => g.label("busy").jmp("busy"),
      (g) => {
        g.mov("esi", 20_000).label("count").plain("pause").inc(mem32(PAUSES));
        g.dec("esi").jcc("ne", "count");
        end(g);
      },
      "bare",
    );
    expect(outcome).toMatchObject({ status: "until", pauses: 20_000 });
  });
});
