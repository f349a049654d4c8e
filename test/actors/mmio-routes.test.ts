import { expect, test } from "vitest";
import { MmioOverlapError, MmioRoutes } from "../../src/actors/mmio-routes.ts";

function rig() {
  const routes = new MmioRoutes("others");
  routes.add({ first: 0xfec00000, sizeBytes: 0x1000, actor: "ioapic" });
  return routes;
}

test("an address is whose range it is in, the last byte too", () => {
  const routes = rig();
  const at = [0xfebfffff, 0xfec00000, 0xfec00fff, 0xfec01000].map((gpa) => routes.actorAt(gpa));
  expect(at).toEqual(["others", "ioapic", "ioapic", "others"]);
});

test("a range is claimed whole or not at all, and released as it was claimed", () => {
  const routes = rig();
  expect(routes.claim(0xfebff000, 0x1001, "disk")).toBe(false);
  expect(routes.claim(0xfec00800, 0x10, "disk")).toBe(false);
  expect(routes.actorAt(0xfebff000)).toBe("others");
  expect(routes.claim(0xfebff000, 0x1000, "disk")).toBe(true);
  routes.release(0xfec00000, 0x1000, "disk");
  routes.release(0xfebff000, 0x800, "disk");
  expect([0xfebff000, 0xfec00000].map((gpa) => routes.actorAt(gpa))).toEqual(["disk", "ioapic"]);
  routes.release(0xfebff000, 0x1000, "disk");
  expect(routes.actorAt(0xfebff000)).toBe("others");
});

test("a device that has to be where another one is, is an error that names both", () => {
  const clash = () => rig().add({ first: 0xfec00ff0, sizeBytes: 0x1000, actor: "apic" });
  expect(clash).toThrow(MmioOverlapError);
  expect(clash).toThrow(/0xfec00ff0 .*ioapic.*apic: give one of them another base/);
});
