import { describe, expect, it } from "vitest";
import { bootProgram, GuestBuilder } from "../../src/guest/index.ts";
import { createMachine } from "../../src/vm/machine.ts";

describe("settings of several processors", () => {
  const boot = bootProgram(new GuestBuilder({ origin: 0x100000 }).hlt().build());

  it.each([0, 9, 1.5])("refuses %s processors in one line", (cpus) => {
    const options = { name: "g", pager: "bare", apic: true, boot, cpus } as const;
    expect(() => createMachine().createVm(options)).toThrow(`a vm has 1 to 8 processors, not ${cpus}`);
  });

  it("needs local APICs", () => {
    expect(() => createMachine().createVm({ name: "g", pager: "bare", boot, cpus: 2 })).toThrow(
      "set apic to true",
    );
  });
});

/** At 0x8000: loads the word at 0x500, adds 1 by LOCK INC 20,000 times, counts itself at 0x504, and halts for good. */
const TRAMPOLINE = [
  0xfa, // cli
  0x31,
  0xc0,
  0x8e,
  0xd8, // ds = 0
  0xb9,
  0x20,
  0x4e, // mov cx, 20000
  0xf0,
  0x66,
  0xff,
  0x06,
  0x00,
  0x05, // lock inc dword [0x500]
  0xe2,
  0xf8, // loop
  0xf0,
  0x66,
  0xff,
  0x06,
  0x04,
  0x05, // lock inc dword [0x504]
  0xf4, // hlt
  0xeb,
  0xfd,
];

function run(pager: "bare" | "vtlb" | "kvm", interpreted: boolean) {
  const machine = createMachine({ interpreted, memoryMiB: 64 });
  const vm = machine.createVm({
    name: "g",
    pager,
    memoryMiB: 8,
    apic: true,
    cpus: 4,
    quantum: 777,
    boot: (memory, state) => {
      memory.writeBytes(0x8000 as never, Uint8Array.from(TRAMPOLINE));
      bootProgram(new GuestBuilder({ origin: 0x100000 }).hlt().build())(memory, state);
      memory.writeBytes(0x100000 as never, Uint8Array.from(STARTER));
    },
  });
  const result = vm.run({ maxInstructions: 5_000_000, until: (v) => v.memory.read32(0x504 as never) === 3 });
  const word = (gpa: number) => vm.memory.read32(gpa as never);
  return {
    result,
    counter: word(0x500),
    done: word(0x504),
    hash: vm.memoryHash(),
    audit: vm.audit(),
    vcpus: vm.stats().vcpus.map(({ instructions }) => instructions),
  };
}

/** mov dword [fee00300], c4500 (INIT, others); the same with c4608 (start-up at page 8); then count along for ever. */
const STARTER = [
  0xc7, 0x05, 0x00, 0x03, 0xe0, 0xfe, 0x00, 0x45, 0x0c, 0x00, 0xc7, 0x05, 0x00, 0x03, 0xe0, 0xfe, 0x08, 0x46,
  0x0c, 0x00, 0xf3, 0x90, 0xeb, 0xfc,
];

describe("four processors", () => {
  it.each(["bare", "vtlb", "kvm"] as const)(
    "under %s count without a loss, and alike in every run",
    (pager) => {
      const first = run(pager, false);
      expect(first).toMatchObject({ result: { status: "until" }, counter: 60_000, done: 3, audit: [] });
      for (const instructions of first.vcpus.slice(1)) expect(instructions).toBeGreaterThan(40_000);
      expect(run(pager, false)).toEqual(first);
      expect(run(pager, true)).toEqual(first);
    },
  );
});
