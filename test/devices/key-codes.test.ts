import { expect, test } from "vitest";
import { keystrokesOf } from "../../src/devices/key-codes.ts";
import { translateToSet1 } from "../../src/devices/scan-codes.ts";

/** As the controller translates them for the guest. */
function inSet1(text: string): string[] {
  return keystrokesOf(text).map((stroke) => {
    let isBreak = false;
    const codes: string[] = [];
    for (const byte of stroke) {
      const { code, breakNext } = translateToSet1(byte, isBreak);
      isBreak = breakNext;
      if (code >= 0) codes.push(code.toString(16).padStart(2, "0"));
    }
    return codes.join(" ");
  });
}

test.each([
  ["a", ["1e 9e"]],
  ["A", ["2a 1e 9e aa"]],
  ["1!", ["02 82", "2a 02 82 aa"]],
  ["\\|", ["2b ab", "2a 2b ab aa"]],
  ["'\"", ["28 a8", "2a 28 a8 aa"]],
  [" \n\r\t\b", ["39 b9", "1c 9c", "1c 9c", "0f 8f", "0e 8e"]],
  ["\x03", ["1d 2e ae 9d"]],
  ["\x1b", ["01 81"]],
  ["\x1b[A\x1b[D", ["e0 48 e0 c8", "e0 4b e0 cb"]],
  ["\x1b[3~\x1bOP\x1b[24~", ["e0 53 e0 d3", "3b bb", "58 d8"]],
  ["x\u00e4y", ["2d ad", "15 95"]],
])("types %j", (text, codes) => {
  expect(inSet1(text)).toEqual(codes);
});

test("has a key for every character of ASCII that a keyboard has", () => {
  const printable = Array.from({ length: 95 }, (_, n) => String.fromCharCode(32 + n));
  const strokes = new Set(printable.map((character) => inSet1(character).join()));
  expect(strokes.size).toBe(95);
  expect(strokes.has("")).toBe(false);
});
