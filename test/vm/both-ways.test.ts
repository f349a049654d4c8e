import { describe, expect, it } from "vitest";
import { createMachine, type Message, type PagerName } from "../../src/index.ts";
import type { Gpa, Gva } from "../../src/mmu/address.ts";
import { eoi, hlt, initialisePic, input, iret, out, startTimer, sti } from "../support/pc-scripts.ts";
import { describe as line, scriptedMachine } from "../support/scripted-machine.ts";

describe("compiled and interpreted charts", () => {
  it("exchange the same messages in a run with faults, timers, two vms and a failure", () => {
    const busy = [
      { reason: "pageFault", gva: 0x5000 as Gva, errorCode: 2, access: 1, size: 4 } as const,
      ...startTimer(1000),
      ...initialisePic(1),
      sti,
      hlt,
      eoi,
      iret,
      hlt,
      eoi,
      iret,
      { reason: "mmio", gpa: 0xb8000 as Gpa, size: 4, access: 0 } as const,
      { reason: "controlRegister", register: 3, value: 0x9000 } as const,
      { reason: "tripleFault" } as const,
    ];
    const broken = [out(0x3f8, 65), input(0x3fd), { throws: new Error("a defect") }];
    const run = (interpreted: boolean) => {
      const { vms, envelopes } = scriptedMachine([busy, broken], {}, { interpreted, timeSlice: 5 });
      const result = vms[0]?.run();
      vms[1]?.run();
      return { result, status: vms[1]?.status, lines: envelopes.map((one) => `${one.time} ${line(one)}`) };
    };
    const compiled = run(false);
    expect(compiled.result?.status).toBe("shutdown");
    expect(compiled.status).toBe("failed");
    expect(compiled.lines.length).toBeGreaterThan(150);
    expect(run(true)).toEqual(compiled);
  });
});

/** Real mode at 0:1000: prints "Hi", counts down from 1000, halts with interrupts off. */
const HELLO = [
  0xba, 0xf8, 0x03, 0xb0, 0x48, 0xee, 0xb0, 0x69, 0xee, 0xb9, 0xe8, 0x03, 0xe2, 0xfe, 0xfa, 0xf4,
];

describe("a real guest on the engine", () => {
  const run = (pager: PagerName, interpreted: boolean) => {
    const machine = createMachine({ memoryMiB: 32, interpreted });
    const types = new Set<Message["type"]>();
    machine.bus.tap(({ message }) => types.add(message.type));
    const vm = machine.createVm({
      name: "hello",
      pager,
      memoryMiB: 4,
      boot: (memory, state) => {
        memory.writeBytes(0x1000 as Gpa, Uint8Array.from(HELLO));
        state.setSegment(1, 0, 0, 0xffff, 0x9b);
        state.eip = 0x1000;
        state.updateMode();
      },
    });
    vm.run({ budget: 500 });
    const hash = vm.memoryHash();
    const result = vm.run();
    return { result, hash, text: vm.console.text, shadowed: types.has("shadow.filled") };
  };

  it("retires the same instructions in the same virtual time under every pager, charts compiled or not", () => {
    const bare = run("bare", false);
    expect(bare).toMatchObject({
      text: "Hi",
      shadowed: false,
      result: { status: "halted", instructions: 1008 },
    });
    expect(run("vtlb", false)).toEqual({ ...bare, shadowed: true });
    expect(run("vtlb", true)).toEqual({ ...bare, shadowed: true });
  });
});
