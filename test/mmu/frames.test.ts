import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Mfn } from "../../src/mmu/address.ts";
import { FrameAllocator, FrameStateError, OutOfFrames } from "../../src/mmu/frames.ts";

const mfn = (n: number): Mfn => n as Mfn;

describe("FrameAllocator", () => {
  test("never gives frame 0, and gives the lowest free frame", () => {
    const frames = new FrameAllocator(8);
    expect([frames.allocate("a"), frames.allocate("a"), frames.allocate("b")]).toEqual([1, 2, 3]);
    frames.free(mfn(2), "a");
    expect([frames.allocate("b"), frames.allocate("b")]).toEqual([2, 4]);
    expect([1, 2, 3, 4, 5].map((n) => frames.ownerOf(n))).toEqual(["a", "b", "b", "b", undefined]);
    expect([frames.heldBy("a"), frames.heldBy("b"), frames.heldBy("nobody"), frames.freeFrames]).toEqual([
      1, 3, 0, 3,
    ]);
  });

  test("aligns a contiguous run, and finds the first gap that holds it", () => {
    const frames = new FrameAllocator(64);
    const low = frames.allocateContiguous(3, 4, "a");
    const next = frames.allocateContiguous(5, 4, "b");
    const third = frames.allocateContiguous(8, 16, "c");
    expect([low, next, third]).toEqual([4, 8, 16]);
    frames.free(low, "a", 3);
    expect(frames.allocateContiguous(4, 4, "d")).toBe(4);
    expect(frames.allocateContiguous(4, 4, "d")).toBe(24);
  });

  test("says what was asked for and what is free when it cannot", () => {
    const frames = new FrameAllocator(8);
    expect(() => frames.allocateContiguous(8, 4, "vm1")).toThrow(
      "vm1 asked for 8 contiguous frames aligned to 16 KiB, 7 frames are free",
    );
    for (let i = 0; i < 7; i++) frames.allocate("vm1");
    expect(() => frames.allocate("vm1")).toThrow(OutOfFrames);
    expect(() => frames.allocate("vm1")).toThrow("vm1 asked for a frame, 0 frames are free");
  });

  test("refuses to free a free frame, another's frame, or one that does not exist, and then changes nothing", () => {
    const frames = new FrameAllocator(8);
    const one = frames.allocate("a");
    const other = frames.allocate("b");
    frames.free(one, "a");
    expect(() => frames.free(one, "a")).toThrow("it is free already");
    expect(() => frames.free(other, "a")).toThrow("it belongs to b");
    expect(() => frames.free(mfn(8), "a")).toThrow(FrameStateError);
    expect(() => frames.free(mfn(0), "a")).toThrow("it belongs to machine");
    expect(() => frames.free(other, "b", 2)).toThrow("it is free already");
    expect([frames.ownerOf(other), frames.freeFrames]).toEqual(["b", 6]);
  });

  test("keeps its counts whatever is taken and given back", () => {
    const step = fc.record({
      take: fc.boolean(),
      owner: fc.constantFrom("a", "b"),
      count: fc.integer({ min: 1, max: 6 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const frames = new FrameAllocator(40);
        const held: { at: Mfn; count: number; owner: string }[] = [];
        for (const { take, owner, count } of steps) {
          if (take) {
            try {
              const at = count === 1 ? frames.allocate(owner) : frames.allocateContiguous(count, 2, owner);
              held.push({ at, count, owner });
            } catch (error) {
              if (!(error instanceof OutOfFrames)) throw error;
            }
          } else {
            const run = held.shift();
            if (run) frames.free(run.at, run.owner, run.count);
          }
          const sum = (owner: string) =>
            held.filter((r) => r.owner === owner).reduce((n, r) => n + r.count, 0);
          expect([frames.heldBy("a"), frames.heldBy("b")]).toEqual([sum("a"), sum("b")]);
          expect(frames.freeFrames).toBe(39 - sum("a") - sum("b"));
          const owned = new Set(held.flatMap((r) => Array.from({ length: r.count }, (_, i) => r.at + i)));
          expect(owned.size).toBe(sum("a") + sum("b"));
        }
      }),
      { numRuns: 60 },
    );
  });
});
