import { describe, expect, it } from "vitest";
import { GuestBuilder, mem8, mem32, ref } from "../../../src/guest/builder/index.ts";
import { CODE, DATA, EngineGuest, STACK, U, W } from "./support/guest.ts";

let last: EngineGuest | undefined;
function guest(): EngineGuest {
  last = new EngineGuest({ after: last });
  return last;
}
const code = (origin = CODE) => new GuestBuilder({ origin });
/** With small budgets blocks are cut short, and what is cut short must notice changes too. */
const MODES = [false, true].flatMap((paged) => [3, 4, 1_000_000].map((budget) => ({ paged, budget })));

/** Runs to HLT, in bursts of `budget` instructions, and gives EAX. */
function result(g: EngineGuest, budget = 1_000_000): number {
  expect(g.runToExit(budget, 1_000_000).reason).toBe("hlt");
  expect(g.haltedIn).toBe(-1);
  return g.registers[0] as number;
}
/** The place of the immediate of a `mov eax, imm32` that is labelled. */
const immediate = (name: string) => mem32(ref(name, 1));

describe.each(MODES)("code that changes code, paged: $paged, in bursts of $budget", (mode) => {
  const { budget } = mode;
  it("ahead of itself in the same block", () => {
    const g = guest();
    g.start(code().mov(immediate("later"), 77).nop().label("later").mov("eax", 5).hlt().build(), mode);
    expect(result(g, budget)).toBe(77);
    expect(g.cpu.retired).toBe(4);
  });

  it("in the very next byte", () => {
    const g = guest();
    const program = code()
      .mov(mem8(ref("next")), 0x40)
      .label("next")
      .raw([0x48])
      .hlt()
      .build();
    g.start(program, mode);
    expect(result(g, budget)).toBe(1);
  });

  it("by an instruction that overwrites itself", () => {
    const g = guest();
    // The store changes its own opcode into HLT; it is carried out once all the same, and the jump back finds the HLT.
    const program = code()
      .inc("eax")
      .label("self")
      .mov(mem8(ref("self")), 0xf4)
      .inc("eax")
      .jmp("self")
      .build();
    g.start(program, mode);
    expect(result(g, budget)).toBe(2);
    expect(g.cpu.state.eip).toBe(program.symbol("self") + 1);
  });

  it("behind itself, in a loop", () => {
    const g = guest();
    const program = code()
      .mov("ecx", 10)
      .xor("eax", "eax")
      .label("top")
      .raw([0x83, 0xc0, 0x00]) // add eax, 0: the operand counts up
      .inc(mem8(ref("top", 2)))
      .dec("ecx")
      .jcc("ne", "top")
      .hlt()
      .build();
    g.start(program, mode);
    expect(result(g, budget)).toBe(45);
    expect(g.cpu.retired).toBe(3 + 40);
  });

  it("in another frame, that has run before", () => {
    const g = guest();
    const f = CODE + 0x3000;
    g.load(code(f).mov("eax", 1).ret().build());
    const program = code()
      .mov("edx", f)
      .call("edx")
      .mov("ebx", "eax")
      .mov(mem32(f + 1), 42)
      .call("edx");
    g.start(program.add("eax", "ebx").hlt().build(), mode);
    expect(result(g, budget)).toBe(43);
  });

  it("by pushing over it", () => {
    const g = guest();
    // The stack is right above the code: PUSH writes HLTs where the next instruction is.
    const program = code()
      .mov("esp", ref("end"))
      .push(0x90f49090 | 0)
      .label("next")
      .raw([0x40, 0x40, 0x40, 0x40])
      .label("end")
      .hlt();
    g.start(program.build(), mode);
    expect(result(g, budget)).toBe(0);
    expect(g.cpu.retired).toBe(5);
  });

  it("by a string instruction over itself and what follows", () => {
    const g = guest();
    const program = code()
      .mov("eax", 0x40404040)
      .mov("edi", ref("string"))
      .mov("ecx", 2)
      .label("string")
      .string("stos", 32, "rep")
      .raw([0x90, 0x90, 0x90, 0x90, 0x90, 0x90])
      .hlt()
      .build();
    g.start(program, mode);
    // REP STOSD is two bytes; the other six that it wrote are INC EAX.
    expect(result(g, budget)).toBe(0x40404046);
    expect(g.cpu.retired).toBe(3 + 1 + 6 + 1);
  });

  it("with a store that crosses from a data page into its own page", () => {
    const g = guest();
    const page = CODE + 0x1000;
    const program = code()
      .mov(mem32(page - 2), 0x40409090)
      .jmp("end")
      .org(page - 16)
      .label("end")
      .fill(16, 0x90);
    g.start(program.raw([0x48, 0x48]).hlt().build(), mode);
    // Run the second page first, so that it is decoded.
    g.cpu.state.eip = page;
    expect(result(g, budget)).toBe(0xfffffffe);
    g.cpu.state.eip = CODE;
    g.cpu.state.setReg(0, 0);
    expect(result(g, budget)).toBe(2);
  });

  it("so often that its page holds data and code for ever, without decoding at every store", () => {
    const g = guest();
    const program = code()
      .mov("ecx", 20000)
      .label("top")
      .inc(mem32(ref("counter")))
      .dec("ecx")
      .jcc("ne", "top")
      .mov("eax", mem32(ref("counter")))
      .hlt()
      .align(256)
      .label("counter")
      .dd(0)
      .build();
    g.start(program, mode);
    const { cache } = g.cpu.blocks;
    const before = cache.decoded;
    expect(result(g, budget)).toBe(20000);
    expect(cache.decoded - before).toBeLessThan(20000 / 16);
  });

  it("so often that the changed block is decoded anew each time, and only that", () => {
    const g = guest();
    const program = code()
      .mov("ecx", 1000)
      .xor("ebx", "ebx")
      .label("top")
      .mov(immediate("changed"), "ecx")
      .jmp("changed")
      .label("changed")
      .mov("eax", 0)
      .add("ebx", "eax")
      .dec("ecx")
      .jcc("ne", "top")
      .hlt()
      .build();
    g.start(program, mode);
    const before = g.cpu.blocks.cache.decoded;
    result(g, budget);
    expect(g.registers[3]).toBe(500500);
    expect(g.cpu.blocks.cache.decoded - before).toBeLessThan(4000);
  });
});

describe("decoded code", () => {
  it("is dropped when another linear address of the same memory is written", () => {
    const g = guest();
    const alias = 0x40000000;
    g.start(
      code()
        .label("f")
        .mov("eax", 5)
        .test("ebx", "ebx")
        .jcc("ne", "end")
        .inc("ebx")
        .mov(mem32(alias + 1), 6)
        .jmp("f")
        .label("end")
        .hlt()
        .build(),
      { paged: true },
    );
    g.map(alias, CODE, W | U);
    expect(result(g)).toBe(6);
  });

  it("is dropped when a writable translation was cached before the code was decoded", () => {
    const g = guest();
    const target = CODE + 0x5000;
    g.start(
      code()
        .mov(mem32(target), 0xf4000000 | 0)
        .mov(mem32(target), 0xf44040f4 | 0)
        .jmp("go")
        .label("go")
        .mov("edx", target + 1)
        .mov(mem8(target + 3), 0xc3)
        .call("edx")
        .mov(mem8(target + 1), 0x90)
        .call("edx")
        .hlt()
        .build(),
      { paged: true },
    );
    expect(result(g)).toBe(3);
  });

  it("is dropped when the monitor writes and says so", () => {
    const g = guest();
    g.start(code().mov("eax", 1).hlt().build());
    expect(result(g)).toBe(1);
    g.write(CODE + 1, [9]);
    g.cpu.state.eip = CODE;
    expect(result(g)).toBe(9);
  });

  it("survives a write beside it", () => {
    const g = guest();
    g.start(code().mov("eax", 1).hlt().build());
    result(g);
    const { decoded, dropped } = g.cpu.blocks.cache;
    g.write(CODE + 0x800, [1, 2, 3]);
    g.cpu.state.eip = CODE;
    result(g);
    expect([g.cpu.blocks.cache.decoded, g.cpu.blocks.cache.dropped]).toEqual([decoded, dropped]);
  });

  it("is shared by two address spaces, and each sees the change", () => {
    const g = guest();
    const there = 0x50000000;
    g.start(code().mov("eax", 3).hlt().build(), { paged: true });
    g.map(there, CODE, U | W);
    expect(result(g)).toBe(3);
    const { decoded } = g.cpu.blocks.cache;
    g.cpu.state.eip = there;
    expect(result(g)).toBe(3);
    expect(g.cpu.blocks.cache.decoded).toBe(decoded);
    g.write(CODE + 1, [4]);
    g.cpu.state.eip = there;
    expect(result(g)).toBe(4);
  });

  it("is decoded for 16 bits and for 32 bits separately", () => {
    const g = guest();
    // B8 34 12 40 40: in 32 bits one MOV, in 16 bits a MOV of 1234 and two INCs.
    const bytes = [0xb8, 0x34, 0x12, 0x40, 0x40, 0xf4];
    g.start(code().raw(bytes).build());
    expect(result(g)).toBe(0x40401234);
    const { state } = g.cpu;
    state.setSegment(1, 0x38, 0, 0xffffffff, 0x809b);
    state.updateMode();
    state.setReg(0, 0);
    state.eip = CODE;
    expect(result(g)).toBe(0x1236);
    state.setSegment(1, 0x08, 0, 0xffffffff, 0xc09b);
    state.updateMode();
    state.eip = CODE;
    expect(result(g)).toBe(0x40401234);
  });

  it("goes on after all of it was thrown away because there was no more room", () => {
    const g = guest();
    const program = code()
      .label("outer")
      .mov("edi", DATA)
      .mov("ecx", 64)
      .label("make")
      .mov(mem8("edi"), 0xc3)
      .mov("edx", "edi")
      .call("edx")
      .add("edi", 64)
      .dec("ecx")
      .jcc("ne", "make")
      .inc("eax")
      .cmp("eax", 3000)
      .jcc("ne", "outer")
      .hlt()
      .build();
    g.start(program);
    const { cache } = g.cpu.blocks;
    const { generation } = cache;
    // What has not been used up of the arena is made small.
    const room = 0x4000 - 0x1000;
    cache.arena = Math.max(cache.arena, 0x2000000 - 0x4000 - room);
    expect(result(g)).toBe(3000);
    expect(cache.generation).toBeGreaterThan(generation);
    expect(g.registers[4]).toBe(STACK);
  });
});
