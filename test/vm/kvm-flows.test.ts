import { describe, expect, it } from "vitest";
import { MACHINE } from "../../src/actors/index.ts";
import type { Message } from "../../src/index.ts";
import type { Gpa, Gva } from "../../src/mmu/address.ts";
import { scriptedMachine } from "../support/scripted-machine.ts";
import type { ScriptStep } from "../support/scripted-processor.ts";

const PDE = 0x1000;
const PTE = 0x2000;
const OTHER_PDE = 0x4000;
/** CR0.PE, CR0.WP and CR0.PG. */
const PAGED = 0x80010001;

/** Paging on; 0x400000 is mapped to 0x3000, and 0x401000.. to the directory, the page table and another directory. */
const paged = {
  pager: "kvm" as const,
  boot: (memory: { write32(gpa: Gpa, value: number): void }, state: { set(at: number, v: number): void }) => {
    for (const directory of [PDE, OTHER_PDE]) memory.write32((directory + 4) as Gpa, PTE | 3);
    for (const [index, page] of [0x3000, PDE, PTE, OTHER_PDE].entries())
      memory.write32((PTE + 4 * index) as Gpa, page | 3);
    state.set(0x200, PAGED);
    state.set(0x20c, PDE);
  },
};

const fault = (gva: number, errorCode: number, more = {}): ScriptStep => ({
  reason: "pageFault",
  after: 5,
  gva: gva as Gva,
  errorCode,
  access: errorCode & 2 ? 1 : 0,
  size: 4,
  eip: 0x1234,
  ...more,
});
const loadCr3 = (value: number): ScriptStep => ({ reason: "controlRegister", register: 3, value });

/** Requests only: each set off by the one before. */
function requestsOf(steps: readonly ScriptStep[]) {
  const scripted = scriptedMachine([steps], paged);
  scripted.vms[0]?.run({ budget: 10 * steps.length + 20 });
  const from = scripted.envelopes.findIndex(({ message }) => message.type === "cpu.exit");
  const requests = scripted.envelopes.slice(from).filter(({ receiver }) => receiver !== null);
  return {
    ...scripted,
    lines: requests
      .map(({ message, sender, receiver }) => `${message.type} ${sender} -> ${receiver}`)
      .filter((line) => !line.startsWith("cpu.run")),
    facts: scripted.envelopes
      .slice(from)
      .filter(({ receiver }) => receiver === null)
      .map(({ message }) => message),
  };
}

const EXIT = "cpu.exit cpu0 -> switcher0";
const ENTER = "cpu.enter switcher0 -> cpu0";
const STORED = [
  EXIT,
  "mmu.fault switcher0 -> mmu:a",
  "shadow.fault mmu:a -> shadow:a",
  "shadow.emulate shadow:a -> mmu:a",
  "shadow.write mmu:a -> shadow:a",
  "shadow.written shadow:a -> mmu:a",
  "mmu.emulated mmu:a -> switcher0",
  ENTER,
];
const SWITCHED = [
  EXIT,
  "shadow.cr switcher0 -> roots:a",
  "shadow.load roots:a -> shadow:a",
  "shadow.loaded shadow:a -> roots:a",
  "shadow.flushed roots:a -> switcher0",
  ENTER,
];

describe("kvm's flows of messages", () => {
  it("a cold fault is filled in one turn of the ShadowManager", () => {
    const { lines, facts, vms } = requestsOf([fault(0x400010, 0)]);
    expect(lines.slice(0, 6)).toEqual([
      EXIT,
      "mmu.fault switcher0 -> mmu:a",
      "shadow.fault mmu:a -> shadow:a",
      "shadow.resolved shadow:a -> mmu:a",
      "mmu.resolved mmu:a -> switcher0",
      ENTER,
    ]);
    expect(new Set(facts.map(({ type }) => type))).toEqual(
      new Set(["shadow.created", "shadow.linked", "shadow.filled"]),
    );
    expect(vms[0]?.audit()).toEqual([]);
  });

  it("a store to the directory is done by the ShadowManager, and the processor is told so", () => {
    const { lines, processor, vms } = requestsOf([fault(0x401008, 3, { value: 0x7777000 })]);
    expect(lines.slice(0, STORED.length)).toEqual(STORED);
    expect(vms[0]?.memory.read32((PDE + 8) as Gpa)).toBe(0x7777000);
    expect(processor.deeds).toContain("answer 0x0");
    expect(vms[0]?.audit()).toEqual([]);
  });

  it("the read half of a read-modify-write there is answered from memory, with nothing written", () => {
    const { lines, processor, vms } = requestsOf([fault(0x401004, 3, { access: 0 })]);
    expect(lines.slice(0, 6)).toEqual([...STORED.slice(0, 4), "mmu.emulated mmu:a -> switcher0", ENTER]);
    expect(processor.deeds).toContain(`answer 0x${(PTE | 0x23).toString(16)}`);
    expect(vms[0]?.memory.read32((PDE + 4) as Gpa)).toBe(PTE | 0x23);
  });

  it("MOV CR3 goes through the Roots, makes pages the first time and none the second", () => {
    const { lines, envelopes } = requestsOf([loadCr3(OTHER_PDE), loadCr3(PDE), loadCr3(OTHER_PDE)]);
    expect(lines.slice(0, SWITCHED.length)).toEqual(SWITCHED);
    const created = envelopes.flatMap(({ message }) =>
      message.type === "shadow.loaded" ? [message.created] : [],
    );
    expect(created).toEqual([4, 0, 0]);
  });

  it("the third store to a directory that is not in use gives its shadow up", () => {
    const stores = [1, 2, 3].map((value) => fault(0x403100, 3, { value }));
    const { facts, vms } = requestsOf([loadCr3(OTHER_PDE), loadCr3(PDE), ...stores, fault(0x403100, 3)]);
    const types = facts.map(({ type }) => type);
    expect(types.filter((type) => type === "shadow.flooded").length).toBeGreaterThan(0);
    expect(types.filter((type) => type === "shadow.freed")).toHaveLength(4);
    expect(vms[0]?.memory.read32((OTHER_PDE + 0x100) as Gpa)).toBe(3);
    expect(vms[0]?.audit()).toEqual([]);
  });

  it("INVLPG reads a page of a table that went out of step anew", () => {
    const { lines, facts } = requestsOf([
      fault(0x400010, 0),
      fault(0x402000, 3),
      { reason: "invlpg", gva: 0x400000 as Gva },
    ]);
    expect(facts.map(({ type }) => type)).toContain("shadow.unsynced");
    const from = lines.indexOf("shadow.invlpg switcher0 -> shadow:a");
    expect(lines.slice(from - 1, from + 3)).toEqual([
      EXIT,
      "shadow.invlpg switcher0 -> shadow:a",
      "shadow.invalidated shadow:a -> switcher0",
      ENTER,
    ]);
  });
});

describe("what the embedder asks of kvm's ShadowManager between two bursts", () => {
  function asked(message: Message) {
    const scripted = scriptedMachine([[fault(0x400010, 0), fault(0x401000, 0)]], {
      ...paged,
      kvm: { budget: 80 },
    });
    const [vm] = scripted.vms;
    vm?.run({ budget: 20 });
    const from = scripted.envelopes.length;
    scripted.machine.bus.post(MACHINE, "shadow:a", message);
    vm?.run({ budget: 5 });
    expect(vm?.audit()).toEqual([]);
    return { vm, messages: scripted.envelopes.slice(from).map((envelope) => envelope.message) };
  }
  const typesOf = (messages: readonly Message[]) => messages.map(({ type }) => type);

  it("a page back, whichever is the oldest, and the vcpu gets new roots when it was one", () => {
    const { messages } = asked({ type: "host.pressure" });
    expect(typesOf(messages).filter((type) => !type.startsWith("shadow.un"))).toEqual(
      expect.arrayContaining([
        "host.pressure",
        "shadow.zapped",
        "shadow.reload",
        "shadow.load",
        "shadow.loaded",
      ]),
    );
  });

  it("a smaller budget", () => {
    const { vm } = asked({ type: "vm.budget", max: 64 });
    expect(vm?.kvm?.shadow.budget).toBe(64);
  });

  it("a log of written pages, which loses none", () => {
    const scripted = scriptedMachine([[fault(0x400010, 2), fault(0x400010, 2), fault(0x400010, 3)]], paged);
    const [vm] = scripted.vms;
    const post = (message: Message) => scripted.machine.bus.post(MACHINE, "shadow:a", message);
    const logs = () =>
      scripted.envelopes.flatMap(({ message }) =>
        message.type === "dirty.pages" ? [[...message.gfns]] : [],
      );
    vm?.run({ budget: 8 });
    post({ type: "dirty.start" });
    post({ type: "dirty.read" });
    vm?.run({ budget: 20 });
    post({ type: "dirty.read" });
    vm?.run({ budget: 1 });
    expect(logs()[0]).toEqual([]);
    expect(logs()[1]).toContain(3);
    post({ type: "dirty.stop" });
    vm?.run({ budget: 1 });
    expect(vm?.audit()).toEqual([]);
  });
});
