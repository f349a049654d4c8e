import { describe, expect, it } from "vitest";
import { runBoot } from "../../scenarios/support/boot.ts";
import { parseCommand } from "../../scenarios/support/flags.ts";
import { SEND_FLAGS, sendsOf, TYPE_FLAGS } from "../../scenarios/support/sends.ts";
import { bootProgram } from "../../src/guest/boots.ts";
import { GuestBuilder, ref } from "../../src/guest/builder/index.ts";
import { createMachine } from "../../src/vm/machine.ts";

const sends = (...args: string[]) =>
  sendsOf(parseCommand({ name: "x", summary: "", flags: { ...SEND_FLAGS, ...TYPE_FLAGS } }, args).given);
const latin1 = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");

/** Prompts with "$ " for a line, echoes it, and prompts again. It polls the serial port. */
function shell() {
  return new GuestBuilder({ origin: 0x100000 })
    .label("prompt")
    .mov("esi", ref("text"))
    .mov("ecx", 2)
    .mov("edx", 0x3f8)
    .string("outs", 8, "rep")
    .label("wait")
    .mov("edx", 0x3fd)
    .in("al", "dx")
    .test("al", 1)
    .jcc("e", "wait")
    .mov("edx", 0x3f8)
    .in("al", "dx")
    .out("dx", "al")
    .cmp("al", 10)
    .jcc("e", "prompt")
    .jmp("wait")
    .label("text")
    .db("$ ")
    .build();
}

const shellVm = () =>
  createMachine({ memoryMiB: 32 }).createVm({
    name: "shell",
    pager: "bare",
    memoryMiB: 4,
    boot: bootProgram(shell()),
  });

describe("--send and --send-after", () => {
  it("belong together in the order in which they are given", () => {
    const all = sends("--send", "now", "--send-after=a|b", "--send=then", "--send", "more");
    expect(all.map(({ after, bytes }) => [after?.source, latin1(bytes)])).toEqual([
      [undefined, "now"],
      ["a|b", "then"],
      [undefined, "more"],
    ]);
  });

  it("take escapes and UTF-8", () => {
    expect(latin1(sends("--send", String.raw`a\n\r\t\e\\n\x7F`)[0]!.bytes)).toBe("a\n\r\t\x1b\\n\x7f");
    expect([...sends("--send", "\u00e4")[0]!.bytes]).toEqual([0xc3, 0xa4]);
  });

  it.each([
    [["--send-after", "x"], /without a --send behind it/],
    [["--send-after", "x", "--send-after", "y", "--send", "z"], /--send-after twice/],
    [["--send-after", "(", "--send", "z"], /--send-after: Invalid regular expression/],
    [["--send", String.raw`\q`], /no "\\q"/],
    [["--send", "a\\"], /no "\\"/],
  ])("%j is told in one line", (args, message) => {
    expect(() => sends(...args)).toThrow(message);
  });

  it("answer what the guest shows, one after the other, and --until looks behind the last", async () => {
    const vm = shellVm();
    const dollar = String.raw`\$ `;
    const both = sends("--send-after", dollar, "--send", "ls\\n", "--send-after", dollar, "--send", "cat\\n");
    const outcome = await runBoot(vm, { auditExits: 0, maxInstructions: 1e6, until: /\$ /, sends: both });
    expect(outcome).toMatchObject({ reached: true, waitsFor: undefined });
    expect(vm.console.text).toBe("$ ls\n$ cat\n$ ");
  });

  it("tell what the console has not shown", async () => {
    const vm = shellVm();
    const outcome = await runBoot(vm, {
      auditExits: 0,
      maxInstructions: 10_000,
      until: /\$ /,
      sends: sends("--send-after", "login:", "--send", "root"),
    });
    expect(outcome.reached).toBe(false);
    expect(outcome.waitsFor).toEqual(/login:/);
  });
});
