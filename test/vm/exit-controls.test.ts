import { describe, expect, it } from "vitest";
import { scriptedMachine } from "../support/scripted-machine.ts";

/** What the monitor makes of exits that no pager of today asks for: the CPU performs them, and that is all. */

const performed = [
  { reason: "exception", vector: 13, errorCode: 0 },
  { reason: "taskSwitchAttempt", value: 0x30 },
  { reason: "rdtsc" },
  { reason: "rdpmc" },
  { reason: "wbinvd" },
  { reason: "pause" },
  { reason: "debugRegister", register: 7 },
  { reason: "descriptorTable", register: 1 },
] as const;

describe("an exit by control", () => {
  it.each(performed)("for $reason is performed, and the guest goes on", (step) => {
    const { vms, envelopes, processor } = scriptedMachine([[{ ...step, after: 5, eip: 0x1234 }]]);
    vms[0]?.run({ budget: 20 });
    const from = envelopes.findIndex(({ message }) => message.type === "cpu.exit");
    expect(envelopes.slice(from, from + 2).map(({ message }) => message.type)).toEqual([
      "cpu.exit",
      "cpu.enter",
    ]);
    expect(envelopes[from]?.message).toMatchObject({ reason: step.reason, eip: 0x1234 });
    expect(processor.deeds).toContain(`perform ${step.reason}`);
  });

  it("a window for non-maskable interrupts is only told", () => {
    const { vms, processor } = scriptedMachine([[{ reason: "nmiWindow", after: 5 }]]);
    vms[0]?.run({ budget: 20 });
    expect(processor.deeds.filter((deed) => deed.startsWith("perform"))).toEqual([]);
  });

  it("of a read of CR3 changes no translations", () => {
    const { vms, envelopes, processor } = scriptedMachine([
      [{ reason: "controlRegister", register: 3, value: 0, write: false, after: 5 }],
    ]);
    vms[0]?.run({ budget: 20 });
    expect(processor.deeds).toContain("perform controlRegister");
    expect(envelopes.filter(({ message }) => message.type === "shadow.cr")).toEqual([]);
  });
});
