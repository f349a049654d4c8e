import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { bootMultiboot } from "../../../src/guest/index.ts";
import { createMachine } from "../../../src/vm/machine.ts";

const FOLDER = new URL("./guests/", import.meta.url);
const NAMES = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));

interface Recorded {
  readonly by: string;
  /** Base64. */
  readonly image: string;
  readonly output: readonly string[];
}

describe.each(NAMES)("guest %s", (name) => {
  const recorded = JSON.parse(readFileSync(new URL(name, FOLDER), "utf8")) as Recorded;
  test.each(["bare", "vtlb", "kvm"] as const)("prints what it must, under %s", (pager) => {
    const machine = createMachine({ memoryMiB: 48, cpu: "max" });
    const kernel = Buffer.from(recorded.image, "base64");
    const vm = machine.createVm({
      name: "g",
      pager,
      memoryMiB: 16,
      boot: bootMultiboot({ kernel, commandLine: "" }),
      apic: true,
    });
    const { status, exitCode } = vm.run({ maxInstructions: 5_000_000 });
    const lines = vm.console.text.split("\n").map((line) => line.trimEnd());
    if (lines.at(-1) === "") lines.pop();
    expect(lines).toEqual(recorded.output);
    expect({ status, exitCode }).toEqual({ status: "exited", exitCode: 1 });
  });
});
