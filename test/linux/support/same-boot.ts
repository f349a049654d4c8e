import { expect } from "vitest";
import { linuxGuest } from "../../../scenarios/support/linux.ts";
import { Contestant } from "../../../scenarios/support/lockstep/contestant.ts";
import { lockstep } from "../../../scenarios/support/lockstep/lockstep.ts";
import type { DEBIAN_FLAVOURS } from "../../../src/guest/debian/fetch.ts";
import type { PagerName } from "../../../src/mmu/pager.ts";
import { createMachine } from "../../../src/vm/machine.ts";

/** A Debian kernel from reset to user space, under `bare` and another pager: expects no difference in registers or memory. */
export async function expectSameBoot(
  guest: (typeof DEBIAN_FLAVOURS)[number],
  pager: PagerName,
): Promise<void> {
  const { boot, cpu } = await linuxGuest({ guest }, { keepShell: false });
  const contestant = (name: PagerName) =>
    new Contestant(createMachine({ memoryMiB: 160, cpu }).createVm({ name: "linux", pager: name, boot }));
  const report = await lockstep({
    make: () => [contestant("bare"), contestant(pager)],
    every: 100_000,
    memoryEvery: 20_000_000,
    maxInstructions: 2e9,
    until: /UMBRA-READY/,
  });
  expect(report.difference).toBeUndefined();
  expect(report.end).toBe("until");
  expect(report.hashes?.ignoringAD[0]).toBe(report.hashes?.ignoringAD[1]);
}
