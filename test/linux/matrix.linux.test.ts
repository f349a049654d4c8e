import { describe, expect, it } from "vitest";
import { type Cell, type CellResult, disagreements, runCell } from "../../scenarios/support/matrix.ts";

/** Out of all that `npm run linux:matrix` boots: each kernel, several processors, both kinds of disks, each pager, and one of them twice. */
const CELLS: readonly Cell[] = [
  { guest: "686", cpus: 4, disk: "virtio", pager: "bare" },
  { guest: "686", cpus: 4, disk: "virtio", pager: "bare" },
  { guest: "686", cpus: 4, disk: "virtio", pager: "vtlb" },
  { guest: "686", cpus: 4, disk: "virtio", pager: "kvm" },
  { guest: "686-pae", cpus: 2, disk: "ide", pager: "bare" },
  { guest: "686-pae", cpus: 2, disk: "ide", pager: "vtlb" },
  { guest: "686-pae", cpus: 2, disk: "ide", pager: "kvm" },
];

describe("Debian's Linux", () => {
  const results: CellResult[] = [];

  it.each(CELLS)(
    "$guest with $cpus processors and a disk on $disk works under $pager and switches off",
    async (cell) => {
      const result = await runCell(cell);
      expect(result.problem).toBeUndefined();
      expect(result.memoryHash).toMatch(/^[0-9a-f]{64}$/);
      results.push(result);
    },
  );

  it("has the same instructions, time and memory in every run", () => {
    expect(results).toHaveLength(CELLS.length);
    expect(disagreements(results)).toEqual([]);
  });
});
