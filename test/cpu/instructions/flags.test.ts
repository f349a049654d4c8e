import { describe, expect, it } from "vitest";
import { FLAGS_ALL } from "../../../src/cpu/instructions/line.ts";
import { execute } from "./support/execute.ts";
import { nameOf, randomCase, straightLines } from "./support/forms.ts";
import { Random } from "./support/random.ts";

/**
 * A code generator leaves out flags that the table says nobody needs, so the table must be truthful:
 * what a line does not declare as read must not matter, what it does not declare as written must stay.
 */
describe("the flags that a line declares", () => {
  it.each(straightLines.map((line, n) => ({ line, n, name: nameOf(line) })))("$name", ({ line, n }) => {
    const random = new Random(0x51ed270b + n);
    const reads = line.readsFlags ?? 0;
    const writes = line.writesFlags ?? 0;
    for (let k = 0; k < 60; k++) {
      const one = randomCase(line, random);
      const first = execute(one);
      if (first.vector >= 0) continue;
      expect(first.eflags & FLAGS_ALL & ~writes, "flags that are not written stay").toBe(
        one.eflags & FLAGS_ALL & ~writes,
      );
      const unread = one.eflags ^ (random.word() & FLAGS_ALL & ~reads);
      const second = execute({ ...one, eflags: unread });
      expect({ ...second, eflags: second.eflags & writes }, "flags that are not read do not matter").toEqual({
        ...first,
        eflags: first.eflags & writes,
      });
    }
  });
});
