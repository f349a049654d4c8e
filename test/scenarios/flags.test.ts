import { describe, expect, it } from "vitest";
import { helpText, parseCommand, UsageError } from "../../scenarios/support/flags.ts";

const COMMAND = {
  name: "scenarios/x.ts",
  summary: "Does x.",
  flags: { own: { type: "string", value: "THING", help: "a flag of its own" } },
} as const;

const parse = (...args: string[]) => parseCommand(COMMAND, args);

/** The message of the UsageError that the arguments give. */
function complaint(...args: string[]): string {
  try {
    parse(...args);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  return "";
}

describe("the flags of scenarios", () => {
  it("have defaults", () => {
    expect(parse().common).toMatchObject({
      pager: "vtlb",
      memoryMiB: 128,
      maxInstructions: Number.POSITIVE_INFINITY,
      trace: undefined,
      inspect: undefined,
      json: false,
    });
  });

  it("are read in both spellings, with a scenario's own among them", () => {
    const { common, own } = parse("--pager=bare", "--memory", "96", "--json", "--own", "it");
    expect(common).toMatchObject({ pager: "bare", memoryMiB: 96, json: true });
    expect(own.own).toBe("it");
  });

  it("take memory in MiB or with a unit", () => {
    expect(parse("--memory", "64M").common.memoryMiB).toBe(64);
    expect(parse("--memory", "1G").common.memoryMiB).toBe(1024);
  });

  it("take counts with exponents", () => {
    expect(parse("--max-instructions", "60e6").common.maxInstructions).toBe(60_000_000);
  });

  it("trace everything when no family is named, else those named", () => {
    expect(parse("--trace").common.trace).toEqual([]);
    expect(parse("--trace=cpu,shadow").common.trace).toEqual(["cpu", "shadow"]);
    expect(parse("--trace", "--json").common).toMatchObject({ trace: [], json: true });
  });

  it("inspect on port 8080 when none is named", () => {
    expect(parse("--inspect").common.inspect).toBe(8080);
    expect(parse("--inspect=9000").common.inspect).toBe(9000);
  });

  it.each([
    [["--colour"], /unknown option '--colour'/i],
    [["--pager", "ept"], /unknown pager "ept"; there are: bare, vtlb\b/],
    [["--pager"], /argument missing/],
    [["--memory", "lots"], /--memory takes MiB from 1 to 3072/],
    [["--memory", "0"], /--memory/],
    [["--memory", "4G"], /--memory/],
    [["--max-instructions", "-1"], /--max-instructions|ambiguous/],
    [["--max-instructions", "0.5"], /whole number above 0, not "0.5"/],
    [["--trace=cpu,gpu"], /--trace takes apic, clock, .*vm, not "gpu"/],
    [["--inspect=0"], /port from 1 to 65535/],
    [["--json=yes"], /does not take an argument/],
    [["operand"], /unexpected argument/i],
  ])("%j are refused in one line", (args, expected) => {
    const message = complaint(...args);
    expect(message).toMatch(expected);
    expect(message).not.toContain("\n");
  });

  it("are all in the help", () => {
    const help = helpText(COMMAND);
    for (const flag of [
      "pager",
      "memory",
      "max-instructions",
      "trace[=",
      "inspect[=",
      "json",
      "help",
      "own THING",
    ])
      expect(help).toContain(`--${flag}`);
  });
});
