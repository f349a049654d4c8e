import { describe, expect, it } from "vitest";
import { memoryPort } from "../../src/guest/boots.ts";
import { type GuestBuilder, mem32, PageTables } from "../../src/guest/index.ts";
import { ApicRegister, awaitWord, bootTwo, sendIpi, twoProcessors } from "../support/two-processors.ts";

const PAGERS = ["bare", "vtlb", "kvm"] as const;
type PagerName = (typeof PAGERS)[number];

const COUNTS = [0x500, 0x504] as const;
const STAGE = 0x508;
const FAULTS = 0x50c;
const FAULT_ADDRESS = 0x510;
const FAULT_CODE = 0x514;

const endOfInterrupt = (g: GuestBuilder) => g.mov(mem32(ApicRegister.eoi), 0);

const ROUNDS = 200;
const PING = 0x41;

/** The first sends, the second sends back out of its handler, and says so on a port; both wait in HLT. */
const PING_PONG = twoProcessors({
  handlers: { [PING]: "ping" },
  second: (g) => {
    g.mov("ebx", 1).mov(mem32(STAGE), 1).label("idle").plain("sti").hlt().jmp("idle");
  },
  first: (g) => {
    g.mov("ebx", 0);
    awaitWord(g, STAGE, 1);
    g.mov("esi", 0).label("round").cli();
    sendIpi(g, 1, PING);
    g.inc("esi").label("again").cmp(mem32(COUNTS[0]), "esi").jcc("e", "came");
    g.plain("sti").hlt().cli().jmp("again");
    g.label("came").cmp("esi", ROUNDS).jcc("ne", "round");
    g.mov(mem32(STAGE), 2).label("end").jmp("end");
  },
  shared: (g) => {
    g.label("ping").inc(mem32({ index: "ebx", scale: 4, displacement: COUNTS[0] }));
    g.label("eoi");
    endOfInterrupt(g);
    g.cmp("ebx", 0).jcc("e", "return");
    g.mov("al", 0x2e).out(0xe9, "al");
    sendIpi(g, 0, PING);
    g.label("return").plain("iretd");
  },
});

function pingPong(pager: PagerName, interpreted = false) {
  const { machine, vm, word } = bootTwo(PING_PONG, { pager, quantum: 500 }, { interpreted });
  const asked = new Set<number>();
  machine.bus.tap(({ message }) => {
    if (message.type === "io.done") asked.add(message.vcpu);
  });
  const { status } = vm.run({ until: () => word(STAGE) === 2 });
  const { vcpus, virtualNs } = vm.stats();
  return {
    status,
    counts: COUNTS.map(word),
    asked: [...asked],
    console: vm.console.text,
    audit: vm.audit(),
    virtualNs,
    instructions: vcpus.map(({ instructions }) => instructions),
  };
}

describe("interrupts that two processors send each other", () => {
  const expected = pingPong("bare");

  it("all arrive, each once, and wake the other from HLT", () => {
    expect(expected).toMatchObject({ status: "until", counts: [ROUNDS, ROUNDS], audit: [] });
  });

  it("leave the answers of devices with the processor that asked", () => {
    expect(expected.asked).toEqual([1]);
    expect(expected.console).toBe(".".repeat(ROUNDS));
  });

  it.each([
    ["vtlb", false],
    ["kvm", false],
    ["kvm", true],
  ] as const)("come at the same instructions under %s (charts interpreted: %s)", (pager, interpreted) => {
    expect(pingPong(pager, interpreted)).toEqual(expected);
  });
});

const SHOOT_DOWN = 0x42;
const PAGE_FAULT = 14;
const PAGE = 0x400000;
const FRAMES = [0x380000, 0x381000] as const;
const BEFORE = 0xaaaa;
const AFTER = 0xbbbb;
const tables = new PageTables(0x200000)
  .map(0, 0, { pages: 1024, writable: true })
  .map(0xfee00000, 0xfee00000, { writable: true })
  .map(PAGE, FRAMES[0], { writable: true });
const ENTRY = tables.entryGpa(PAGE);

/** The second has stored to a page; the first makes its entry `entry` and tells the second, which drops the translation and stores again. */
function shootDown(pager: PagerName, entry: number) {
  const pagingOn = (g: GuestBuilder) =>
    g.mov("eax", tables.gpa).mov("cr3", "eax").mov("eax", "cr0").or("eax", 0x80010000).mov("cr0", "eax");
  const program = twoProcessors({
    handlers: { [PAGE_FAULT]: "fault", [SHOOT_DOWN]: "shootDown" },
    second: (g) => {
      pagingOn(g).mov(mem32(PAGE), BEFORE).mov(mem32(STAGE), 1);
      g.label("idle").plain("sti").hlt().jmp("idle");
    },
    first: (g) => {
      pagingOn(g);
      awaitWord(g, STAGE, 1);
      g.mov(mem32(ENTRY), entry);
      sendIpi(g, 1, SHOOT_DOWN);
      awaitWord(g, STAGE, 2);
      g.mov(mem32(ENTRY), FRAMES[1] | 3).mov(mem32(STAGE), 3);
      g.label("end").jmp("end");
    },
    shared: (g) => {
      g.label("shootDown").invlpg(mem32(PAGE)).mov(mem32(PAGE), AFTER);
      endOfInterrupt(g);
      g.mov(mem32(STAGE), 4).plain("iretd");
      g.label("fault").inc(mem32(FAULTS)).mov("eax", "cr2").mov(mem32(FAULT_ADDRESS), "eax");
      g.pop("eax").mov(mem32(FAULT_CODE), "eax").mov(mem32(STAGE), 2);
      awaitWord(g, STAGE, 3);
      g.plain("iretd");
    },
  });
  const { vm, word } = bootTwo(program, {
    pager,
    prepare: (memory) => tables.writeTo(memoryPort(memory)),
  });
  const { status } = vm.run({ until: () => word(STAGE) === 4 });
  return {
    status,
    fault: [FAULTS, FAULT_ADDRESS, FAULT_CODE].map(word),
    frames: FRAMES.map(word),
    audit: vm.audit(),
  };
}

describe.each(PAGERS)("a shoot-down under %s", (pager) => {
  it.each([
    ["unmapped", 0, 0b010],
    ["made read-only", FRAMES[0] | 1, 0b011],
  ])(
    "of a page that another processor has %s: the next store faults, and goes where the page is then",
    (_, entry, code) => {
      expect(shootDown(pager, entry)).toEqual({
        status: "until",
        fault: [1, PAGE, code],
        frames: [BEFORE, AFTER],
        audit: [],
      });
    },
  );
});
