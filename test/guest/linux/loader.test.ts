import { describe, expect, it } from "vitest";
import { GuestImageError, type GuestImageProblem } from "../../../src/guest/errors.ts";
import { readImageFile } from "../../../src/guest/files.ts";
import { type LinuxImage, loadLinux } from "../../../src/guest/linux/loader.ts";
import { isBacked } from "../../../src/guest/memory-port.ts";
import { bzImage, elfImage } from "../images.ts";
import { TestMemory } from "../memory.ts";

const CODE = Uint8Array.from({ length: 5000 }, (_, index) => index % 251);
const KERNEL_GPA = 0x1000000;
const ELF = elfImage(KERNEL_GPA + 16, [
  { gpa: KERNEL_GPA, gva: 0xc1000000, content: CODE, memoryBytes: 0x3000 },
  { gpa: KERNEL_GPA + 0x4000, gva: 0xc1004000, content: CODE.subarray(0, 100) },
]);
const KERNEL = bzImage({ elf: ELF });

function image(options: Partial<LinuxImage> = {}): LinuxImage {
  return { kernel: KERNEL, commandLine: "console=ttyS0", unpack: "host", ...options };
}

/** The problem that loading meets, and that its message is one line. */
function problemOf(load: () => unknown): GuestImageProblem | undefined {
  try {
    load();
  } catch (error) {
    expect(error).toBeInstanceOf(GuestImageError);
    expect((error as Error).message).not.toContain("\n");
    return (error as GuestImageError).problem;
  }
  return undefined;
}

describe("a kernel unpacked on the host", () => {
  it("is loaded at its physical addresses, with what the file does not hold cleared", () => {
    const memory = new TestMemory(32);
    loadLinux(memory, image());
    expect(memory.read(KERNEL_GPA, CODE.length)).toEqual(CODE);
    expect(memory.read(KERNEL_GPA + CODE.length, 0x3000 - CODE.length).every((byte) => byte === 0)).toBe(
      true,
    );
    expect(memory.read(KERNEL_GPA + 0x4000, 100)).toEqual(CODE.subarray(0, 100));
  });

  it("is entered at the ELF entry by the 32-bit boot protocol", () => {
    const memory = new TestMemory(32);
    const { entry } = loadLinux(memory, image());
    expect(entry.eip).toBe(KERNEL_GPA + 16);
    const { esi, ebx, ebp, edi } = entry.registers;
    expect({ ebx, ebp, edi }).toEqual({ ebx: 0, ebp: 0, edi: 0 });
    expect(memory.u32(esi + 0x202)).toBe(0x53726448);
    expect(entry.eflags & (1 << 9)).toBe(0);
    expect((entry.cr0 & 1) === 1 && entry.cr0 >= 0).toBe(true);
    expect(entry.cs).toEqual({ selector: 0x10, base: 0, limit: 0xffffffff, attributes: 0xc09b });
    for (const segment of [entry.ds, entry.es, entry.ss]) {
      expect(segment).toEqual({ selector: 0x18, base: 0, limit: 0xffffffff, attributes: 0xc093 });
    }
  });

  it("finds a GDT in memory that says what the segment registers hold", () => {
    const memory = new TestMemory(32);
    const { gdtr } = loadLinux(memory, image()).entry;
    expect(gdtr.limit).toBe(31);
    expect([memory.u32(gdtr.base + 0x10), memory.u32(gdtr.base + 0x14)]).toEqual([0x0000ffff, 0x00cf9b00]);
    expect([memory.u32(gdtr.base + 0x18), memory.u32(gdtr.base + 0x1c)]).toEqual([0x0000ffff, 0x00cf9300]);
  });

  it("may be given already unpacked", () => {
    const memory = new TestMemory(32);
    const kernel = bzImage({ payload: Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0]) });
    const { entry } = loadLinux(memory, image({ kernel, unpacked: ELF }));
    expect(entry.eip).toBe(KERNEL_GPA + 16);
  });
});

describe("a kernel that unpacks itself", () => {
  it("has its protected-mode part loaded at 1 MiB and is entered there", () => {
    const memory = new TestMemory(32);
    const { entry } = loadLinux(memory, image({ unpack: "guest" }));
    expect(entry.eip).toBe(0x100000);
    expect(memory.read(0x100000, KERNEL.length - 1536)).toEqual(KERNEL.subarray(1536));
  });

  it("is refused when it can be entered in real mode only", () => {
    const kernel = Uint8Array.from(KERNEL);
    kernel.fill(0, 0x214, 0x218);
    expect(problemOf(() => loadLinux(new TestMemory(32), image({ kernel, unpack: "guest" })))).toBe(
      "no-32-bit-entry",
    );
  });
});

describe("boot_params", () => {
  const load = (options: Partial<LinuxImage> = {}) => {
    const memory = new TestMemory(32);
    const loaded = loadLinux(memory, image(options));
    const gpa = loaded.entry.registers.esi;
    const bytes = memory.read(gpa, 4096);
    return { memory, loaded, bytes, view: new DataView(bytes.buffer) };
  };

  it("hold the memory map of a PC", () => {
    const { view } = load();
    const entries = Array.from({ length: view.getUint8(0x1e8) }, (_, index) => {
      const at = 0x2d0 + index * 20;
      return [
        Number(view.getBigUint64(at, true)),
        Number(view.getBigUint64(at + 8, true)),
        view.getUint32(at + 16, true),
      ];
    });
    expect(entries).toEqual([
      [0, 0x9fc00, 1],
      [0x9fc00, 0x400, 2],
      [0xf0000, 0x10000, 2],
      [0x100000, 31 << 20, 1],
    ]);
  });

  it("point to the command line", () => {
    const { memory, view } = load({ commandLine: "console=ttyS0 nokaslr" });
    expect(memory.text(view.getUint32(0x228, true))).toBe("console=ttyS0 nokaslr");
  });

  it("carry the setup header, an unknown loader's number, and a heap, but no word of KASLR", () => {
    const { bytes } = load();
    expect(bytes.subarray(0x212, 0x214)).toEqual(KERNEL.subarray(0x212, 0x214));
    expect(bytes.subarray(0x22c, 0x264)).toEqual(KERNEL.subarray(0x22c, 0x264));
    expect([bytes[0x210], bytes[0x211]]).toEqual([0xff, 0x81]);
  });

  it("leave screen_info, the sentinel and what a BIOS would say empty", () => {
    const { bytes } = load();
    expect(bytes.subarray(0, 0x1e0).every((byte) => byte === 0)).toBe(true);
    expect(bytes[0x1ef]).toBe(0);
  });

  it("say where the initrd is: page-aligned, as high as memory goes", () => {
    const initrd = CODE.subarray(0, 4097);
    const { memory, view } = load({ initrd });
    const gpa = view.getUint32(0x218, true);
    expect(gpa).toBe((32 << 20) - 8192);
    expect(view.getUint32(0x21c, true)).toBe(4097);
    expect(memory.read(gpa, 4097)).toEqual(initrd);
  });

  it("say that there is no initrd when there is none", () => {
    const { view } = load();
    expect([view.getUint32(0x218, true), view.getUint32(0x21c, true)]).toEqual([0, 0]);
  });

  it("keep the initrd below the kernel's limit for it", () => {
    const { view } = load({ kernel: bzImage({ elf: ELF, initrdAddrMax: 0x17fffff }), initrd: CODE });
    expect(view.getUint32(0x218, true)).toBe(0x1800000 - 8192);
  });
});

describe("what is loaded", () => {
  it("lies in backed memory, in regions that do not overlap", () => {
    const memory = new TestMemory(32);
    const { regions } = loadLinux(memory, image({ initrd: CODE }));
    const sorted = [...regions].sort((a, b) => a.gpa - b.gpa);
    expect(sorted.map((region) => region.name)).toEqual([
      "gdt",
      "boot_params",
      "command line",
      "kernel segment 0",
      "kernel segment 1",
      "initrd",
    ]);
    sorted.forEach((region, index) => {
      expect(isBacked(memory, region.gpa, region.sizeBytes)).toBe(true);
      const next = sorted[index + 1];
      if (next) expect(region.gpa + region.sizeBytes).toBeLessThanOrEqual(next.gpa);
    });
  });

  it("is described with the kernel's own version", () => {
    expect(loadLinux(new TestMemory(32), image()).kernelVersion).toBe("1.2.3-test");
  });
});

describe("what cannot be booted is refused", () => {
  const load = (options: Partial<LinuxImage>, mebibytes = 32) =>
    problemOf(() => loadLinux(new TestMemory(mebibytes), image(options)));
  const cases: [string, GuestImageProblem, () => GuestImageProblem | undefined][] = [
    [
      "a missing file",
      "missing-file",
      () => problemOf(() => readImageFile("/nonexistent/vmlinuz", "kernel")),
    ],
    ["a directory", "missing-file", () => problemOf(() => readImageFile("/", "kernel"))],
    ["an empty file", "truncated", () => load({ kernel: new Uint8Array(0) })],
    ["a few bytes", "not-bzimage", () => load({ kernel: new Uint8Array(10) })],
    ["a text", "not-bzimage", () => load({ kernel: new Uint8Array(4096).fill(0x41) })],
    ["a boot sector that is no kernel", "not-bzimage", () => load({ kernel: bootSector() })],
    ["a zImage", "not-bzimage", () => load({ kernel: bzImage({ elf: ELF, loadflags: 0 }) })],
    ["a kernel cut off in its header", "truncated", () => load({ kernel: KERNEL.subarray(0, 0x220) })],
    ["a kernel cut off in its setup", "truncated", () => load({ kernel: KERNEL.subarray(0, 1200) })],
    [
      "a kernel cut off in its payload",
      "truncated",
      () => load({ kernel: KERNEL.subarray(0, KERNEL.length - 9) }),
    ],
    [
      "a kernel cut off in its payload that would unpack itself",
      "truncated",
      () => load({ kernel: KERNEL.subarray(0, KERNEL.length - 9), unpack: "guest" }),
    ],
    [
      "boot protocol 2.01",
      "protocol-too-old",
      () => load({ kernel: bzImage({ elf: ELF, protocol: 0x201 }) }),
    ],
    [
      "a 64-bit ELF",
      "not-i386-elf",
      () => load({ kernel: bzImage({ elf: elfImage(0, [], { class: 2, machine: 62 }) }) }),
    ],
    [
      "an ELF for ARM",
      "not-i386-elf",
      () => load({ kernel: bzImage({ elf: elfImage(0, [], { machine: 40 }) }) }),
    ],
    ["an ELF without segments", "bad-elf", () => load({ kernel: bzImage({ elf: elfImage(0, []) }) })],
    ["an ELF cut off", "truncated", () => load({ unpacked: ELF.subarray(0, 400) })],
    [
      "zstd",
      "unsupported-compression",
      () => load({ kernel: bzImage({ payload: Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd) }) }),
    ],
    ["a damaged payload", "corrupt-payload", () => load({ kernel: damagedPayload() })],
    ["a kernel larger than memory", "kernel-too-large", () => load({}, 16)],
    ["a packed kernel larger than memory", "kernel-too-large", () => load({ unpack: "guest" }, 16)],
    [
      "a kernel that asks for more than memory",
      "kernel-too-large",
      () => load({ kernel: bzImage({ elf: ELF, initSize: 17 << 20 }) }),
    ],
    [
      "a kernel in the memory hole",
      "kernel-too-large",
      () => load({ unpacked: elfImage(0x98000, [{ gpa: 0x98000, content: new Uint8Array(0x9000) }]) }),
    ],
    ["an initrd larger than memory", "initrd-too-large", () => load({ initrd: new Uint8Array(40 << 20) })],
    [
      "an initrd that would reach into the kernel",
      "initrd-too-large",
      () => load({ initrd: new Uint8Array(15 << 20) }),
    ],
    [
      "a command line too long for the kernel",
      "command-line-too-long",
      () => load({ commandLine: "x".repeat(2048) }),
    ],
  ];

  it.each(cases)("%s: %s", (_, problem, run) => {
    expect(run()).toBe(problem);
  });

  it("but a kernel packed with what the host does not know may unpack itself", () => {
    const kernel = bzImage({ payload: Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd) });
    expect(load({ kernel, unpack: "guest" })).toBeUndefined();
  });
});

function bootSector(): Uint8Array {
  const bytes = new Uint8Array(4096);
  bytes.set([0x55, 0xaa], 510);
  return bytes;
}

function damagedPayload(): Uint8Array {
  const copy = KERNEL.slice();
  copy.fill(0xff, 1536 + 64 + 30, 1536 + 64 + 60);
  return copy;
}
