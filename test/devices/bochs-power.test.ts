import { expect, test } from "vitest";
import { BochsPower } from "../../src/devices/bochs-power.ts";

function bed() {
  let off = 0;
  const power = new BochsPower(() => off++);
  return {
    power,
    off: () => off,
    say: (text: string) => {
      for (const letter of text) power.writePort(0x8900, 1, letter.charCodeAt(0));
    },
  };
}

test("2000h as a word switches off, nothing else", () => {
  const { power, off } = bed();
  for (const [port, size, value] of [
    [0xb004, 2, 0x1fff],
    [0xb004, 1, 0x20],
    [0xb005, 1, 0x20],
  ] as const)
    power.writePort(port, size, value);
  expect([off(), power.readPort(0xb004, 2)]).toEqual([0, 0xffff]);
  power.writePort(0xb004, 2, 0x2000);
  expect(off()).toBe(1);
});

test('the word "Shutdown" switches off, wherever it begins', () => {
  const { off, say } = bed();
  say("Shut down Shutdow");
  expect(off()).toBe(0);
  say("SShutdown");
  expect(off()).toBe(1);
});
