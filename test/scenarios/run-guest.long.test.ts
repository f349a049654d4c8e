import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GuestBuilder } from "../../src/guest/builder/index.ts";
import { runScenario } from "./run.ts";

const AT = 0x100000;
const STATUS = 0x15;
let folder = "";
let image = "";
let rom = "";

/** A power-on test as a ROM: code 1, two characters on the printer's port, code FF twice, then it halts for ever. */
function powerOnTest(): Uint8Array {
  const out = (port: number, byte: number): number[] => [0xb0, byte, 0xba, port & 0xff, port >> 8, 0xee]; // MOV AL; MOV DX; OUT DX, AL
  const bytes = new Uint8Array(0x10000).fill(0xf4);
  bytes.set([
    ...out(0x190, 1),
    ...out(0x3bc, 0x4f),
    ...out(0x3bc, 0x4b),
    ...out(0x80, 0xff),
    ...out(0x190, 0xff),
    ...out(0xe9, 0x21),
  ]);
  bytes.set([0xea, 0, 0, 0, 0xf0], 0xfff0); // JMP FAR F000:0000
  return bytes;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "umbra-run-guest-"));
  image = `${join(folder, "guest")}@0x${AT.toString(16)}`;
  const guest = new GuestBuilder({ origin: AT });
  for (const character of "hi\n") guest.mov("al", character.charCodeAt(0)).out(0xe9, "al");
  guest.mov("al", STATUS).out(0xf4, "al").hlt();
  writeFileSync(join(folder, "guest"), guest.build().bytes);
  rom = join(folder, "rom");
  writeFileSync(rom, powerOnTest());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("run-guest", { concurrent: true, timeout: 60_000 }, () => {
  it.each(["bare", "vtlb", "kvm"])("ends as the guest ends it, under %s", async (pager) => {
    const run = await runScenario(
      "run-guest",
      "--flat",
      image,
      "--pager",
      pager,
      "--audit-exits",
      "1",
      "--json",
    );
    expect(run).toMatchObject({
      code: 0,
      json: {
        ok: true,
        status: "exited",
        exitCode: (STATUS << 1) | 1,
        console: "hi\n",
        audit: { violations: 0 },
      },
    });
    expect((run.json as { audit: { runs: number } }).audit.runs).toBeGreaterThanOrEqual(4);
  });

  it("fails on another exit code, and on another end, than was meant", async () => {
    const code = await runScenario("run-guest", "--flat", image, "--exit-code", "1", "--json");
    expect(code).toMatchObject({ code: 1, json: { ok: false, exitCode: (STATUS << 1) | 1 } });
    const end = await runScenario("run-guest", "--flat", image, "--exit-on", "halt", "--json");
    expect(end).toMatchObject({ code: 1, json: { ok: false, status: "exited" } });
  });

  it("follows a power-on test by its codes, up to the one that is success", async () => {
    const file = join(folder, "output");
    const flags = ["--rom", rom, "--post", "--out-port", "0x3bc", "--console-file", file, "--json"];
    const run = await runScenario("run-guest", ...flags, "--exit-on", "post=fF");
    expect(run).toMatchObject({
      code: 0,
      json: { ok: true, status: "until", postCode: 0xff, postCodes: ["01", "FF"], console: "OK" },
    });
    expect(run.errors.slice(0, 2)).toEqual(["POST 01", "POST FF"]);
    expect(readFileSync(file, "utf8")).toBe("OK");
    const failed = await runScenario("run-guest", "--rom", rom, "--json", "--exit-on", "post=7E");
    expect(failed).toMatchObject({
      code: 1,
      json: { ok: false, status: "halted", postCodes: ["01", "FF"], console: "!" },
    });
  });

  it("refuses a port that a device has", async () => {
    const run = await runScenario("run-guest", "--rom", rom, "--out-port", "0x3f8");
    expect(run).toMatchObject({ code: 1, errors: [expect.stringMatching(/0x3f8 is claimed by "com1"/)] });
  });

  it("says in one line what is wrong with the command line", async () => {
    const run = await runScenario("run-guest", "--flat", image, "--exit-code", "-1");
    expect(run.code).toBe(2);
    expect(run.errors).toHaveLength(1);
  });
});
