import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const EXAMPLES = join(ROOT, "docs", "examples");
const document = readFileSync(join(ROOT, "docs", "embedding.md"), "utf8");
const run = promisify(execFile);

/** The code blocks of a language, in order. */
const blocks = (language: string): string[] =>
  [...document.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(
    ([, text]) => text as string,
  );

const names = readdirSync(EXAMPLES).filter((name) => name.endsWith(".ts"));

describe("docs/embedding.md", { timeout: 60_000 }, () => {
  it("has four examples", () => {
    expect(names).toEqual(["echo.ts", "one-actor.ts", "single-step.ts", "watch.ts"]);
  });

  it.concurrent.each(names)("shows %s as it is, and what it prints", async (name) => {
    const code = readFileSync(join(EXAMPLES, name), "utf8");
    expect(blocks("ts")).toContain(code);
    const at = document.indexOf(code) + code.length;
    const shown = /^```text\n(.*?)^```$/ms.exec(document.slice(at))?.[1];
    // By the package's own name, as an embedder would.
    const args = ["--conditions=umbra-source", "--import", "tsx", join(EXAMPLES, name)];
    const { stdout } = await run(process.execPath, args, { cwd: ROOT });
    expect(stdout).toBe(shown);
  });
});
