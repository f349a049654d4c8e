import { describe, expect, it } from "vitest";
import type { Gpa, Gva } from "../../src/mmu/address.ts";
import { scriptedMachine } from "../support/scripted-machine.ts";

const PDE = 0x1000;
const PTE = 0x2000;
/** CR0.PE and CR0.PG. */
const PAGED = 0x80000001;

/** A guest with paging on, that maps 0x400000 to gpa 0x3000 (writable) and nothing else. */
const paged = {
  boot: (memory: { write32(gpa: Gpa, value: number): void }, state: { set(at: number, v: number): void }) => {
    memory.write32((PDE + 4) as Gpa, PTE | 3);
    memory.write32(PTE as Gpa, 0x3000 | 3);
    state.set(0x200, PAGED);
    state.set(0x20c, PDE);
  },
};

const pageFault = (gva: number, errorCode: number, more = {}) =>
  ({
    reason: "pageFault",
    after: 5,
    gva: gva as Gva,
    errorCode,
    access: errorCode & 2 ? 1 : 0,
    size: 4,
    eip: 0x1234,
    ...more,
  }) as const;

describe("a page fault that only the shadow causes", () => {
  it("is walked, filled and resumed, each message caused by the one before", () => {
    const { vms, envelopes, processor } = scriptedMachine([[pageFault(0x400010, 2)]], paged);
    vms[0]?.run({ budget: 20 });
    const from = envelopes.findIndex(({ message }) => message.type === "cpu.exit");
    const flow = envelopes.slice(from, from + 7);
    expect(flow.map(({ message, sender, receiver }) => `${message.type} ${sender} -> ${receiver}`)).toEqual([
      "cpu.exit cpu0 -> switcher0",
      "mmu.fault switcher0 -> mmu:a",
      "shadow.fault mmu:a -> shadow:a",
      "shadow.filled shadow:a -> null",
      "shadow.resolved shadow:a -> mmu:a",
      "mmu.resolved mmu:a -> switcher0",
      "cpu.enter switcher0 -> cpu0",
    ]);
    const [exit, fault, shadowFault, filled, resolved, mmuResolved, enter] = flow.map(({ seq }) => seq);
    expect(flow.map(({ cause }) => cause).slice(1)).toEqual([
      exit,
      fault,
      shadowFault,
      shadowFault,
      resolved,
      mmuResolved,
    ]);
    expect(filled).toBeLessThan(enter as number);
    expect(processor.deeds.filter((deed) => deed.startsWith("deliver"))).toEqual([]);
  });

  it("sets A and D in the guest's own tables", () => {
    const { vms } = scriptedMachine([[pageFault(0x400010, 2)]], paged);
    vms[0]?.run({ budget: 20 });
    expect(vms[0]?.memory.read32(PTE as Gpa)).toBe(0x3000 | 0x63);
    expect(vms[0]?.memory.read32((PDE + 4) as Gpa)).toBe(PTE | 0x23);
    expect(vms[0]?.audit()).toEqual([]);
  });
});

describe("a page fault that the guest's own tables cause", () => {
  it("is reflected with the guest's error code and CR2", () => {
    const { vms, flow, processor } = scriptedMachine([[pageFault(0x800000, 6)]], paged);
    vms[0]?.run({ budget: 6 });
    expect(flow().slice(5)).toEqual([
      "cpu.exit cpu0 -> switcher0",
      "mmu.fault switcher0 -> mmu:a",
      "trap.inject mmu:a -> switcher0",
      "trap.inject switcher0 -> cpu0",
      "cpu.enter switcher0 -> cpu0",
      "cpu.run machine -> cpu0",
      "cpu.exit cpu0 -> switcher0",
      "cpu.enter switcher0 -> cpu0",
    ]);
    expect(processor.deeds).toContain("deliver exception 14 error 6 cr2 0x800000");
  });

  it("while a page fault was being delivered, becomes a double fault", () => {
    const { vms, processor } = scriptedMachine([[pageFault(0x800000, 0, { vectoring: 14 })]], paged);
    vms[0]?.run({ budget: 10 });
    expect(processor.deeds).toContain("deliver exception 8 error 0");
  });

  it("while a double fault was being delivered, shuts the vm down", () => {
    const { vms, flow } = scriptedMachine([[pageFault(0x800000, 0, { vectoring: 8 })]], paged);
    const result = vms[0]?.run();
    expect(result).toMatchObject({ status: "shutdown", instructions: 5 });
    expect(result?.reason).toMatch(/triple fault at eip 0x1234/);
    expect(flow().at(-1)).toBe("vm.ended vm:a -> *");
  });
});

describe("memory that no frame backs", () => {
  it("is answered by the ports actor with all ones", () => {
    const mmio = { reason: "mmio", gpa: 0xb8000 as Gpa, size: 2, access: 0 } as const;
    const { vms, flow, processor } = scriptedMachine([[mmio]], paged);
    vms[0]?.run({ budget: 10 });
    expect(flow().slice(5, 12)).toEqual([
      "cpu.exit cpu0 -> switcher0",
      "mmu.unbacked switcher0 -> mmu:a",
      "mmio.read mmu:a -> ports:a",
      "mmio.data ports:a -> mmu:a",
      "mmu.emulated mmu:a -> switcher0",
      "cpu.enter switcher0 -> cpu0",
      "cpu.run machine -> cpu0",
    ]);
    expect(processor.deeds).toContain("answer 0xffff");
  });

  it("takes writes and forgets them", () => {
    const mmio = { reason: "mmio", gpa: 0xb8000 as Gpa, size: 4, access: 1, value: 7 } as const;
    const { vms, envelopes } = scriptedMachine([[mmio]], paged);
    vms[0]?.run({ budget: 10 });
    expect(envelopes.map(({ message }) => message)).toContainEqual({
      type: "mmio.write",
      gpa: 0xb8000,
      size: 4,
      value: 7,
    });
  });
});

describe("a change of the guest's paging registers", () => {
  const cr3 = { reason: "controlRegister", register: 3, value: 0x5000, access: 1 } as const;

  it("is performed, then the shadow is flushed, then the guest goes on", () => {
    const { vms, flow, processor } = scriptedMachine([[cr3]], paged);
    vms[0]?.run({ budget: 10 });
    expect(flow().slice(5, 9)).toEqual([
      "cpu.exit cpu0 -> switcher0",
      "shadow.cr switcher0 -> shadow:a",
      "shadow.flushed shadow:a -> switcher0",
      "cpu.enter switcher0 -> cpu0",
    ]);
    expect(processor.deeds).toContain("perform controlRegister");
  });

  it("of bits that have nothing to do with paging goes no further than the CPU", () => {
    const ts = { reason: "controlRegister", register: 0, value: PAGED | 8, access: 1 } as const;
    const { vms, flow } = scriptedMachine([[ts]], paged);
    vms[0]?.run({ budget: 10 });
    expect(flow().filter((line) => line.startsWith("mmu.") || line.startsWith("shadow."))).toEqual([]);
  });

  it("INVLPG invalidates the page in the shadow", () => {
    const { vms, flow } = scriptedMachine([[{ reason: "invlpg", gva: 0x400000 as Gva }]], paged);
    vms[0]?.run({ budget: 10 });
    expect(flow().slice(5, 9)).toEqual([
      "cpu.exit cpu0 -> switcher0",
      "shadow.invlpg switcher0 -> shadow:a",
      "shadow.invalidated shadow:a -> switcher0",
      "cpu.enter switcher0 -> cpu0",
    ]);
  });
});
