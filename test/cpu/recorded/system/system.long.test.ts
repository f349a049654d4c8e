import { describe, expect, test } from "vitest";
import { replayGroup, SYSTEM_GROUPS } from "./differences.ts";

describe("the engine does what was recorded of system code, in every case", () => {
  test.each([...SYSTEM_GROUPS.keys()].sort())("opcode %s", (group) => {
    const found = replayGroup(group, 1);
    expect(found.length, found.slice(0, 3).join("\n\n")).toBe(0);
  });
});
