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
    ["i386", 0x7ffffff0, 0x7fffffee],
    ["i486", 0x60000010, 0x6005003e],
  ] as const)("%s begins with the CR0 that it has, and changes no more of it", (model, reset, after) => {
    // MOV CR0, EAX
    const processor = run(model, [0x0f, 0x22, 0xc0], 0, 0x6005002e);
    expect(processor.get("cr0")).toBe(reset);
    expect(processor.step().end).toBe("done");
    expect(processor.get("cr0")).toBe(after);
  });

  it("an i386 takes NW without CD, neither of which it has, where an i486 refuses it", () => {
    expect(run("i386", [0x0f, 0x22, 0xc0], 1, 0x20000010).get("cr0")).toBe(0x7ffffff0);
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

describe("segment registers on the stack, and tables in memory", () => {
  it.each([
    ["i386", 0xdeadf000],
    ["i486", 0xdeadf000],
    ["p6", 0x0000f000],
  ] as const)("%s: PUSH ES of 32 bits", (model, stored) => {
    const processor = run(model, [0x66, 0x06], 0);
    processor.write(0x7fc, [0xef, 0xbe, 0xad, 0xde]);
    processor.set({ es: 0xf000 });
    expect([processor.step().end, processor.get("esp")]).toEqual(["done", 0x7fc]);
    expect(Buffer.from(processor.read(0x7fc, 4)).readUInt32LE()).toBe(stored);
  });

  it.each(["i386", "p6", "max"] as const)("%s: SGDT and SIDT of 16 bits store the whole base", (model) => {
    // LGDT and LIDT of 32 bits, SGDT and SIDT of 16, all with [SI] or [DI].
    const code = [0x66, 0x0f, 0x01, 0x14, 0x66, 0x0f, 0x01, 0x1c, 0x0f, 0x01, 0x05, 0x0f, 0x01, 0x4d, 0x08];
    const processor = run(model, code, 0);
    const table = [0xbb, 0xaa, 0x78, 0x56, 0x34, 0x12];
    processor.write(0x3000, table);
    processor.set({ ds: 0, esi: 0x3000, edi: 0x4000 });
    for (let k = 0; k < 4; k++) expect(processor.step().end).toBe("done");
    expect([...processor.read(0x4000, 6)]).toEqual(table);
    expect([...processor.read(0x4008, 6)]).toEqual(table);
  });
});

describe("test registers", () => {
  const FROM = 0x24;
  const TO = 0x26;
  const moves = (opcode: number, register: number) => [0x0f, opcode, 0xc0 | (register << 3)];

  test.each([
    ["i386", [6, 7]],
    ["i486", [3, 4, 5, 6, 7]],
    ["p6", []],
  ] as const)("%s has those that it has", (model, there) => {
    for (let register = 0; register < 8; register++)
      for (const opcode of [FROM, TO]) {
        const { exception } = run(model, moves(opcode, register), 0).step();
        const has = (there as readonly number[]).includes(register);
        expect(exception).toEqual(has ? undefined : { vector: UNDEFINED });
      }
  });

  it("test registers are held, and a look-up in the TLB finds nothing", () => {
    // MOV TR7, EAX; MOV TR6, EAX; XOR EAX, EAX; MOV EAX, TR6; MOV EBX, TR7
    const code = [
      ...moves(TO, 7),
      ...moves(TO, 6),
      0x66,
      0x31,
      0xc0,
      ...moves(FROM, 6),
      0x0f,
      FROM,
      0xc0 | (7 << 3) | 3,
    ];
    const written = run("i386", code, 5, 0x12345ff0);
    expect([written.get("eax"), written.get("ebx")]).toEqual([0x12345ff0, 0x12345ff0]);
    const lookedUp = run("i386", code, 5, 0x12345ff1);
    expect([lookedUp.get("eax"), lookedUp.get("ebx")]).toEqual([0x12345ff1, 0x12345fe1]);
  });
});

describe("what an 80386 alone does", () => {
  /** One instruction of 16-bit code on an i386. */
  const on386 = (bytes: readonly number[], registers: Parameters<BareProcessor["set"]>[0]) => {
    const processor = run("i386", bytes, 0);
    processor.set({ ds: 0, es: 0, ...registers });
    return processor;
  };
  const FLAGS = 0x8d5;

  test.each([
    // Bytes and words, by CL. Beyond the width only a multiple of it leaves the last bit.
    ["shl al,16", [0xd2, 0xe0], 0x01, 16, 0, 0x1],
    ["shl al,16, bit clear", [0xd2, 0xe0], 0xfe, 16, 0, 0],
    ["shl al,15", [0xd2, 0xe0], 0xff, 15, 0, 0],
    ["shl al,8", [0xd2, 0xe0], 0x01, 8, 0, 0x1],
    ["shr al,24", [0xd2, 0xe8], 0x80, 24, 0, 0x1],
    ["shr al,9", [0xd2, 0xe8], 0xff, 9, 0, 0],
    ["shl ax,17", [0xd3, 0xe0], 0xffff, 17, 0, 0],
    ["shr ax,16", [0xd3, 0xe8], 0x8000, 16, 0, 0x1],
    ["sal /6 al,16", [0xd2, 0xf0], 0x01, 16, 0, 0x1],
    ["shl ax,3", [0xd3, 0xe0], 0x3001, 3, 0x8008, 0x1],
  ] as const)("%s", (_, bytes, eax, ecx, result, carry) => {
    const processor = on386(bytes, { eax, ecx, eflags: 2 });
    expect(processor.step().end).toBe("done");
    expect([processor.get("eax"), processor.get("eflags") & 1]).toEqual([result, carry]);
  });

  it("shifts flags as others do where the count is within the width", () => {
    for (const bytes of [
      [0xd2, 0xe0],
      [0xd2, 0xe8],
      [0xd3, 0xe0],
      [0xd3, 0xe8],
      [0x66, 0xd3, 0xe0],
      [0x66, 0xd3, 0xe8],
    ])
      for (const eax of [0, 1, 0x80, 0x7f, 0x55aa, 0x8000, 0x80000001, 0xffffffff])
        for (let ecx = 0; ecx <= 8; ecx++) {
          const [old, later] = (["i386", "i486"] as const).map((model) => {
            const processor = run(model, bytes, 0);
            processor.set({ eax, ecx, eflags: 0x8d7 });
            processor.step();
            // OF is defined for a shift by one, AF never.
            return [processor.get("eax"), processor.get("eflags") & (ecx <= 1 ? 0x8c5 : 0xc5)];
          });
          expect(old, `${bytes} ${eax} ${ecx}`).toEqual(later);
        }
  });

  test.each([
    ["shld ax,bx,20", [0x0f, 0xa4, 0xd8, 20], 0x2341, 1],
    ["shrd ax,bx,20", [0x0f, 0xac, 0xd8, 20], 0x4123, 0],
    ["shld ax,bx,17", [0x0f, 0xa4, 0xd8, 17], 0x2468, 0],
    ["shld ax,bx,4", [0x0f, 0xa4, 0xd8, 4], 0x5671, 0],
    ["shrd ax,bx,4", [0x0f, 0xac, 0xd8, 4], 0x4456, 0],
  ] as const)("%s turns the second operand", (_, bytes, result, carry) => {
    const processor = on386(bytes, { eax: 0x4567, ebx: 0x1234, eflags: 2 });
    processor.step();
    expect([processor.get("eax"), processor.get("eflags") & 1]).toEqual([result, carry]);
  });

  test.each([
    // OF says whether the last of the single shifts has changed the sign.
    ["shld ax,bx,4", [0x0f, 0xa4, 0xd8, 4], 0x1c00, 0x2000, 0],
    ["shld ax,bx,4", [0x0f, 0xa4, 0xd8, 4], 0x9400, 0x2000, 0x0800],
    ["shld ax,bx,20", [0x0f, 0xa4, 0xd8, 20], 0x8000, 0x0700, 0],
    ["shld ax,bx,20", [0x0f, 0xa4, 0xd8, 20], 0x0000, 0x1800, 0],
    ["shld ax,bx,1", [0x0f, 0xa4, 0xd8, 1], 0x4000, 0, 0x0800],
    ["shrd ax,bx,4", [0x0f, 0xac, 0xd8, 4], 0x0000, 0x000c, 0],
    ["shrd ax,bx,4", [0x0f, 0xac, 0xd8, 4], 0x8000, 0x0008, 0x0800],
    ["shrd eax,ebx,4", [0x66, 0x0f, 0xac, 0xd8, 4], 0, 4, 0x0800],
    ["shrd ax,bx,20", [0x0f, 0xac, 0xd8, 20], 0, 0x0004, 0x0800],
    ["shrd ax,bx,1", [0x0f, 0xac, 0xd8, 1], 0x8000, 0, 0x0800],
  ] as const)("%s of %i and %i leaves OF %i", (_, bytes, eax, ebx, overflow) => {
    const processor = on386(bytes, { eax, ebx, eflags: 2 });
    processor.step();
    expect(processor.get("eflags") & 0x800).toBe(overflow);
  });

  describe("products and quotients", () => {
    it.each([
      // The flags (CF 1, PF 4, AF 10, ZF 40, SF 80, OF 800) are those of the last step, which is written behind the instruction.
      ["mul bl: 0 + 3", [0xf6, 0xe3], { eax: 3, ebx: 5 }, 0x4],
      ["mul bl: 1 + 90", [0xf6, 0xe3], { eax: 0x90, ebx: 0x81 }, 0x881],
      ["mul bl: 7c + f8", [0xf6, 0xe3], { eax: 0xf8, ebx: 3 }, 0x815],
      ["mul ebx: 40000000 + 80000001", [0x66, 0xf7, 0xe3], { eax: 0x80000001, ebx: 3 }, 0x881],
      ["imul bl: 0 + 40", [0xf6, 0xeb], { eax: 0x40, ebx: 2 }, 0x801],
      ["imul bx: ffff + fffe", [0xf7, 0xeb], { eax: 0xfffe, ebx: 3 }, 0x90],
      ["imul ax,bx: 0 + 7", [0x0f, 0xaf, 0xc3], { eax: 7, ebx: 4 }, 0],
      ["imul ax,bx,-1: 0 - 5", [0x6b, 0xc3, 0xff], { ebx: 5 }, 0x90],
      ["imul ax,bx,-3: fffd - 5", [0x69, 0xc3, 0xfd, 0xff], { ebx: 5 }, 0x80],
      ["div bl: 2 - 7", [0xf6, 0xf3], { eax: 0x64, ebx: 7 }, 0x91],
      ["div bl: 1 - 32", [0xf6, 0xf3], { eax: 0x65, ebx: 0x32 }, 0x95],
      ["div bl: 3 - 3", [0xf6, 0xf3], { eax: 9, ebx: 3 }, 0x44],
      ["div bx: 8000 - 7fff", [0xf7, 0xf3], { eax: 0x8000, ebx: 0x7fff, edx: 0 }, 0x810],
      ["div ebx: 0 - 2", [0x66, 0xf7, 0xf3], { eax: 0, ebx: 2, edx: 1 }, 0x91],
    ] as const)("flags of %s", (_, bytes, registers, flags) => {
      const processor = on386(bytes, { ...registers, eflags: 2 });
      expect(processor.step().end).toBe("done");
      expect((processor.get("eflags") & FLAGS).toString(16)).toBe(flags.toString(16));
    });

    it.each([
      ["by 0", { eax: 2, ebx: 0 }, 0],
      ["0 - 1", { eax: 0x100, ebx: 1 }, 0x95],
      ["7f - 81", { eax: 0x81fe, ebx: 0x81 }, 0x881],
    ] as const)("DIV leaves the flags of a step before its #DE: %s", (_, registers, flags) => {
      const processor = on386([0xf6, 0xf3], { ...registers, eflags: 2 | FLAGS });
      expect(processor.step().exception).toEqual({ vector: 0 });
      expect((processor.get("eflags") & FLAGS).toString(16)).toBe(flags.toString(16));
    });

    it("a multiplier of 0 leaves SF, ZF, AF and PF", () => {
      const processor = on386([0xf6, 0xe3], { eax: 0xff, ebx: 0, eflags: 2 | FLAGS });
      processor.step();
      expect([processor.get("eax"), processor.get("eflags") & FLAGS]).toEqual([0, 0xd4]);
    });

    it.each([
      ["mul bl", [0xf6, 0xe3]],
      ["mul bx", [0xf7, 0xe3]],
      ["mul ebx", [0x66, 0xf7, 0xe3]],
      ["imul bl", [0xf6, 0xeb]],
      ["imul bx", [0xf7, 0xeb]],
      ["imul ebx", [0x66, 0xf7, 0xeb]],
      ["imul ax,bx", [0x0f, 0xaf, 0xc3]],
      ["imul eax,ebx", [0x66, 0x0f, 0xaf, 0xc3]],
      ["imul ax,bx,-77", [0x6b, 0xc3, 0xb3]],
      ["imul eax,ebx,80000000h", [0x66, 0x69, 0xc3, 0, 0, 0, 0x80]],
      ["div bl", [0xf6, 0xf3]],
      ["div bx", [0xf7, 0xf3]],
      ["div ebx", [0x66, 0xf7, 0xf3]],
    ] as const)("%s: results, CF and OF of a product are a later processor's", (name, bytes) => {
      const values = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xfffe, 0x12345678, 0x80000000, 0xffffffff];
      for (const eax of values)
        for (const ebx of values) {
          const edx = ebx >>> 1;
          const [old, later] = (["i386", "i486"] as const).map((model) => {
            const processor = run(model, bytes, 0);
            processor.set({ eax, ebx, edx, eflags: 2 });
            const { exception } = processor.step();
            const carry = name.startsWith("div") ? 0 : processor.get("eflags") & 0x801;
            return [exception?.vector, processor.get("eax"), processor.get("edx"), carry];
          });
          expect(old, `${eax} ${ebx}`).toEqual(later);
        }
    });
  });

  it("IDIV of bytes has quotients below the least that are no #DE", () => {
    // -(128 * (2 + 128)) = -16640 = BF00h, by 2.
    const least = on386([0xf6, 0xfb], { eax: 0xbf00, ebx: 2 });
    expect(least.step().end).toBe("done");
    expect(least.get("eax")).toBe(0x0080);
    const one = on386([0xf6, 0xfb], { eax: 0xbeff, ebx: 2 });
    expect(one.step().end).toBe("done");
    expect(one.get("eax")).toBe(0xff80);
    for (const eax of [0xbf01, 0xbefe, 0x4100])
      expect(on386([0xf6, 0xfb], { eax, ebx: 2 }).step().exception).toEqual({ vector: 0 });
    // Of words there are none: -(32768 * (32767 + 32768) + 1), by 32767.
    expect(on386([0xf7, 0xfb], { edx: 0x8000, eax: 0x7fff, ebx: 0x7fff }).step().exception).toEqual({
      vector: 0,
    });
    const plain = on386([0xf6, 0xfb], { eax: 0xfff9, ebx: 2 });
    expect([plain.step().end, plain.get("eax")]).toEqual(["done", 0xfffd]);
  });

  it("AAM 0 leaves flags of AL's upper bits before its #DE", () => {
    const processor = on386([0xd4, 0], { eax: 1, eflags: 2 | FLAGS });
    expect(processor.step().exception).toEqual({ vector: 0 });
    // ZF and PF of 0, SF clear; the others stay.
    expect(processor.get("eflags") & FLAGS).toBe(FLAGS & ~0x80);
  });

  it("a scale without an index is the base's", () => {
    // LEA EAX, [EBX*4+5], base EBX, no index.
    const processor = on386([0x66, 0x67, 0x8d, 0x44, 0xa3, 5], { ebx: 0x100 });
    processor.step();
    expect(processor.get("eax")).toBe(0x405);
    const later = run("i486", [0x66, 0x67, 0x8d, 0x44, 0xa3, 5], 0);
    later.set({ ebx: 0x100 });
    later.step();
    expect(later.get("eax")).toBe(0x105);
  });

  it("PUSHAD writes upwards until it faults, POPAD loads until it does", () => {
    const pushing = on386([0x66, 0x60], { esp: 10, edi: 0x11223344, esi: 0x55667788, ss: 0 });
    expect(pushing.step().exception).toEqual({ vector: 12, errorCode: 0 });
    expect([...pushing.read(0xffea, 8)]).toEqual([0x44, 0x33, 0x22, 0x11, 0x88, 0x77, 0x66, 0x55]);
    const popping = on386([0x66, 0x61], { esp: 0xfffa, eax: 7, edi: 1, esi: 2 });
    popping.write(0xfffa, [1, 2, 3, 4]);
    expect(popping.step().exception).toEqual({ vector: 12, errorCode: 0 });
    expect([popping.get("edi"), popping.get("esi"), popping.get("eax")]).toEqual([0x04030201, 2, 7]);
  });

  it("POPAD takes the upper half of ESP from its image, POP of a segment reads a word", () => {
    const popping = on386([0x66, 0x61], { esp: 0x900 });
    popping.write(0x90c, [1, 2, 3, 4]);
    popping.step();
    expect(popping.get("esp")).toBe(0x04030920);
    const segment = on386([0x66, 0x07], { esp: 0xfffe });
    segment.write(0xfffe, [0x34, 0x12]);
    expect([segment.step().end, segment.get("es"), segment.get("esp")]).toEqual(["done", 0x1234, 2]);
  });

  it("ENTER does not look at the new top of the stack", () => {
    const processor = on386([0xc8, 1, 0, 0], { esp: 0x802, ebp: 0x1234 });
    processor.set({ esp: 2 });
    expect([processor.step().end, processor.get("esp"), processor.get("ebp")]).toEqual(["done", 0xffff, 0]);
  });

  it("ENTER leaves the frame pointers that it copied before the stack ended, and ESP and EBP as they were", () => {
    const processor = on386([0x66, 0xc8, 4, 0, 5], { esp: 14, ebp: 0x4000, ss: 0x100 });
    processor.write(0x4ff8, [0xa1, 0xa2, 0xa3, 0xa4, 0xb1, 0xb2, 0xb3, 0xb4]);
    expect(processor.step().exception).toEqual({ vector: 12, errorCode: 0 });
    // The second copy, and of the first what the frame of the exception, 8 to 13, has left.
    expect([...processor.read(0x1002, 6)]).toEqual([0xa1, 0xa2, 0xa3, 0xa4, 0xb1, 0xb2]);
    expect([processor.get("esp"), processor.get("ebp")]).toEqual([8, 0x4000]);
  });

  it("ENTER faults where the page of the new top of the stack is not there", () => {
    const processor = on386([0xc8, 2, 0, 0], { esp: 0x5002, ebp: 0x1234, cr3: 0x2000 });
    // The first six pages as they are, but page 4 not there.
    processor.write(0x2000, [3, 0x30, 0, 0]);
    for (let page = 0; page < 6; page++)
      processor.write(0x3000 + 4 * page, [page === 4 ? 0 : 3, page << 4, 0, 0]);
    processor.set({ cr0: 0x80000001 });
    expect(processor.step().exception).toEqual({ vector: 14, errorCode: 2, address: 0x4ffe });
  });

  it.each([
    ["shl al,3", [0xc0, 0xe0, 3]],
    ["shr ax,cl", [0xd3, 0xe8]],
    ["shld ax,bx,4", [0x0f, 0xa4, 0xd8, 4]],
  ] as const)("%s sets AF", (_, bytes) => {
    const processor = on386(bytes, { eax: 0x1234, ebx: 0x5678, ecx: 5, eflags: 2 });
    processor.step();
    expect(processor.get("eflags") & 0x10).toBe(0x10);
  });

  it.each([
    // AL, AF before, AX and flags after (CF 1, PF 4, AF 10, ZF 40, SF 80, OF 800).
    ["aaa", 0x37, 0x027a, 0, 0x0300, 0x891],
    ["aaa", 0x37, 0x02fa, 0, 0x0400, 0x55],
    ["aaa", 0x37, 0x0281, 0, 0x0201, 0x84],
    ["aaa", 0x37, 0x0203, 0x10, 0x0309, 0x15],
    ["aas", 0x3f, 0x0280, 0x10, 0x010a, 0x811],
    ["aas", 0x3f, 0x0203, 0x10, 0x000d, 0x91],
    ["aas", 0x3f, 0x020f, 0, 0x0109, 0x15],
    ["aas", 0x3f, 0x0285, 0, 0x0205, 0x80],
  ] as const)("%s %#x of %x has the flags of a byte", (_, opcode, eax, before, after, flags) => {
    const processor = on386([opcode], { eax, eflags: 2 | before });
    processor.step();
    expect([processor.get("eax"), processor.get("eflags") & FLAGS]).toEqual([after, flags]);
  });

  describe("bit tests set OF as an RCR that gets that far", () => {
    /** OF and CF after RCR of `value` by `count` with CF clear. */
    const rotated = (wide: boolean, value: number, count: number): number => {
      const processor = on386([...(wide ? [0x66] : []), 0xd3, 0xd8], { eax: value, ecx: count, eflags: 2 });
      processor.step();
      return processor.get("eflags") & 0x801;
    };

    it.each([
      ["bt ax,cx", [0x0f, 0xa3, 0xc8], false],
      ["bts eax,ecx", [0x66, 0x0f, 0xab, 0xc8], true],
      ["btr ax,cx", [0x0f, 0xb3, 0xc8], false],
      ["btc eax,ecx", [0x66, 0x0f, 0xbb, 0xc8], true],
    ] as const)("%s", (_, bytes, wide) => {
      for (const value of [0x00000001, 0x0000a5c3, 0x80008000, 0x12345678])
        for (let bit = 0; bit < (wide ? 31 : 16); bit++)
          for (const eflags of [2, 3]) {
            const processor = on386(bytes, { eax: value, ecx: bit, eflags });
            processor.step();
            expect(processor.get("eflags") & 0x801, `${value} ${bit} ${eflags}`).toBe(
              rotated(wide, value, bit + 1),
            );
          }
    });

    it.each([
      // In memory at 2000h: 8001h, 5555h. BX is the bit's number, or the byte in the instruction.
      ["bts [si],bx above", [0x0f, 0xab, 0x1c], 17, 0x2002, 0x5557],
      ["btr [si],bx below", [0x0f, 0xb3, 0x1c], 0xfff0, 0x1ffe, 0x7776],
      ["btc [si],15", [0x0f, 0xba, 0x3c, 15], 0, 0x2000, 0x0001],
      ["bt [si],0", [0x0f, 0xba, 0x24, 0], 0, 0x2000, 0x8001],
    ] as const)("%s", (_, bytes, ebx, at, word) => {
      const processor = on386(bytes, { esi: 0x2000, ebx });
      processor.write(0x1ffe, [0x77, 0x77, 0x01, 0x80, 0x55, 0x55]);
      expect(processor.step().end).toBe("done");
      const [low, high] = processor.read(at, 2);
      expect((low as number) | ((high as number) << 8)).toBe(word);
    });

    it.each([
      // BT [EAX+2000h],EBX: EAX is -2000h + the offset, so that no, or a carry comes of the addition of 4 * 20h.
      ["none", 0xffff_e000, 0x400, 0x80, 0],
      ["a carry", 0xffff_df84, 0x400, 4, 0x800],
    ] as const)("of a word in memory with the carry of its address: %s", (_, eax, ebx, at, overflow) => {
      const processor = on386([0x66, 0x67, 0x0f, 0xa3, 0x98, 0, 0x20, 0, 0], { eax, ebx, eflags: 2 });
      processor.write(at, [1, 0, 0, 0]);
      expect(processor.step().end).toBe("done");
      expect(processor.get("eflags") & 0x801).toBe(1 | overflow);
    });

    it("a BTS that may not write changes nothing", () => {
      // At offset FFFFh the word reaches beyond the segment.
      const processor = on386([0x0f, 0xba, 0x2c, 0], { esi: 0xffff, eflags: 2 });
      expect(processor.step().exception).toEqual({ vector: 13, errorCode: 0 });
      expect(processor.get("eflags")).toBe(2);
    });
  });

  it("SMSW and MOV show the bits of CR0 that there are not as they are", () => {
    const processor = on386([0x0f, 0x01, 0xe0], { cr0: 0x7ffefff0, eax: 0 });
    processor.step();
    expect(processor.get("eax")).toBe(0xfff0);
  });
});
