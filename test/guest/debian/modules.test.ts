import { expect, it } from "vitest";
import { withoutSignature } from "../../../src/guest/debian/modules.ts";

const MARK = "~Module signature appended~\n";

/** A module of `code`, signed with `signature`; the trailer tells `length`. */
function signed(code: number[], signature: number[], length = signature.length): Uint8Array {
  const header = new Uint8Array(12);
  new DataView(header.buffer).setUint32(8, length);
  // In the middle of a buffer, as readFileSync may give it.
  return Buffer.from([9, 9, ...code, ...signature, ...header, ...Buffer.from(MARK)]).subarray(2);
}

it("takes a module's signature off, and nothing else", () => {
  expect([...withoutSignature(signed([1, 2, 3], [7, 7, 7, 7]))]).toEqual([1, 2, 3]);
  expect([...withoutSignature(signed([1, 2, 3], []))]).toEqual([1, 2, 3]);
  for (const whole of [
    Uint8Array.of(1, 2, 3),
    Buffer.from(MARK),
    signed([1], [2, 3], 4),
    signed([1, 2], [3]).subarray(0, -1),
  ])
    expect(withoutSignature(whole)).toBe(whole);
});
