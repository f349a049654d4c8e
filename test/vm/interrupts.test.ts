import { describe, expect, it } from "vitest";
import { eoi, hlt, initialisePic, input, iret, out, startTimer, sti } from "../support/pc-scripts.ts";
import { scriptedMachine } from "../support/scripted-machine.ts";

const TIMER = 1 << 0;
const COM1 = 1 << 4;

/** The lines from the last one that begins with `first` before the one that begins with `last`, up to that. */
function between(lines: readonly string[], first: string, last: string): string[] {
  const end = lines.findIndex((line) => line.startsWith(last));
  const begin = lines.slice(0, end).findLastIndex((line) => line.startsWith(first));
  return lines.slice(begin, end + 1);
}

describe("a timer interrupt", () => {
  it("goes from the alarm through the controller to the guest, and ends with EOI", () => {
    const { vms, envelopes, processor } = scriptedMachine([
      [...startTimer(1000), ...initialisePic(TIMER), sti, { ...eoi, after: 900_000 }, iret],
    ]);
    vms[0]?.run({ budget: 901_000 });
    const lines = envelopes.map(
      ({ message, sender, receiver }) => `${message.type} ${sender} -> ${receiver ?? "*"}`,
    );
    const inject = lines.indexOf("trap.inject switcher0 -> cpu0");
    const begin = lines.slice(0, inject).lastIndexOf("clock.advance switcher0 -> clock:a");
    expect(lines.slice(begin - 1, inject + 2)).toEqual([
      "cpu.exit cpu0 -> switcher0",
      "clock.advance switcher0 -> clock:a",
      "clock.alarm clock:a -> timer:a",
      "clock.advanced clock:a -> switcher0",
      "irq.assert timer:a -> pic:a",
      "clock.arm timer:a -> clock:a",
      "cpu.enter switcher0 -> cpu0",
      "intr.request pic:a -> switcher0",
      "cpu.kick switcher0 -> cpu0",
      "cpu.exit cpu0 -> switcher0",
      "intr.acknowledge switcher0 -> pic:a",
      "intr.vector pic:a -> switcher0",
      "trap.inject switcher0 -> cpu0",
      "cpu.enter switcher0 -> cpu0",
    ]);
    expect(processor.deeds).toContain("deliver external 32");
    expect(lines).toContain("intr.eoi pic:a -> *");
  });

  it("comes at the same instruction in every run, and whatever the run is cut into", () => {
    const script = () => [...startTimer(1000), ...initialisePic(TIMER), sti, hlt, eoi, iret, hlt, eoi, iret];
    const moments = (budget: number) => {
      const { vms, envelopes } = scriptedMachine([script()]);
      const vm = vms[0]!;
      for (let i = 0; i < 3000 / budget; i++) vm.run({ budget });
      return envelopes.filter(({ message }) => message.type === "trap.inject").map(({ time }) => time);
    };
    expect(moments(3000).length).toBeGreaterThanOrEqual(2);
    expect(moments(7)).toEqual(moments(3000));
  });

  it("waits for IF: the window is requested, and the request is served at the window exit", () => {
    const { vms, processor, flow } = scriptedMachine([
      [
        ...startTimer(1000),
        ...initialisePic(TIMER),
        { reason: "interruptWindow", after: 900_000, interrupts: true },
      ],
    ]);
    const vm = vms[0]!;
    vm.run({ budget: 890_000 });
    expect(processor.windowRequested).toBe(true);
    expect(flow().filter((line) => line.startsWith("cpu.kick"))).toEqual([]);
    vm.run({ budget: 20_000 });
    expect(vm.stats().exits.interruptWindow).toBe(1);
    expect(processor.deeds.at(-1)).toBe("deliver external 32");
    expect(processor.windowRequested).toBe(false);
  });
});

describe("HLT", () => {
  it("jumps to the next alarm without an instruction", () => {
    const { vms, flow } = scriptedMachine([[...startTimer(1193), ...initialisePic(TIMER), sti, hlt]]);
    const vm = vms[0]!;
    const result = vm.run({ budget: 20 });
    expect(result.status).toBe("budget");
    expect(result.virtualNs).toBeGreaterThan(999_000);
    expect(between(flow(), "cpu.halt", "trap.inject")).toEqual([
      "cpu.halt switcher0 -> cpu0",
      "cpu.run machine -> cpu0",
      "clock.idle cpu0 -> clock:a",
      "clock.alarm clock:a -> timer:a",
      "clock.jumped clock:a -> cpu0",
      "irq.deassert timer:a -> pic:a",
      "clock.arm timer:a -> clock:a",
      "cpu.run machine -> cpu0",
      "clock.idle cpu0 -> clock:a",
      "clock.alarm clock:a -> timer:a",
      "clock.jumped clock:a -> cpu0",
      "irq.assert timer:a -> pic:a",
      "clock.arm timer:a -> clock:a",
      "intr.request pic:a -> switcher0",
      "cpu.kick switcher0 -> cpu0",
      "cpu.exit cpu0 -> switcher0",
      "intr.acknowledge switcher0 -> pic:a",
      "intr.vector pic:a -> switcher0",
      "trap.inject switcher0 -> cpu0",
    ]);
  });

  it("with nothing armed waits for input, which wakes the guest", () => {
    const script = [
      ...initialisePic(COM1),
      out(0x3fc, 0x08),
      out(0x3f9, 0x01),
      sti,
      hlt,
      input(0x3f8),
      eoi,
      iret,
    ];
    const { vms, processor } = scriptedMachine([script]);
    const vm = vms[0]!;
    expect(vm.run().status).toBe("waiting");
    expect(vm.status).toBe("waiting");
    const { virtualNs } = vm.stats();
    vm.console.write("x");
    expect(vm.run({ budget: 100 }).status).toBe("budget");
    expect(processor.deeds).toContain("deliver external 36");
    expect(processor.deeds).toContain(`answer 0x${"x".charCodeAt(0).toString(16)}`);
    expect(vm.stats().virtualNs - virtualNs).toBeLessThan(10_000);
  });

  it("with only masked timers ticking waits for input too", () => {
    const { vms } = scriptedMachine([[...startTimer(2), ...initialisePic(0), sti, hlt]]);
    expect(vms[0]?.run().status).toBe("waiting");
  });

  it("with interrupts off ends the vm", () => {
    const { vms } = scriptedMachine([[{ reason: "hlt", eip: 0xc0de }]]);
    const vm = vms[0]!;
    const ended: unknown[] = [];
    vm.on("ended", (...what) => ended.push(what));
    expect(vm.run()).toMatchObject({ status: "halted", instructions: 1 });
    expect(ended).toEqual([["halted", expect.stringContaining("0xc0de")]]);
  });
});

describe("port accesses", () => {
  it("each take a cycle of the ISA bus in virtual time", () => {
    const { vms } = scriptedMachine([[out(0x80, 1), out(0x80, 2), input(0x80)]]);
    expect(vms[0]?.run({ budget: 10 })).toMatchObject({ instructions: 10, virtualNs: 3010 });
  });

  it("reach the device behind the port, and come back with its answer", () => {
    const { vms, processor, flow } = scriptedMachine([[out(0x80, 0xab), input(0x80), input(0x1234, 2)]]);
    vms[0]?.run({ budget: 10 });
    expect(processor.deeds.filter((deed) => deed.startsWith("answer"))).toEqual([
      "answer 0x0",
      "answer 0xab",
      "answer 0xffff",
    ]);
    expect(flow().filter((line) => line.startsWith("io."))).toEqual([
      "io.write switcher0 -> ports:a",
      "io.done ports:a -> switcher0",
      "io.read switcher0 -> ports:a",
      "io.data ports:a -> switcher0",
      "io.read switcher0 -> ports:a",
      "io.data ports:a -> switcher0",
    ]);
  });

  it("at 0xCF9 and of the keyboard controller reset the machine, which ends the vm", () => {
    const byPci = scriptedMachine([[out(0xcf9, 0x06)]]).vms[0]?.run();
    expect(byPci).toMatchObject({ status: "reset", reason: "reset by port 0xcf9" });
    const byKbd = scriptedMachine([[out(0x64, 0xfe)]]).vms[0]?.run();
    expect(byKbd).toMatchObject({ status: "reset", reason: "reset by the keyboard controller" });
  });
});
