import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GuestBuilder } from "../../src/guest/builder/index.ts";
import { runScenario } from "./run.ts";

const AT = 0x100000;
const STATUS = 0x15;
let folder = "";
let image = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "umbra-run-guest-"));
  image = `${join(folder, "guest")}@0x${AT.toString(16)}`;
  const guest = new GuestBuilder({ origin: AT });
  for (const character of "hi\n") guest.mov("al", character.charCodeAt(0)).out(0xe9, "al");
  guest.mov("al", STATUS).out(0xf4, "al").hlt();
  writeFileSync(join(folder, "guest"), guest.build().bytes);
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

  it("says in one line what is wrong with the command line", async () => {
    const run = await runScenario("run-guest", "--flat", image, "--exit-code", "-1");
    expect(run.code).toBe(2);
    expect(run.errors).toHaveLength(1);
  });
});
