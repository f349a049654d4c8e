import { describe, expect, it, test } from "vitest";
import { BareProcessor } from "../../src/cpu/bare-processor.ts";
import type { CpuModel } from "../../src/cpu/system/cpu-models.ts";

const UNDEFINED = 6;
const CODE = 0x1000;
const processors = new Map<CpuModel, BareProcessor>();

/** A processor after `steps` instructions from 0000:1000, with EAX and EFLAGS as given. */
function run(model: CpuModel, bytes: readonly number[], steps: number, eax = 0): BareProcessor {
  const processor = processors.get(model) ?? new BareProcessor({ cpu: model, memoryMiB: 1 });
  processors.set(model, processor);
  processor.reset();
  processor.write(CODE, bytes);
  processor.set({ cs: 0, ss: 0, eip: CODE, esp: 0x800, eax, eflags: 2 });
  for (let k = 0; k < steps; k++) expect(processor.step().end).toBe("done");
  return processor;
}

describe("processors before the Pentium", () => {
  test.each([
    ["i386", 0],
    ["i486", 0x40000],
    ["p6", 0x240000],
  ] as const)("%s holds of AC and ID what it has, with POPFD and IRETD", (model, held) => {
    // PUSH EAX; POPFD
    expect(run(model, [0x66, 0x50, 0x66, 0x9d], 2, 0x240002).get("eflags")).toBe(held | 2);
    // PUSH EAX; PUSH 0; PUSH 1000h; IRETD
    const iretd = [0x66, 0x50, 0x66, 0x6a, 0, 0x66, 0x68, 0, 0x10, 0, 0, 0x66, 0xcf];
    expect(run(model, iretd, 4, 0x240002).get("eflags")).toBe(held | 2);
  });

  test.each([
    ["i386", 0x10, 0x1e],
    ["i486", 0x60000010, 0x6005003e],
  ] as const)("%s begins with the CR0 that it has, and changes no more of it", (model, reset, after) => {
    // MOV CR0, EAX
    const processor = run(model, [0x0f, 0x22, 0xc0], 0, 0x6005002e);
    expect(processor.get("cr0")).toBe(reset);
    expect(processor.step().end).toBe("done");
    expect(processor.get("cr0")).toBe(after);
  });

  it("an i386 takes NW without CD, neither of which it has, where an i486 refuses it", () => {
    expect(run("i386", [0x0f, 0x22, 0xc0], 1, 0x20000010).get("cr0")).toBe(0x10);
    expect(run("i486", [0x0f, 0x22, 0xc0], 0, 0x20000010).step().exception?.vector).toBe(13);
  });

  test.each([
    ["mov eax,cr4", [0x0f, 0x20, 0xe0]],
    ["mov cr4,eax", [0x0f, 0x22, 0xe0]],
    ["cpuid", [0x0f, 0xa2]],
    ["rdtsc", [0x0f, 0x31]],
    ["cmovo ax,ax", [0x0f, 0x40, 0xc0]],
  ] as const)("have no %s", (_, bytes) => {
    for (const model of ["i386", "i486"] as const)
      expect(run(model, bytes, 0).step().exception).toEqual({ vector: UNDEFINED });
    expect(run("p6", bytes, 0).step().end).toBe("done");
  });

  test.each([
    ["bswap eax", [0x66, 0x0f, 0xc8]],
    ["cmpxchg al,al", [0x0f, 0xb0, 0xc0]],
    ["xadd al,al", [0x0f, 0xc0, 0xc0]],
    ["wbinvd", [0x0f, 0x09]],
    ["invlpg [bx+si]", [0x0f, 0x01, 0x38]],
  ] as const)("%s came with the i486", (_, bytes) => {
    expect(run("i386", bytes, 0).step().exception).toEqual({ vector: UNDEFINED });
    expect(run("i486", bytes, 0).step().end).toBe("done");
  });
});
