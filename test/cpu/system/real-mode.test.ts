import { describe, expect, test } from "vitest";
import {
  BareProcessor,
  type RegisterSettings,
  type RegisterValues,
} from "../../../src/cpu/bare-processor.ts";

/**
 * Limits, wraps and refusals of real mode (Intel SDM vol. 3, chapter 20, and vol. 2, "Real-Address Mode Exceptions"). QEMU checks no
 * limits there, so the manual's word counts.
 */
const processor = new BareProcessor({ memoryMiB: 2 });
const HANDLERS = 0x9000;
const REAL: RegisterSettings = {
  ...{ cr0: 0x10, cr4: 0, cs: 0x1000, ds: 0x2000, es: 0x3000, ss: 0x4000, fs: 0x5000, gs: 0x6000 },
  ...{ eip: 0x100, esp: 0x1000, eax: 0x11112222, ebx: 0, ecx: 0, edx: 0, esi: 0, edi: 0, ebp: 0 },
  ...{ eflags: 2, idtrBase: 0, idtrLimit: 0x3ff },
};
const STACK = 0x40000;
/** Code of 4 KiB only, at 1000:0000. */
const SHORT_CODE: RegisterSettings = {
  cs: { selector: 0x1000, base: 0x10000, limit: 0xfff, attributes: 0x9b },
};

type Expected = "done" | number | `shutdown ${number}`;
type Row = readonly [
  what: string,
  code: readonly number[],
  before: RegisterSettings,
  end: Expected,
  after?: Partial<RegisterValues>,
];

function outcome(code: readonly number[], before: RegisterSettings): Expected {
  for (let vector = 0; vector < 32; vector++)
    processor.write(4 * vector, [vector, 0, HANDLERS & 0xff, HANDLERS >> 8]);
  processor.set({ ...REAL, ...before });
  const start = processor.segment("cs").base + processor.get("eip");
  processor.write(start, code);
  const { end, exception } = processor.step();
  if (exception === undefined) return end as "done";
  if (end === "shutdown") return `shutdown ${exception.vector}`;
  expect([processor.get("cs"), processor.get("eip")]).toEqual([HANDLERS, exception.vector]);
  return exception.vector;
}

function check([, code, before, end, after = {}]: Row): void {
  expect(outcome(code, before)).toBe(end);
  expect(processor.registers()).toMatchObject(after);
}

const TABLES: Readonly<Record<string, readonly Row[]>> = {
  "operands end at FFFF": [
    ["a byte at FFFF", [0xa0, 0xff, 0xff], {}, "done"],
    ["a word at FFFF", [0xa1, 0xff, 0xff], {}, 13],
    ["a doubleword at FFFC", [0x66, 0xa1, 0xfc, 0xff], {}, "done"],
    ["a doubleword at FFFD", [0x66, 0xa1, 0xfd, 0xff], {}, 13],
    ["a word at SS:FFFF", [0x8b, 0x46, 0], { ebp: 0xffff }, 12],
    ["the same with DS:", [0x3e, 0x8b, 0x46, 0], { ebp: 0xffff }, 13],
    ["offsets of 32 bits", [0x67, 0xa0, 0, 0, 1, 0], {}, 13],
    ["offsets of 32 bits from ESP", [0x67, 0x8b, 0x04, 0x24], { esp: 0x10000 }, 12],
    ["a far pointer at FFFC", [0xc4, 0x06, 0xfc, 0xff], {}, "done"],
    ["a far pointer at FFFD", [0xc4, 0x06, 0xfd, 0xff], {}, 13],
    ["bounds at FFFD", [0x62, 0x06, 0xfd, 0xff], {}, 13],
    ["CMPXCHG8B at FFF9", [0x0f, 0xc7, 0x0e, 0xf9, 0xff], {}, 13],
    ["80 bits at FFF6", [0xdb, 0x2e, 0xf6, 0xff], {}, "done"],
    ["80 bits at FFF7", [0xdb, 0x2e, 0xf7, 0xff], {}, 13],
    ["a bit before 0 is in the word at FFFF", [0x0f, 0xa3, 0x07], { ebx: 1, eax: 0xfff0 }, 13],
    ["XLAT wraps", [0xd7], { ebx: 0xffff, eax: 2 }, "done"],
  ],
  "the stack wraps between its words only": [
    ["PUSH at 0", [0x50], { esp: 0xabcd0000 }, "done", { esp: 0xabcdfffe }],
    ["PUSH at 1, where no exception can be pushed either", [0x50], { esp: 1 }, "shutdown 12"],
    ["PUSH of 32 bits at 2", [0x66, 0x50], { esp: 2 }, 12],
    ["POP at FFFE", [0x58], { esp: 0xfffe }, "done", { esp: 0 }],
    ["POP at FFFF", [0x58], { esp: 0xffff }, 12],
    ["POP SS at FFFF", [0x17], { esp: 0xffff }, 12],
    ["PUSHA at 6", [0x60], { esp: 6 }, "done", { esp: 0xfff6 }],
    ["PUSHA at 7", [0x60], { esp: 7 }, 13],
    ["PUSHA at 5", [0x60], { esp: 5 }, "shutdown 12"],
    ["PUSHAD at 8", [0x66, 0x60], { esp: 8 }, "done", { esp: 0xffe8 }],
    ["PUSHAD at 15", [0x66, 0x60], { esp: 15 }, 13],
    ["PUSHAD at 17", [0x66, 0x60], { esp: 17 }, 12],
    ["POPA at FFFD", [0x61], { esp: 0xfffd }, 12],
    ["ENTER at 0", [0xc8, 4, 0, 0], { esp: 0, ebp: 0xdead0080 }, "done", { esp: 0xfffa, ebp: 0xdeadfffe }],
    ["ENTER with nesting", [0xc8, 4, 0, 3], { esp: 0x100, ebp: 0x80 }, "done", { esp: 0xf4, ebp: 0xfe }],
    ["ENTER with a frame pointer at FFFF", [0xc8, 4, 0, 2], { esp: 0x100, ebp: 1 }, 12],
    ["ENTER whose end could not be pushed at", [0xc8, 0xff, 0, 0], { esp: 0x100 }, 12],
    ["LEAVE at FFFE", [0xc9], { ebp: 0xfffe, esp: 0x12345678 }, "done", { esp: 0x12340000 }],
    ["LEAVE at FFFF", [0xc9], { ebp: 0xffff }, 12],
  ],
  "code ends at FFFF": [
    ["an instruction up to FFFF", [0x90], { eip: 0xffff }, "done", { eip: 0x10000 }],
    ["an instruction across it", [0x33, 0xc0], { eip: 0xffff }, 13],
    ["a short jump wraps forwards", [0xeb, 0x10], { eip: 0xff00 + 0xf0 }, "done", { eip: 2 }],
    ["a short jump wraps backwards", [0xeb, 0xf0], { eip: 2 }, "done", { eip: 0xfff4 }],
    ["a near jump of 32 bits", [0x66, 0xe9, 0, 0, 1, 0], {}, 13],
    ["a near call of 32 bits, which pushes nothing", [0x66, 0xe8, 0, 0, 1, 0], {}, 13, { esp: 0x0ffa }],
    ["a conditional jump, taken", [0x66, 0x0f, 0x84, 0, 0, 1, 0], { eflags: 0x42 }, 13],
    ["a conditional jump, not taken", [0x66, 0x0f, 0x84, 0, 0, 1, 0], {}, "done", { eip: 0x107 }],
    ["a jump to a register", [0x66, 0xff, 0xe0], { eax: 0x10000 }, 13],
    ["a jump to FFFF", [0x66, 0xff, 0xe0], { eax: 0xffff }, "done", { eip: 0xffff }],
    ["a call of a register", [0x66, 0xff, 0xd0], { eax: 0x10000 }, 13, { esp: 0x0ffa }],
    ["a jump of 16 bits past a smaller limit", [0xe9, 0, 0x20], SHORT_CODE, 13],
    [
      "LOOP past it, which does not count",
      [0xe2, 0x7f],
      { ...SHORT_CODE, eip: 0xff0, ecx: 5 },
      13,
      { ecx: 5 },
    ],
    [
      "the last LOOP goes on",
      [0xe2, 0x7f],
      { ...SHORT_CODE, eip: 0xff0, ecx: 1 },
      "done",
      { ecx: 0, eip: 0xff2 },
    ],
  ],
  "strings wrap between their elements only": [
    ["bytes", [0xf3, 0xa4], { esi: 0xfffe, edi: 0xffff, ecx: 4 }, "done", { ecx: 0, esi: 2, edi: 3 }],
    [
      "bytes downwards",
      [0xf3, 0xa4],
      { esi: 1, ecx: 3, eflags: 0x402 },
      "done",
      { esi: 0xfffe, edi: 0xfffd },
    ],
    ["words", [0xf3, 0xa5], { edi: 0xfffb, ecx: 4 }, 13, { ecx: 2, esi: 4, edi: 0xffff }],
    ["doublewords", [0x66, 0xf3, 0xab], { edi: 0xfffc, ecx: 2 }, "done", { edi: 4 }],
    ["INS", [0x6d], { edi: 0xffff }, 13],
    ["OUTS", [0x6f], { esi: 0xffff }, 13],
    ["OUTS of a byte", [0x6e], { esi: 0xffff }, "done", { esi: 0 }],
  ],
  "prefixes and address sizes": [
    ["15 bytes", [...new Array<number>(14).fill(0x66), 0x90], {}, "done", { eip: 0x10f }],
    ["16 bytes", [...new Array<number>(15).fill(0x66), 0x90], {}, 13],
    ["16 bytes with LOCK", [0xf0, ...new Array<number>(14).fill(0x66), 0x90], {}, 13],
    ["several segment prefixes", [0x2e, 0x3e, 0x26, 0x65, 0xa0, 0, 0], {}, "done"],
    ["LOOP by ECX", [0x67, 0xe2, 0x10], { ecx: 0x10001 }, "done", { ecx: 0x10000, eip: 0x113 }],
    ["LOOP by CX", [0xe2, 0x10], { ecx: 0x10001 }, "done", { ecx: 0x10000, eip: 0x102 }],
    ["JCXZ", [0xe3, 0x10], { ecx: 0x10000 }, "done", { eip: 0x112 }],
    ["JECXZ", [0x67, 0xe3, 0x10], { ecx: 0x10000 }, "done", { eip: 0x103 }],
  ],
  "the vector table has a limit": [
    ["INT beyond it", [0xcd, 0x20], { idtrLimit: 0x7f }, 13],
    ["no table at all", [0xcd, 0x20], { idtrLimit: 0 }, "shutdown 13"],
  ],
  "what real mode has not": [
    ["SYSENTER", [0x0f, 0x34], {}, 13],
    ["SYSEXIT", [0x0f, 0x35], {}, 13],
    ["ARPL", [0x63, 0xc0], {}, 6],
    ["LLDT", [0x0f, 0x00, 0xd0], {}, 6],
    ["STR", [0x0f, 0x00, 0xc8], {}, 6],
    ["LAR", [0x0f, 0x02, 0xc0], {}, 6],
    ["VERR", [0x0f, 0x00, 0xe0], {}, 6],
    ["MOV CS", [0x8e, 0xc8], {}, 6],
    ["a seventh segment register", [0x8e, 0xf0], {}, 6],
    ["CR1", [0x0f, 0x22, 0xc8], {}, 6],
  ],
};

describe.each(Object.entries(TABLES))("in real mode %s", (_, rows) => {
  for (const row of rows) test(row[0], () => check(row));
});

/** Opcode and ModRM (memory at [BX]) of what LOCK may stand before, and what it may not; in registers, none may. */
const LOCKABLE: readonly number[][] = [
  ...[0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30].flatMap((opcode) => [
    [opcode, 7],
    [opcode + 1, 7],
  ]),
  ...[0, 1, 2, 3, 4, 5, 6].map((n) => [0x83, (n << 3) | 7, 1]),
  ...[
    [0xf6, 0x17],
    [0xf6, 0x1f],
    [0xfe, 0x07],
    [0xff, 0x0f],
    [0x86, 7],
    [0x87, 7],
  ],
  ...[
    [0x0f, 0xab, 7],
    [0x0f, 0xb3, 7],
    [0x0f, 0xbb, 7],
    [0x0f, 0xb1, 7],
    [0x0f, 0xc1, 7],
    [0x0f, 0xba, 0x2f, 1],
  ],
];
const NOT_LOCKABLE: readonly number[][] = [
  ...[
    [0x38, 7],
    [0x39, 7],
    [0x83, 0x3f, 1],
    [0x89, 7],
    [0x03, 7],
    [0xf6, 0x07, 0],
    [0xd1, 0x27],
  ],
  ...[[0x0f, 0xa3, 7], [0x0f, 0xba, 0x27, 1], [0xa4], [0xaa], [0x90], [0x50], [0x84, 7], [0x8f, 7]],
];
test("LOCK goes with instructions that read, change and write memory, and is undefined before all others", () => {
  for (const code of LOCKABLE) {
    expect(outcome([0xf0, ...code], {}), code.join()).toBe("done");
    const place = code[0] === 0x0f ? 2 : 1;
    const inRegister = code.map((byte, k) => (k === place ? byte | 0xc0 : byte));
    expect(outcome([0xf0, ...inRegister], {}), inRegister.join()).toBe(6);
  }
  expect(outcome([0xf0, 0x0f, 0xc7, 0x0f], {})).toBe("done");
  for (const code of NOT_LOCKABLE) expect(outcome([0xf0, ...code], {}), code.join()).toBe(6);
});

describe("returns", () => {
  const onStack = (bytes: readonly number[]) => processor.write(STACK + 0x100, bytes);
  test.each([
    ["RET", [0x66, 0xc3], [0, 0, 1, 0]],
    ["RET n", [0x66, 0xc2, 4, 0], [0, 0, 1, 0]],
    ["RETF", [0x66, 0xcb], [0, 0, 1, 0, 0, 0x10, 0, 0]],
    ["IRET", [0x66, 0xcf], [0, 0, 1, 0, 0, 0x10, 0, 0, 2, 0, 0, 0]],
  ])("%s to beyond FFFF pops nothing", (_, code, frame) => {
    onStack(frame);
    expect(outcome(code, { esp: 0x100 })).toBe(13);
    expect([processor.get("esp"), processor.byte(STACK + 0xfa)]).toEqual([0xfa, 0]);
    expect(processor.byte(STACK + 0xfb)).toBe(1);
  });
});

describe("unreal mode", () => {
  const BIG = { selector: 0x10, base: 0, limit: 0xffffffff, attributes: 0xc093 };
  test("a limit from protected mode stays when real mode loads the register anew", () => {
    processor.write(0x120000 - 0xfff0, [0]);
    processor.write(0x130000, [0x77]);
    // MOV DS, AX; MOV AL, [EBX]
    expect(outcome([0x8e, 0xd8, 0x67, 0x8a, 0x03], { ds: BIG, eax: 0x1000, ebx: 0x120000 })).toBe("done");
    expect(processor.segment("ds")).toMatchObject({ selector: 0x1000, base: 0x10000, limit: 0xffffffff });
    expect([processor.step().end, processor.get("eax") & 0xff]).toEqual(["done", 0x77]);
  });
  test("a code segment of 32 bits stays one over a far jump, and pushes by SP", () => {
    const cs = { selector: 8, base: 0x10000, limit: 0xffffffff, attributes: 0xc09b };
    // JMP FAR 1000:00000200 in 32-bit code; there: MOV EAX, imm32; PUSH EAX
    processor.write(0x10200, [0xb8, 0x78, 0x56, 0x34, 0x12, 0x50]);
    expect(outcome([0xea, 0x00, 0x02, 0x00, 0x00, 0x00, 0x10], { cs, esp: 0xffff0100 })).toBe("done");
    expect([processor.step().end, processor.step().end]).toEqual(["done", "done"]);
    expect(processor.registers()).toMatchObject({ cs: 0x1000, eip: 0x206, eax: 0x12345678, esp: 0xffff00fc });
  });
});

describe("expand-down segments", () => {
  const CODE = { selector: 8, base: 0x10000, limit: 0xffff, attributes: 0x9b };
  const down = (attributes: number) => ({ selector: 16, base: 0x20000, limit: 0xfff, attributes });
  const inProtectedMode = (ds: RegisterSettings["ds"], offset: number, bytes: 1 | 2): string => {
    processor.write(0x10100, [0x67, bytes === 1 ? 0x8a : 0x8b, 0x03]); // MOV AL or AX, [EBX]
    const data = { selector: 16, base: 0x20000, limit: 0xffff, attributes: 0x93 };
    const settings = { cr0: 0x11, cs: CODE, ds: ds as never, ss: data, es: data, eip: 0x100, ebx: offset };
    processor.set({ ...REAL, ...settings, fs: data, gs: data, idtrLimit: 0 });
    return processor.step().end;
  };
  test.each([
    ["of 16 bits", 0x97, 0xffff],
    ["of 32 bits", 0x4097, 0xffffffff],
  ])("%s begin behind their limit and end with the offsets", (_, attributes, last) => {
    const at = (offset: number, bytes: 1 | 2) => inProtectedMode(down(attributes), offset, bytes);
    expect([at(0xfff, 1), at(0xfff, 2), at(0x1000, 2), at(0, 1)]).toEqual([
      "shutdown",
      "shutdown",
      "done",
      "shutdown",
    ]);
    expect([at(last, 1), at(last, 2), at(last - 1, 2)]).toEqual(["done", "shutdown", "done"]);
    if (last === 0xffff) expect(at(0x10000, 1)).toBe("shutdown");
  });
});
