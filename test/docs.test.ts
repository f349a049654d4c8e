import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { generatedDocs } from "../tools/docs-files.ts";

describe.each(generatedDocs())("$file.pathname", ({ file, text }) => {
  it("is what `npm run docs` writes", () => {
    expect(existsSync(file) ? readFileSync(file, "utf8") : "", "out of date: run `npm run docs`").toBe(text);
  });
});
