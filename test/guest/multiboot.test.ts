import { describe, expect, it } from "vitest";
import { GuestImageError } from "../../src/guest/errors.ts";
import { isMultiboot, loadMultiboot } from "../../src/guest/multiboot.ts";
import { elfImage } from "./images.ts";
import { TestMemory } from "./memory.ts";

function header(flags: number, addresses: readonly number[] = []): Uint8Array {
  const words = [0x1badb002, flags, -(0x1badb002 + flags), ...addresses];
  return new Uint8Array(Uint32Array.from(words).buffer);
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}

const CODE = Uint8Array.from({ length: 64 }, (_, index) => index + 1);
const ELF = elfImage(0xc0100020, [
  { gpa: 0x100000, gva: 0xc0100000, content: join(header(3), CODE), memoryBytes: 0x2000 },
]);

describe("a Multiboot ELF kernel", () => {
  const load = () => {
    const memory = new TestMemory(8);
    const loaded = loadMultiboot(memory, {
      kernel: ELF,
      commandLine: "kernel a=1",
      modules: [
        { bytes: CODE, text: "first" },
        { bytes: CODE.subarray(0, 3), text: "second x" },
      ],
    });
    return { memory, loaded, info: loaded.infoGpa };
  };

  it("is loaded at its physical addresses and entered at the physical entry", () => {
    const { memory, loaded } = load();
    expect(memory.read(0x10000c, 64)).toEqual(CODE);
    expect(memory.u32(0x101ffc)).toBe(0);
    expect(loaded.entry.eip).toBe(0x100020);
  });

  it("finds the magic number in EAX and the information in EBX", () => {
    const { registers } = load().loaded.entry;
    expect([registers.eax, registers.ebx]).toEqual([0x2badb002, load().info]);
  });

  it("is told the sizes of memory, the command line and the loader", () => {
    const { memory, info } = load();
    expect(memory.u32(info)).toBe(0b10_0100_1111);
    expect([memory.u32(info + 4), memory.u32(info + 8)]).toEqual([639, 7 * 1024]);
    expect(memory.u32(info + 12)).toBe(0x8000ffff);
    expect(memory.text(memory.u32(info + 16))).toBe("kernel a=1");
    expect(memory.text(memory.u32(info + 64))).toBe("Umbra");
  });

  it("finds its modules on page boundaries behind it", () => {
    const { memory, info } = load();
    const table = memory.u32(info + 24);
    const modules = Array.from({ length: memory.u32(info + 20) }, (_, index) => {
      const at = table + index * 16;
      return [memory.u32(at), memory.u32(at + 4), memory.text(memory.u32(at + 8))];
    });
    expect(modules).toEqual([
      [0x102000, 0x102040, "first"],
      [0x103000, 0x103003, "second x"],
    ]);
    expect(memory.read(0x102000, 64)).toEqual(CODE);
  });

  it("is told the memory map", () => {
    const { memory, info } = load();
    const start = memory.u32(info + 48);
    const map: number[][] = [];
    for (let at = start; at < start + memory.u32(info + 44); at += memory.u32(at) + 4) {
      map.push([memory.u32(at + 4), memory.u32(at + 12), memory.u32(at + 20)]);
    }
    expect(map).toEqual([
      [0, 0x9fc00, 1],
      [0x9fc00, 0x400, 2],
      [0xf0000, 0x10000, 2],
      [0x100000, 0x700000, 1],
    ]);
  });

  it("does not overlap the information about it", () => {
    const memory = new TestMemory(8);
    const low = elfImage(0x1000, [{ gpa: 0x1000, content: join(header(0), CODE), memoryBytes: 0x3000 }]);
    const { regions } = loadMultiboot(memory, { kernel: low, commandLine: "" });
    const sorted = [...regions].sort((a, b) => a.gpa - b.gpa);
    sorted.slice(1).forEach((region, index) => {
      expect(sorted[index]!.gpa + sorted[index]!.sizeBytes).toBeLessThanOrEqual(region.gpa);
    });
  });
});

describe("a Multiboot kernel with address fields", () => {
  const HAS_ADDRESSES = 1 << 16;
  const kernel = (addresses: readonly number[]) =>
    join(new Uint8Array(16), header(HAS_ADDRESSES, addresses), CODE);

  it("is loaded from where its header says, whatever is before, and its bss is cleared", () => {
    const memory = new TestMemory(8);
    const { entry } = loadMultiboot(memory, {
      kernel: kernel([0x200010, 0x200000, 0x200000 + 16 + 32 + 64, 0x200400, 0x200030]),
      commandLine: "",
    });
    expect(entry.eip).toBe(0x200030);
    expect(memory.u32(0x200010)).toBe(0x1badb002);
    expect(memory.read(0x200030, 64)).toEqual(CODE);
    expect([memory.u32(0x200070), memory.u32(0x2003fc), memory.u32(0x200400)]).toEqual([0, 0, 0xcccccccc]);
  });

  it("is loaded to the file's end when it does not say where it ends", () => {
    const memory = new TestMemory(8);
    loadMultiboot(memory, { kernel: kernel([0x200000, 0x200000, 0, 0, 0x200020]), commandLine: "" });
    expect(memory.u32(0x200000)).toBe(0x1badb002);
    expect(memory.read(0x200020, 64)).toEqual(CODE);
  });

  it.each([
    ["addresses that contradict each other", [0x200000, 0x200010, 0, 0, 0], "not-multiboot"],
    ["an end beyond the file", [0x200010, 0x200000, 0x201000, 0, 0], "truncated"],
    ["a bss larger than memory", [0x200010, 0x200000, 0, 0x900000, 0], "kernel-too-large"],
  ])("is refused for %s", (_, addresses, problem) => {
    const load = () => loadMultiboot(new TestMemory(8), { kernel: kernel(addresses), commandLine: "" });
    expect(load).toThrow(expect.objectContaining({ problem }));
  });
});

describe("a Multiboot kernel that wants a video mode", () => {
  const WANTS_VIDEO_MODE = 1 << 2;
  const kernel = (type: number) =>
    elfImage(0x10000c, [
      { gpa: 0x100000, content: join(header(WANTS_VIDEO_MODE, [0, 0, 0, 0, 0, type, 80, 25, 0]), CODE) },
    ]);

  it.each([
    ["text", 1],
    ["graphics, which is a preference only (3.1.4)", 0],
  ])("is told of the screen of text when it prefers %s", (_, type) => {
    const memory = new TestMemory(8);
    const { infoGpa } = loadMultiboot(memory, { kernel: kernel(type), commandLine: "" });
    expect(memory.u32(infoGpa) & (1 << 12)).not.toBe(0);
    expect([88, 92, 96, 100, 104, 108].map((at) => memory.u32(infoGpa + at))).toEqual([
      0xb8000, 0, 160, 80, 25, 0x0210,
    ]);
  });
});

describe("what is no Multiboot kernel", () => {
  const load = (kernel: Uint8Array) => () => loadMultiboot(new TestMemory(8), { kernel, commandLine: "" });

  it("is told from one that is", () => {
    expect(isMultiboot(ELF)).toBe(true);
    expect(isMultiboot(CODE)).toBe(false);
    expect(isMultiboot(join(new Uint8Array(8192), header(0)))).toBe(false);
  });

  it("is refused: no header, a wrong checksum, neither ELF nor addresses", () => {
    const wrong = header(0);
    wrong[8]! ^= 1;
    expect(load(CODE)).toThrow(GuestImageError);
    expect(load(wrong)).toThrow("no Multiboot header");
    expect(load(header(0))).toThrow("neither an ELF image");
  });

  it("is refused: demands that are not met", () => {
    expect(load(header(1 << 5))).toThrow("0x20");
  });

  it("is refused: a module larger than memory", () => {
    const modules = [{ bytes: new Uint8Array(8 << 20), text: "" }];
    expect(() => loadMultiboot(new TestMemory(8), { kernel: ELF, commandLine: "", modules })).toThrow(
      expect.objectContaining({ problem: "initrd-too-large" }),
    );
  });
});
