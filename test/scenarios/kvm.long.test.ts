import { describe, expect, it } from "vitest";
import { runScenario } from "./run.ts";

describe("kvm-flows", { timeout: 60_000 }, () => {
  it.each([
    [],
    ["--unsync", "off"],
    ["--unsync", "off", "--flood", "vcpu"],
    ["--rmap", "descriptors"],
    ["--rmap", "linked"],
  ])("shows all seven flows with %s %s %s %s", async (...flags) => {
    const { code, json, errors, stdout } = await runScenario("kvm-flows", "--json", ...flags);
    expect(errors.filter((line) => line.startsWith("kvm-flows"))).toEqual([]);
    expect(code).toBe(0);
    expect(json).toMatchObject({ ok: true, missing: [], audit: { violations: 0 }, status: "waiting" });
    for (let flow = 1; flow <= 7; flow++) expect(stdout).toMatch(new RegExp(`^${flow}\\. `, "m"));
    expect(stdout).toMatch(/lists of so many leaves +1: \d+/);
  });
});

describe("fork-storm", { timeout: 60_000 }, () => {
  it("forks under bare, vtlb and kvm with the same instructions, kvm with the fewest page-fault exits of both shadows", async () => {
    const storm = async (pager: string) => {
      const { code, json } = await runScenario(
        "fork-storm",
        "--pager",
        pager,
        "--forks",
        "40",
        "--json",
        "--memory",
        "32",
      );
      expect(code).toBe(0);
      return json as {
        instructions: number;
        exits: Record<string, number>;
        kvm?: { stats: { flooded: number } };
      };
    };
    const [bare, vtlb, kvm] = [await storm("bare"), await storm("vtlb"), await storm("kvm")];
    expect(vtlb.instructions).toBe(bare.instructions);
    expect(kvm.instructions).toBe(bare.instructions);
    expect(kvm.exits["pageFault"]).toBeLessThan(vtlb.exits["pageFault"] as number);
    expect(kvm.kvm?.stats.flooded).toBeGreaterThan(0);
    expect(bare.kvm).toBeUndefined();
  });

  it("refuses a budget that nothing could live with", async () => {
    const { code, errors } = await runScenario("fork-storm", "--pager", "kvm", "--shadow-pages", "63");
    expect(code).toBe(2);
    expect(errors.at(-1)).toMatch(/--shadow-pages takes at least 64/);
  });
});
