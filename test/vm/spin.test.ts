import { describe, expect, it } from "vitest";
import { type GuestBuilder, mem32 } from "../../src/guest/index.ts";
import { bootTwo, twoProcessors } from "../support/two-processors.ts";

const LOCK = 0x500;
const DONE = 0x504;
const COUNT = 0x508;
const TAKEN = 200;

/** Takes the lock as xv6 does: XCHG in a loop of four instructions, without PAUSE. */
function acquire(g: GuestBuilder): void {
  const label = `acquire${g.here}`;
  g.label(label).mov("eax", 1).xchg(mem32(LOCK), "eax").test("eax", "eax").jcc("ne", label);
}
const release = (g: GuestBuilder) => g.mov("eax", 0).xchg(mem32(LOCK), "eax");
const work = (g: GuestBuilder, instructions: number) => {
  const label = `work${g.here}`;
  g.mov("ecx", instructions / 2)
    .label(label)
    .dec("ecx")
    .jcc("ne", label);
};
const end = (g: GuestBuilder) => g.mov(mem32(DONE), 1).label("end").jmp("end");

/** Looks for work for ever, nearly always with the lock taken. */
const scheduler = (g: GuestBuilder) => {
  g.label("schedule");
  acquire(g);
  work(g, 400);
  release(g);
  work(g, 16);
  g.jmp("schedule");
};

function run(
  first: (g: GuestBuilder) => void,
  second: (g: GuestBuilder) => void,
  pager: "bare" | "vtlb" | "kvm",
) {
  const { vm, word } = bootTwo(twoProcessors({ first, second }), { pager, maxInstructions: 200_000_000 });
  const { status } = vm.run({ until: () => word(DONE) === 1 });
  return { status, instructions: vm.stats().instructions, count: word(COUNT), hash: vm.memoryHash() };
}

/** src/switch/spin-watch.ts. */
describe("a processor that spins without PAUSE", () => {
  const worker = (g: GuestBuilder) => {
    g.mov("esi", TAKEN).label("round");
    acquire(g);
    g.inc(mem32(COUNT));
    release(g);
    work(g, 30_000);
    g.dec("esi").jcc("ne", "round");
    end(g);
  };

  it("gets a lock that another one takes and lets go all the time, alike under every pager", () => {
    const outcomes = (["bare", "vtlb", "kvm"] as const).map((pager) => run(scheduler, worker, pager));
    expect(outcomes[0]).toMatchObject({ status: "until", count: TAKEN });
    // Its own work is 6 million, as much is the other's meanwhile. Without the look it would wait for some 20 whole turns of both each time.
    expect(outcomes[0]?.instructions).toBeLessThan(4 * TAKEN * 30_000);
    expect(outcomes.slice(1)).toEqual([outcomes[0], outcomes[0]]);
  });

  it("does not keep one that counts in memory from getting ahead", () => {
    const outcome = run(
      (g) => g.label("busy").inc("eax").jmp("busy"),
      (g) => {
        g.label("count").inc(mem32(COUNT)).cmp(mem32(COUNT), 2_000_000).jcc("ne", "count");
        end(g);
      },
      "bare",
    );
    expect(outcome).toMatchObject({ status: "until", count: 2_000_000 });
    expect(outcome.instructions).toBeLessThan(60_000_000);
  });

  it("waits in whole turns while all do, for what only time will change", () => {
    const wait = (g: GuestBuilder) => {
      const label = `wait${g.here}`;
      g.label(label).cmp(mem32(COUNT), 1).jcc("ne", label);
    };
    const { vm, machine } = bootTwo(twoProcessors({ first: wait, second: wait }), {
      pager: "bare",
      maxInstructions: 2e8,
    });
    vm.run({ budget: 1_000_000 });
    const before = machine.bus.lastSeq;
    vm.run({ budget: 20_000_000 });
    expect((machine.bus.lastSeq - before) / 20_000).toBeLessThan(0.5);
  });
});
