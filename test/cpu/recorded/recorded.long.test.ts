import { describe, expect, test } from "vitest";
import { recordedDifferences, recordedGroups } from "./recorded-differences.ts";
import { Replay } from "./replay.ts";

const replay = new Replay();
const groups = recordedGroups();

describe("the engine does what was recorded, in every case", () => {
  test.each([...groups.keys()].sort())("opcode %s", (group) => {
    const found = (groups.get(group) ?? []).flatMap((form) => recordedDifferences(form, replay));
    expect(found.length, found.join("\n\n")).toBe(0);
  });
});
