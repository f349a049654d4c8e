import { expect, test } from "vitest";
import { TEST_LINES, TEST_MEMORY, TestDevice } from "../../src/devices/test-device.ts";
import { Probe } from "./fake-clock.ts";

function bed() {
  const lines = Array.from({ length: TEST_LINES }, () => new Probe());
  return { lines, device: new TestDevice(lines) };
}

test("four bytes of ports keep what is written, in any width; the flush port keeps nothing", () => {
  const { device } = bed();
  device.writePort(0xe0, 4, 0x44332211);
  device.writePort(0xe2, 1, 0xaa);
  device.writePort(0xe4, 4, 0x1000);
  expect([0xe0, 0xe1, 0xe2, 0xe3].map((port) => device.readPort(port, 1))).toEqual([0x11, 0x22, 0xaa, 0x44]);
  expect([device.readPort(0xe0, 4), device.readPort(0xe2, 2), device.readPort(0xe4, 4)]).toEqual([
    0x44aa2211, 0x44aa, 0,
  ]);
});

test("a port for each interrupt line raises and lowers that one", () => {
  const { device, lines } = bed();
  device.writePort(0x200e, 1, 1);
  device.writePort(0x2003, 4, 0x101);
  device.writePort(0x2003, 1, 0);
  expect(lines.flatMap(({ level }, line) => (level ? [line] : []))).toEqual([14]);
  expect(lines[3]?.edges.map(({ level }) => level)).toEqual([true, false]);
});

test("64 KiB of device memory, little-endian, and not a byte more", () => {
  const { device } = bed();
  device.writeMemory(TEST_MEMORY + 5, 4, 0x89abcdef);
  expect([device.readMemory(TEST_MEMORY + 5, 4), device.readMemory(TEST_MEMORY + 7, 2)]).toEqual([
    0x89abcdef, 0x89ab,
  ]);
  expect(
    [TEST_MEMORY - 1, TEST_MEMORY, TEST_MEMORY + 0xfffc, TEST_MEMORY + 0xfffd].map((gpa) =>
      device.hasMemory(gpa, 4),
    ),
  ).toEqual([false, true, true, false]);
});
