import { expect, it } from "vitest";
import { type GuestBuilder, mem32 } from "../../src/guest/index.ts";
import { ApicRegister, awaitWord, bootTwo, twoProcessors } from "../support/two-processors.ts";

const DEADLINE_VECTOR = 0x51;
const LVT_TIMER = 0xfee00320;
const DEADLINE_MODE = 2 << 17;
const ELSEWHERE = 0xfed40000;
const TIMES = 0x500;
const STAGE = 0x504;
const LATE = 0x508;
const VERSIONS = 0x510;

/** Sets EAX; EDX is 0. */
const writeMsr = (g: GuestBuilder, index: number, value: number) =>
  g.mov("ecx", index).mov("eax", value).mov("edx", 0).plain("wrmsr");

/**
 * The second processor moves its APIC and reads the version there and at the old place; the first one, whose own stays, has three
 * deadlines: 5,000 ticks ahead, in the past, and one that it cancels.
 */
const PROGRAM = twoProcessors({
  handlers: { [DEADLINE_VECTOR]: "deadline" },
  second: (g) => {
    writeMsr(g, 0x1b, ELSEWHERE | 0x800);
    g.mov("eax", mem32(ELSEWHERE + 0x30)).mov(mem32(VERSIONS), "eax");
    g.mov("eax", mem32(0xfee00030)).mov(mem32(VERSIONS + 4), "eax");
    writeMsr(g, 0x1b, 0);
    g.mov("eax", mem32(ELSEWHERE + 0x30)).mov(mem32(VERSIONS + 8), "eax");
    g.mov(mem32(STAGE), 1).label("idle").plain("sti").hlt().jmp("idle");
  },
  first: (g) => {
    awaitWord(g, STAGE, 1);
    g.mov("eax", mem32(0xfee00030)).mov(mem32(VERSIONS + 12), "eax");
    g.mov(mem32(LVT_TIMER), DEADLINE_MODE | DEADLINE_VECTOR).plain("sti");
    g.plain("rdtsc").add("eax", 5000).mov("esi", "eax").mov("ecx", 0x6e0).plain("wrmsr");
    g.plain("rdmsr").cmp("eax", "esi").jcc("ne", "wrong");
    g.hlt().plain("rdtsc").sub("eax", "esi").mov(mem32(LATE), "eax");
    g.plain("rdtsc").mov("ecx", 0x6e0).plain("wrmsr");
    g.cmp(mem32(TIMES), 2).jcc("ne", "wrong");
    g.plain("rdtsc").add("eax", 5000).plain("wrmsr");
    writeMsr(g, 0x6e0, 0);
    g.mov("ecx", 10_000).label("wait").dec("ecx").jcc("ne", "wait");
    g.mov("ecx", 0x6e0).plain("rdmsr").or("eax", "edx").jcc("ne", "wrong");
    g.mov(mem32(STAGE), 2).label("end").jmp("end");
    g.label("wrong").mov(mem32(STAGE), 3).jmp("end");
  },
  shared: (g) => g.label("deadline").inc(mem32(TIMES)).mov(mem32(ApicRegister.eoi), 0).plain("iretd"),
});

function run(pager: "bare" | "vtlb" | "kvm") {
  const { vm, word } = bootTwo(PROGRAM, { pager }, { cpu: "max" });
  vm.run({ until: () => word(STAGE) >= 2 });
  const { instructions } = vm.stats();
  return {
    stage: word(STAGE),
    times: word(TIMES),
    late: word(LATE),
    versions: [0, 4, 8, 12].map((at) => word(VERSIONS + at)),
    instructions,
  };
}

it.each(["bare", "vtlb", "kvm"] as const)(
  "IA32_APIC_BASE moves one processor's APIC, and deadlines come in time, under %s",
  (pager) => {
    const outcome = run(pager);
    expect(outcome).toEqual({ ...run("bare"), stage: 2, times: 2 });
    expect(outcome.versions).toEqual([0x50014, 0xffffffff, 0xffffffff, 0x50014]);
    expect(outcome.late).toBeLessThan(200);
  },
);
