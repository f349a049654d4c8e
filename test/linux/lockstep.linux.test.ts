import { expect, it } from "vitest";
import { linuxGuest } from "../../scenarios/support/linux.ts";
import { Contestant } from "../../scenarios/support/lockstep/contestant.ts";
import { lockstep } from "../../scenarios/support/lockstep/lockstep.ts";
import { DEBIAN_FLAVOURS } from "../../src/guest/debian/fetch.ts";
import { createMachine } from "../../src/vm/machine.ts";

it.each(DEBIAN_FLAVOURS)(
  "Debian's %s kernel from reset to user space is the same under bare and vtlb, in registers and in memory",
  async (guest) => {
    const { boot, cpu } = await linuxGuest({ guest }, { keepShell: false });
    const contestant = (pager: "bare" | "vtlb") =>
      new Contestant(createMachine({ memoryMiB: 160, cpu }).createVm({ name: "linux", pager, boot }));
    const report = await lockstep({
      make: () => [contestant("bare"), contestant("vtlb")],
      every: 100_000,
      memoryEvery: 20_000_000,
      maxInstructions: 2e9,
      until: /UMBRA-READY/,
    });
    expect(report.difference).toBeUndefined();
    expect(report.end).toBe("until");
    expect(report.hashes?.ignoringAD[0]).toBe(report.hashes?.ignoringAD[1]);
  },
);
