import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { bootMultiboot } from "../../../src/guest/index.ts";
import { createMachine } from "../../../src/vm/machine.ts";

/** Recorded by tools/record-system-guests.ts. */
const { image, outputs } = JSON.parse(
  readFileSync(new URL("./shutdowns/shutdown.json", import.meta.url), "utf8"),
) as { readonly image: string; readonly outputs: readonly string[] };
const kernel = Buffer.from(image, "base64");

function run(commandLine: string, pager: "bare" | "vtlb" | "kvm", reboots = 0) {
  const vm = createMachine({ memoryMiB: 48, cpu: "max" }).createVm({
    name: "g",
    pager,
    memoryMiB: 16,
    boot: bootMultiboot({ kernel, commandLine }),
    reboots,
  });
  const { status } = vm.run({ maxInstructions: 1_000_000 });
  return { status, console: vm.console.text };
}

describe.each(["bare", "vtlb", "kvm"] as const)("a shutdown under %s", (pager) => {
  test.each(outputs.map((output, way) => [way, output] as const))(
    "ends the vm: way %i of shutdown.asm",
    (way, output) => {
      expect(run(String(way), pager)).toEqual({ status: "shutdown", console: output });
    },
  );

  test("begins the guest anew where it may reboot", () => {
    const [output = ""] = outputs;
    expect(run("0", pager, 2)).toEqual({ status: "shutdown", console: output.repeat(3) });
  });

  test("does not come of exceptions that are handled", () => {
    expect(run(String(outputs.length), pager).status).toBe("exited");
  });
});
