import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runScenario } from "./run.ts";
import { GREETING, tinyKernel } from "./tiny-kernel.ts";

let folder = "";
const file = (name: string) => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "umbra-scripts-"));
  writeFileSync(file("kernel"), tinyKernel());
  writeFileSync(file("initrd"), new Uint8Array(4096));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const boot = (kernel: string, initrd: string, ...more: string[]) =>
  runScenario(
    "boot-linux",
    "--kernel",
    file(kernel),
    "--initrd",
    file(initrd),
    "--memory",
    "32",
    "--json",
    ...more,
  );

describe("boot-linux", { concurrent: true, timeout: 60_000 }, () => {
  it("boots a kernel of one's own until the console shows what was named", async () => {
    const { code, json } = await boot("kernel", "initrd", "--until", "tiny k.*l");
    expect(json).toMatchObject({
      ok: true,
      pager: "vtlb",
      reached: true,
      exits: { io: 11 },
      audit: { runs: 1, violations: 0 },
      memoryHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    for (const figure of ["wallMs", "instructions", "virtualMs", "messages"])
      expect(json?.[figure]).toBeGreaterThan(0);
    expect(code).toBe(0);
  });

  it("fails when that never comes within --max-instructions, which are exact", async () => {
    const run = await boot(
      "kernel",
      "initrd",
      "--until",
      "penguin",
      "--max-instructions",
      "12345",
      "--console",
    );
    expect(run).toMatchObject({
      code: 1,
      json: { ok: false, reached: false, status: "budget", instructions: 12345 },
    });
    expect(run.stdout).toContain(GREETING);
    expect(run.errors.at(-1)).toMatch(/NOT OK: --max-instructions is reached/);
  });

  it("refuses a kernel that is not there in one line", async () => {
    const { code, errors, json } = await boot("nowhere", "initrd");
    const complaint = expect.stringMatching(/Cannot read the kernel .*nowhere: there is no such file/);
    expect(code).toBe(1);
    expect(errors).toEqual([complaint]);
    expect(json).toEqual({ ok: false, error: complaint });
  });

  it("refuses an unknown pager with exit code 2", async () => {
    const { code, errors } = await runScenario("boot-linux", "--pager", "npt");
    expect(code).toBe(2);
    expect(errors).toEqual([expect.stringMatching(/unknown pager "npt"/)]);
  });
});

describe("page-fault", { concurrent: true, timeout: 60_000 }, () => {
  const fill = [
    "cpu.run",
    "cpu.exit",
    "mmu.fault",
    "shadow.fault",
    "shadow.filled",
    "shadow.resolved",
    "mmu.resolved",
    "cpu.enter",
  ];

  it("shows cold, dirty, reflected and retried faults as trees of causes", async () => {
    const { code, stdout, json } = await runScenario("page-fault", "--memory", "8", "--json");
    expect(code).toBe(0);
    expect(json).toMatchObject({
      ok: true,
      flows: [
        { name: "cold", types: fill, pteBefore: 0x100003, pteAfter: 0x100023 },
        { name: "dirty", types: fill, pteBefore: 0x100023, pteAfter: 0x100063 },
        {
          name: "reflected",
          types: ["cpu.run", "cpu.exit", "mmu.fault", "trap.inject", "trap.inject", "cpu.enter"],
        },
        { name: "retried", types: fill, pteBefore: 0x101003, pteAfter: 0x101063 },
      ],
    });
    expect(stdout).toMatch(/└─ #\d+ cpu.exit {2}cpu0 -> switcher0 .*\n {3}└─ #\d+ mmu.fault/);
  });

  it("shows none under bare, whose hardware walks the guest's own tables", async () => {
    const { code, json } = await runScenario("page-fault", "--memory", "8", "--json", "--pager", "bare");
    expect({ code, flows: json?.["flows"] }).toEqual({ code: 0, flows: [] });
  });
});

describe("timer-interrupt", { concurrent: true, timeout: 60_000 }, () => {
  const begin = ["clock.alarm", "irq.assert"];
  const end = ["intr.vector", "trap.inject", "intr.eoi"];
  const STORIES: Record<string, string[]> = {
    off: [...begin, "intr.request", "intr.acknowledge", ...end],
    // The line leads to the 8259 pair and to the I/O APIC; the pair's request, and its acknowledgement, pass through the local APIC.
    on: [
      ...begin,
      "irq.assert",
      "intr.request",
      "intr.request",
      "intr.acknowledge",
      "intr.acknowledge",
      ...end,
    ],
  };
  it.each(["off", "on"])("shows one tick from the alarm to the end of interrupt, --apic %s", async (apic) => {
    const args = ["--memory", "8", "--json", "--ticks", "5", "--apic", apic];
    const { code, json } = await runScenario("timer-interrupt", ...args);
    expect(code).toBe(0);
    expect(json).toMatchObject({ ok: true, ticks: 5 });
    const types = ((json?.["flow"] ?? []) as string[][]).flat();
    const story = STORIES[apic] as string[];
    expect(types.filter((type) => story.includes(type))).toEqual(story);
  });
});

describe("lockstep", { concurrent: true, timeout: 60_000 }, () => {
  it("finds bare and vtlb alike with the built-in guest", async () => {
    const args = [
      "--rounds",
      "20000",
      "--memory",
      "8",
      "--every",
      "10000",
      "--memory-every",
      "50000",
      "--json",
    ];
    const { code, json } = await runScenario("lockstep", ...args, "bare", "vtlb");
    expect(code).toBe(0);
    expect(json).toMatchObject({ ok: true, end: "waiting", accessedDirtyOnly: 0 });
    expect(json?.["memoryComparisons"]).toBeGreaterThan(5);
  });

  it("says what disks are for", async () => {
    const errorsOf = async (...args: string[]) => {
      const { code, errors } = await runScenario("lockstep", ...args);
      expect(code).toBe(2);
      return errors.join();
    };
    expect(await errorsOf("--disk", file("initrd"))).toMatch(/are for --linux or --firmware/);
    expect(await errorsOf("--firmware")).toMatch(/give --disk FILE or --cdrom FILE/);
    expect(await errorsOf("--firmware", "--linux")).toMatch(/leave it or --firmware out/);
  });
});
