import { expect, test } from "vitest";
import { bootProgram, GuestBuilder } from "../../src/guest/index.ts";
import { createMachine } from "../../src/vm/machine.ts";

/** Sends every byte of the keyboard controller to port 0xe9, and looks for the next one as fast as it can. */
const reader = () =>
  new GuestBuilder({ origin: 0x100000 })
    .label("wait")
    .in("al", 0x64)
    .test("al", 1)
    .jcc("e", "wait")
    .in("al", 0x60)
    .out(0xe9, "al")
    .jmp("wait");

function type(text: string, keyboard = true) {
  const machine = createMachine({ memoryMiB: 32 });
  const vm = machine.createVm({
    name: "g",
    pager: "vtlb",
    memoryMiB: 8,
    keyboard,
    boot: bootProgram(reader().build()),
  });
  const codes: string[] = [];
  const timesNs: number[] = [];
  machine.bus.of("console.output").subscribe(({ message, time }) => {
    codes.push(message.byte.toString(16).padStart(2, "0"));
    timesNs.push(time);
  });
  vm.run({ budget: 1000 });
  vm.keyboard.type(text);
  vm.run({ budget: 1_000_000 });
  return { codes: codes.join(" "), timesNs, instructions: vm.stats().virtualNs };
}

test("what is typed comes as scan codes of set 1, a key every 20 ms, the same in every run", () => {
  const first = type("aB\n");
  expect(first.codes).toBe("1e 9e 2a 30 b0 aa 1c 9c");
  const [a, , shift, , , , enter] = first.timesNs.map((time) => time / 1e6) as number[];
  expect((shift as number) - (a as number)).toBeCloseTo(20, 1);
  expect((enter as number) - (shift as number)).toBeCloseTo(20, 1);
  expect(type("aB\n")).toEqual(first);
});

test("without a keyboard nothing comes", () => {
  expect(type("a", false).codes).toBe("");
});
