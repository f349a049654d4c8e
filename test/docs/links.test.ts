import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const documents = [
  "README.md",
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

describe.each(documents)("%s", (name) => {
  const text = readFileSync(join(ROOT, name), "utf8");

  it("links to nothing that is not there", () => {
    const links = [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map(([, target]) => target as string);
    const local = links.filter((target) => !/^[a-z]+:/.test(target));
    const missing = local.filter((target) => !existsSync(join(ROOT, dirname(name), target)));
    expect(missing).toEqual([]);
  });

  it("names scripts and commands that there are", () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    const commands = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, script]) => script as string);
    expect(commands.filter((script) => !(script in scripts))).toEqual([]);
    const files = [...text.matchAll(/\b(?:scenarios|bench)\/[\w-]+\.ts/g)].map(([file]) => file);
    expect(files.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });
});

describe("docs/reading-order.md", () => {
  it("names twelve files", () => {
    const text = readFileSync(join(ROOT, "docs", "reading-order.md"), "utf8");
    expect(text.match(/^\d+\. \[/gm)).toHaveLength(12);
  });
});
