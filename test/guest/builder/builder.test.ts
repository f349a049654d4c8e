import { describe, expect, it } from "vitest";
import type { PlainMnemonic } from "../../../src/guest/builder/builder.ts";
import {
  at,
  GuestBuilder,
  GuestBuilderError,
  mem8,
  mem16,
  mem32,
  ref,
} from "../../../src/guest/builder/index.ts";
import { disassemble } from "./disassemble.ts";

const ORIGIN = 0x100000;

/** What the disassembler reads from what `write` wrote. */
function written(write: (g: GuestBuilder) => unknown, bits: 16 | 32 = 32): string[] {
  const g = new GuestBuilder({ origin: bits === 16 ? 0x7c00 : ORIGIN, bits });
  write(g);
  return disassemble(g.build(), bits);
}

describe("instructions read back as they were written", () => {
  const cases: [string, (g: GuestBuilder) => unknown, string[]][] = [
    [
      "mov between registers, memory and immediates",
      (g) =>
        g
          .mov("eax", "ebx")
          .mov("al", mem8("esi"))
          .mov(mem16({ base: "edi", displacement: 2 }), "cx")
          .mov("edx", 0xdeadbeef)
          .mov("bh", 255)
          .mov(mem32(0x1234), -1)
          .mov(mem32({ base: "ebx", index: "ecx", scale: 4, displacement: 0x1000, segment: "fs" }), "esp"),
      [
        "mov eax,ebx",
        "mov al,[esi]",
        "mov [edi+2],cx",
        "mov edx,0xdeadbeef",
        "mov bh,0xff",
        "mov dword [0x1234],0xffffffff",
        "mov [fs:ebx+ecx*4+0x1000],esp",
      ],
    ],
    [
      "mov to and from segment, control and debug registers",
      (g) =>
        g
          .mov("ds", "ax")
          .mov("bx", "ss")
          .mov("es", mem16(0x500))
          .mov("cr3", "eax")
          .mov("ecx", "cr2")
          .mov("dr7", "edx")
          .mov("esi", "dr6"),
      [
        "mov ds,eax",
        "mov bx,ss",
        "mov es,[0x500]",
        "mov cr3,eax",
        "mov ecx,cr2",
        "mov dr7,edx",
        "mov esi,dr6",
      ],
    ],
    [
      "arithmetic, with the shortest immediate",
      (g) =>
        g
          .add("eax", 1)
          .add("eax", 0x12345)
          .or("bl", mem8("eax"))
          .adc(mem32("ecx"), "edx")
          .sbb("cx", -1)
          .and(mem8(0x10), 0x80)
          .sub("esp", 0x7f)
          .xor("eax", "eax")
          .cmp(mem16("ebp"), 300)
          .test("al", 1)
          .test("ecx", "ecx"),
      [
        "add eax,1",
        "add eax,0x12345",
        "or bl,[eax]",
        "adc [ecx],edx",
        "sbb cx,0xffff",
        "and byte [0x10],0x80",
        "sub esp,0x7f",
        "xor eax,eax",
        "cmp word [ebp],0x12c",
        "test al,1",
        "test ecx,ecx",
      ],
    ],
    [
      "instructions with one operand",
      (g) =>
        g
          .inc("eax")
          .inc("al")
          .dec(mem32("ebx"))
          .unary("neg", "cx")
          .unary("not", mem8("eax"))
          .unary("mul", "ebx")
          .unary("imul", "bl")
          .unary("div", "ecx")
          .unary("idiv", mem16("esi"))
          .imul("eax", mem32("edi"))
          .bswap("edx"),
      [
        "inc eax",
        "inc al",
        "dec dword [ebx]",
        "neg cx",
        "not byte [eax]",
        "mul ebx",
        "imul bl",
        "div ecx",
        "idiv word [esi]",
        "imul eax,[edi]",
        "bswap edx",
      ],
    ],
    [
      "shifts and bit tests",
      (g) =>
        g
          .shift("shl", "eax", 4)
          .shift("sar", mem8("ebx"), "cl")
          .shift("rcr", "cx", 1)
          .bitTest("bts", mem32("eax"), "ecx")
          .bitTest("bt", "dx", 9),
      ["shl eax,4", "sar byte [ebx],cl", "rcr cx,1", "bts [eax],ecx", "bt dx,9"],
    ],
    [
      "exchanges, under lock too",
      (g) =>
        g
          .xchg("eax", "ebx")
          .lock()
          .xadd(mem32("esi"), "eax")
          .cmpxchg(mem8("edi"), "cl")
          .lock()
          .cmpxchg8b(at("edi")),
      ["xchg ebx,eax", "lock xadd [esi],eax", "cmpxchg [edi],cl", "lock cmpxchg8b [edi]"],
    ],
    [
      "widening, conditional and address instructions",
      (g) =>
        g
          .movzx("eax", "bl")
          .movsx("cx", mem8("esi"))
          .movzx("edx", mem16("edi"))
          .cmov("ae", "eax", "ebx")
          .set("ne", "al")
          .lea("eax", at({ base: "ebp", displacement: -8 })),
      [
        "movzx eax,bl",
        "movsx cx,byte [esi]",
        "movzx edx,word [edi]",
        "cmovae eax,ebx",
        "setne al",
        "lea eax,[ebp-8]",
      ],
    ],
    [
      "the stack",
      (g) =>
        g
          .push("eax")
          .push("bx")
          .push(5)
          .push(0x12345678)
          .push(mem32("eax"))
          .push("fs")
          .pop("gs")
          .pop("ecx")
          .pop(mem32(0)),
      [
        "push eax",
        "push bx",
        "push 5",
        "push 0x12345678",
        "push dword [eax]",
        "push fs",
        "pop gs",
        "pop ecx",
        "pop dword [0]",
      ],
    ],
    [
      "transfers of control",
      (g) =>
        g
          .label("here")
          .jmp("here")
          .jcc("be", "here")
          .call("here")
          .jmp("eax")
          .call(mem32("ebx"))
          .loop("here")
          .jmpFar(8, ref("here"))
          .callFar(0x18, 0x1234)
          .ret()
          .ret(8)
          .retFar()
          .int(0x80)
          .iret(),
      [
        "jmp 0x100000",
        "jbe 0x100000",
        "call 0x100000",
        "jmp eax",
        "call dword [ebx]",
        "loop 0x100000",
        "jmp 8:0x100000",
        "call 0x18:0x1234",
        "ret",
        "ret 8",
        "retf",
        "int 0x80",
        "iret",
      ],
    ],
    [
      "ports",
      (g) => g.in("al", 0x60).in("eax", "dx").out(0x80, "al").out("dx", "ax"),
      ["in al,0x60", "in eax,dx", "out 0x80,al", "out dx,ax"],
    ],
    [
      "system instructions",
      (g) =>
        g
          .lgdt(at(0x1000))
          .lidt(at("eax"))
          .sgdt(at("esp"))
          .sidt(at("esp"))
          .lldt("ax")
          .ltr("cx")
          .invlpg(at("edi"))
          .hlt()
          .cli()
          .sti()
          .cpuid()
          .rdtsc()
          .ud2()
          .nop(),
      [
        "lgdt [0x1000]",
        "lidt [eax]",
        "sgdt [esp]",
        "sidt [esp]",
        "lldt ax",
        "ltr cx",
        "invlpg [edi]",
        "hlt",
        "cli",
        "sti",
        "cpuid",
        "rdtsc",
        "ud2",
        "nop",
      ],
    ],
    [
      "string instructions",
      (g) =>
        g
          .string("movs", 32, "rep")
          .string("stos", 8, "rep")
          .string("cmps", 16, "repe")
          .string("lods", 32)
          .string("outs", 8),
      ["rep movsd", "rep stosb", "repe cmpsw", "lodsd", "outsb"],
    ],
  ];

  it.each(cases)("%s", (_, write, expected) => {
    expect(written(write)).toEqual(expected);
  });

  it("all those without operands", () => {
    // NASM leaves out the "d" of the size that the code has anyway.
    const names = [
      ...[
        "clts",
        "wbinvd",
        "invd",
        "rdmsr",
        "wrmsr",
        "pusha",
        "popa",
        "pushf",
        "popf",
        "pushfw",
        "popfw",
        "iret",
        "iretw",
      ],
      ...[
        "cld",
        "std",
        "clc",
        "stc",
        "cmc",
        "int3",
        "into",
        "sysenter",
        "sysexit",
        "fninit",
        "sahf",
        "lahf",
        "cdq",
        "leave",
      ],
    ];
    const written32 = (name: string) =>
      ["pusha", "popa", "pushf", "popf", "iret"].includes(name) ? `${name}d` : name;
    const lines = written((g) => {
      for (const name of names) g.plain(written32(name) as PlainMnemonic);
    });
    expect(lines).toEqual(names);
  });

  it("in 16-bit code", () => {
    const lines = written(
      (g) =>
        g
          .label("start")
          .mov("ax", 0x7c0)
          .mov("ds", "ax")
          .mov("eax", 0x12345678)
          .mov(mem8({ base: "bx", index: "si" }), "al")
          .push(5)
          .jmp("start")
          .jcc("e", "start")
          .call("start")
          .jmpFar(0x7c0, 5)
          .string("stos", 16, "rep")
          .string("movs", 32)
          .lgdt(at(0x600))
          .iret(),
      16,
    );
    expect(lines).toEqual([
      "mov ax,0x7c0",
      "mov ds,ax",
      "mov eax,0x12345678",
      "mov [bx+si],al",
      "push 5",
      "jmp 0x7c00",
      "je 0x7c00",
      "call 0x7c00",
      "jmp 0x7c0:5",
      "rep stosw",
      "movsd",
      "lgdt [0x600]",
      "iret",
    ]);
  });
});

describe("labels", () => {
  it("may be used before they are defined: in branches, immediates, displacements and data", () => {
    const g = new GuestBuilder({ origin: ORIGIN });
    g.jmp("code").label("table").dd(ref("code"), 7).align(16).label("code");
    g.mov("eax", ref("table", 4))
      .mov("ecx", mem32(ref("table")))
      .mov("edx", mem32({ base: "eax", displacement: ref("table") }));
    const program = g.build();
    expect(Object.fromEntries(program.symbols)).toEqual({ table: 0x100005, code: 0x100010 });
    expect(program.symbol("code")).toBe(0x100010);
    expect([...program.bytes.subarray(5, 13)]).toEqual([0x10, 0, 0x10, 0, 7, 0, 0, 0]);
    const code = disassemble({ ...program, bytes: program.bytes.subarray(16), origin: 0x100010 });
    expect(code).toEqual(["mov eax,0x100009", "mov ecx,[0x100005]", "mov edx,[eax+0x100005]"]);
  });

  it("at small addresses take their full room, so that nothing moves", () => {
    const g = new GuestBuilder({ origin: 0 });
    g.label("zero")
      .add("eax", ref("end"))
      .mov("ebx", mem32({ base: "eax", displacement: ref("end") }))
      .label("end");
    const program = g.build();
    expect(program.symbol("end")).toBe(program.bytes.length);
    expect(disassemble(program)).toEqual(["add eax,0xc", "mov ebx,[eax+0xc]"]);
  });

  it("are refused when defined twice or not at all", () => {
    const g = new GuestBuilder({ origin: 0 }).label("a");
    expect(() => g.label("a")).toThrow("defined twice");
    expect(() => g.jmp("nowhere").build()).toThrow("nowhere is not defined");
    expect(() => new GuestBuilder({ origin: 0 }).build().symbol("x")).toThrow(GuestBuilderError);
  });
});

describe("data", () => {
  it("are written little endian, with texts, fillings and origins", () => {
    const g = new GuestBuilder({ origin: 0x10 });
    g.db(1, "AB", -1)
      .dw(0x1234)
      .dd(0x89abcdef)
      .dq(0x0123456789abcdefn)
      .asciz("z")
      .align(4, 0xcc)
      .org(0x28)
      .raw([9]);
    expect([...g.build().bytes]).toEqual(
      [
        [1, 0x41, 0x42, 0xff],
        [0x34, 0x12],
        [0xef, 0xcd, 0xab, 0x89],
        [0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01],
        [0x7a, 0],
        [],
        [0, 0, 0, 0],
        [9],
      ].flat(),
    );
  });

  it("may not go backwards", () => {
    expect(() => new GuestBuilder({ origin: 0x10 }).org(0xf)).toThrow(GuestBuilderError);
  });

  it("hold gates whose offset is a label", () => {
    const g = new GuestBuilder({ origin: 0x12340000 });
    g.gate({ kind: "interrupt", selector: 8, offset: ref("handler"), dpl: 3 }).label("handler");
    expect([...g.build().bytes]).toEqual([8, 0, 8, 0, 0, 0xee, 0x34, 0x12]);
  });
});

describe("what cannot be encoded is refused", () => {
  const cases: [string, (g: GuestBuilder) => unknown][] = [
    ["operands of different widths", (g) => g.mov("eax", "bx")],
    ["an operand without a width", (g) => g.inc(at("eax"))],
    ["two memory operands", (g) => g.mov(mem32("eax"), mem32("ebx"))],
    ["a number that is too large", (g) => g.mov("al", 256)],
    ["a number that is no integer", (g) => g.dd(1.5).mov("eax", 1.5)],
    ["a 16-bit index with a scale", (g) => g.mov("eax", mem32({ base: "bx", index: "si", scale: 4 }))],
    ["a short branch out of reach", (g) => g.label("a").fill(200).loop("a").build()],
  ];
  it.each(cases)("%s", (_, write) => {
    expect(() => write(new GuestBuilder({ origin: ORIGIN }))).toThrow(GuestBuilderError);
  });
});
