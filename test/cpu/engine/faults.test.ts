import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import { at, GuestBuilder, mem8, mem16, mem32 } from "../../../src/guest/builder/index.ts";
import { CODE, DATA, EngineGuest, HANDLERS, P, STACK, U, W } from "./support/guest.ts";

let last: EngineGuest | undefined;
function guest(): EngineGuest {
  last = new EngineGuest({ after: last });
  return last;
}
const code = () => new GuestBuilder({ origin: CODE });
const PF = 14;

describe("a page fault in the middle of a block", () => {
  it.each([
    {
      name: "a load",
      access: (g: GuestBuilder) => g.mov("ecx", mem32(DATA + 0x4008)),
      error: 0,
      at: DATA + 0x4008,
    },
    {
      name: "a store",
      access: (g: GuestBuilder) => g.mov(mem32(DATA + 0x4008), "eax"),
      error: 2,
      at: DATA + 0x4008,
    },
    {
      name: "the load of a read-modify-write",
      access: (g: GuestBuilder) => g.add(mem8(DATA + 0x4fff), "al"),
      error: 2,
      at: DATA + 0x4fff,
    },
    {
      name: "a store that goes on in an absent page",
      access: (g: GuestBuilder) => g.mov(mem32(DATA + 0x3ffe), "eax"),
      error: 2,
      at: DATA + 0x4000,
    },
    {
      name: "a load from an absent page into a present one",
      access: (g: GuestBuilder) => g.mov("cx", mem16(DATA + 0x4fff)),
      error: 0,
      at: DATA + 0x4fff,
    },
    {
      name: "a push through memory",
      access: (g: GuestBuilder) => g.push(mem32(DATA + 0x4000)),
      error: 0,
      at: DATA + 0x4000,
    },
  ])(
    "of $name leaves everything as the instruction met it, and the instruction can be begun anew",
    ({ access, error, at: address }) => {
      const g = guest();
      const program = access(
        code().mov("eax", 0x80000001).mov("esi", 7).add("eax", 0x80000000).label("fault"),
      );
      program.inc("esi").hlt();
      const built = program.build();
      // The fault is taken in ring 0, on the stack that the TSS names.
      g.start(built, { ring: 3, paged: true });
      g.unmap(DATA + 0x4000);
      const before = g.read32(DATA + 0x3ffc);
      expect(g.runToExit().reason).toBe("hlt");
      expect(g.haltedIn).toBe(PF);
      expect(g.cpu.retired).toBe(4); // the handler's HLT included
      const frame = g.frame(true);
      expect(frame).toMatchObject({ errorCode: error | 4, eip: built.symbol("fault"), cs: 0x23, esp: STACK });
      expect(frame.eflags & 0x8d5).toBe(0x801); // carry and overflow of the ADD
      expect(g.cpu.state.get(L.CR2)).toBe(address);
      expect(g.registers.slice(0, 2)).toEqual([1, 0]);
      expect(g.read32(DATA + 0x3ffc)).toBe(before);

      g.map(DATA + 0x4000, DATA + 0x4000, U | W);
      const eip = frame.eip;
      g.enterFlat({ ring: 3, paged: true, eip, esp: STACK });
      g.cpu.state.setReg(6, 7);
      // HLT in ring 3 is a general protection fault: the mark that the end was reached.
      g.runToExit();
      expect(g.haltedIn).toBe(13);
      expect(g.registers[6]).toBe(8);
    },
  );
});

describe("error codes of page faults", () => {
  const cases: { ring: 0 | 3; flags: number; write: boolean; wp: boolean; expected: number | "none" }[] = [
    { ring: 3, flags: P | U, write: true, wp: true, expected: 7 },
    { ring: 3, flags: P | W, write: false, wp: true, expected: 5 },
    { ring: 3, flags: P | W, write: true, wp: true, expected: 7 },
    { ring: 3, flags: 0, write: true, wp: true, expected: 6 },
    { ring: 0, flags: P | U, write: true, wp: true, expected: 3 },
    { ring: 0, flags: P | U, write: true, wp: false, expected: "none" },
    { ring: 0, flags: P | U, write: false, wp: true, expected: "none" },
    { ring: 0, flags: 0, write: false, wp: true, expected: 0 },
  ];
  it.each(cases)(
    "ring $ring, entry flags $flags, write $write, WP $wp",
    ({ ring, flags, write, wp, expected }) => {
      const g = guest();
      const target = mem32(DATA + 0x2000);
      const program = write ? code().mov(target, "eax") : code().mov("eax", target);
      g.start(program.hlt().build(), { ring, paged: true });
      g.write32(g.entry(DATA + 0x2000), flags === 0 ? 0 : (DATA + 0x2000) | flags);
      if (!wp) g.cpu.state.set(L.CR0, g.cpu.state.cr0 & ~0x10000);
      expect(g.runToExit().reason).toBe("hlt");
      if (expected === "none") expect(g.haltedIn).toBe(-1);
      else {
        expect(g.haltedIn).toBe(PF);
        expect(g.frame(true).errorCode).toBe(expected);
      }
    },
  );

  it("sets accessed and dirty bits only when the access is allowed", () => {
    const g = guest();
    g.start(
      code()
        .mov("eax", mem32(DATA))
        .mov(mem32(DATA + 0x1000), "eax")
        .mov(mem32(DATA + 0x2000), "eax")
        .build(),
      {
        ring: 3,
        paged: true,
      },
    );
    g.write32(g.entry(DATA + 0x2000), (DATA + 0x2000) | P | U);
    g.runToExit();
    const flags = (page: number) => g.read32(g.entry(DATA + page)) & 0x60;
    expect([flags(0), flags(0x1000), flags(0x2000), flags(0x3000)]).toEqual([0x20, 0x60, 0, 0]);
  });
});

describe("fetching", () => {
  /** A program whose last instruction begins `before` bytes ahead of the page boundary at CODE + 0x1000. */
  function crossing(before: number): { g: EngineGuest; at: number } {
    const g = guest();
    const where = CODE + 0x1000 - before;
    const b = new GuestBuilder({ origin: where - 4 }).inc("ebx").inc("ebx").nop().nop();
    g.load(b.mov("eax", 0x12345678).hlt().build());
    g.enterFlat({ ring: 0, paged: true, eip: where - 4, esp: STACK });
    return { g, at: where };
  }

  it.each([1, 2, 3, 4])(
    "an instruction of which %i bytes are in a present page faults on the next page",
    (before) => {
      const { g, at: where } = crossing(before);
      g.unmap(CODE + 0x1000);
      g.runToExit();
      expect(g.haltedIn).toBe(PF);
      expect(g.cpu.state.get(L.CR2)).toBe(CODE + 0x1000);
      expect(g.frame(true)).toMatchObject({ eip: where, errorCode: 0 });
      expect([g.registers[0], g.registers[3], g.cpu.retired]).toEqual([0, 2, 5]);
    },
  );

  it("code up to the end of a page runs although the next page is absent", () => {
    const { g } = crossing(5);
    g.unmap(CODE + 0x1000);
    g.runToExit();
    expect(g.frame(true)).toMatchObject({ eip: CODE + 0x1000 });
    expect([g.registers[0], g.cpu.retired]).toEqual([0x12345678, 6]);
  });

  it("an instruction that crosses sees the bytes of whatever page follows it now", () => {
    const { g, at: where } = crossing(2);
    const other = CODE + 0x5000;
    const images = [0x12345678, 0x55aa];
    g.write(other, [0x00, 0x00, 0x77, 0xf4]);
    expect(g.runToExit().reason).toBe("hlt");
    expect(g.registers[0]).toBe(images[0]);
    // The page behind it becomes another one.
    g.map(CODE + 0x1000, other, U | W);
    g.cpu.flushTlb();
    g.cpu.state.eip = where;
    expect(g.runToExit().reason).toBe("hlt");
    expect(g.registers[0]).toBe(0x77000078);
    // And the page that follows is written to.
    g.write(other + 2, [0x66]);
    g.cpu.state.eip = where;
    g.runToExit();
    expect(g.registers[0]).toBe(0x66000078);
    expect(g.cpu.state.eip).toBe(CODE + 0x1004);
  });

  it("user code cannot be fetched from a supervisor page", () => {
    const g = guest();
    g.start(
      code()
        .jmp(CODE + 0x3000)
        .build(),
      { ring: 3, paged: true },
    );
    g.map(CODE + 0x3000, CODE + 0x3000, W);
    g.runToExit();
    expect(g.haltedIn).toBe(PF);
    expect(g.frame(true)).toMatchObject({ eip: CODE + 0x3000, errorCode: 5 });
  });

  it("where there is no memory the bytes read as ones, which is no instruction", () => {
    const g = guest();
    g.start(code().jmp(0x80000000).build());
    g.runToExit();
    expect(g.haltedIn).toBe(6);
    expect(g.frame(false).eip).toBe(0x80000000);
  });

  it("an instruction of more than 15 bytes is a general protection fault", () => {
    const g = guest();
    g.start(code().inc("eax").raw(new Array(15).fill(0x66)).nop().build());
    g.runToExit();
    expect(g.haltedIn).toBe(13);
    expect(g.frame(true)).toMatchObject({ eip: CODE + 1, errorCode: 0 });
  });
});

describe("exits for the monitor", () => {
  it("a refused access leaves with the walker's error code and what was tried, at every try", () => {
    const g = guest();
    g.start(
      code()
        .mov("ebx", 5)
        .add(mem16(DATA + 0x2000), "bx")
        .hlt()
        .build(),
      { paged: true },
    );
    g.unmap(DATA + 0x2000);
    g.cpu.controls = 1;
    for (let n = 0; n < 2; n++) {
      expect(g.cpu.run(100)).toMatchObject({
        reason: "pageFault",
        gva: DATA + 0x2000,
        errorCode: 2,
        size: 2,
        vectoring: -1,
      });
      expect([g.cpu.state.eip, g.cpu.retired]).toEqual([CODE + 5, 1]);
    }
    g.map(DATA + 0x2000, DATA + 0x2000, W);
    expect(g.cpu.run(100).reason).toBe("hlt");
    expect([g.read32(DATA + 0x2000), g.cpu.retired]).toEqual([5, 3]);
  });

  it("a page fault while an exception is delivered names the exception, and the delivery is begun anew", () => {
    const g = guest();
    g.start(code().inc("eax").ud2().build(), { ring: 3, paged: true });
    g.cpu.controls = 1;
    g.unmap(0x5000);
    for (let n = 0; n < 2; n++) {
      expect(g.cpu.run(100)).toMatchObject({ reason: "pageFault", gva: 0x5ffc, errorCode: 2, vectoring: 6 });
      expect([g.cpu.state.eip, g.cpu.state.cpl, g.registers[4], g.cpu.retired]).toEqual([
        CODE + 1,
        3,
        STACK,
        1,
      ]);
    }
    g.map(0x5000, 0x5000, W);
    expect(g.cpu.run(100).reason).toBe("hlt");
    expect(g.haltedIn).toBe(6);
    expect(g.frame(false)).toMatchObject({ eip: CODE + 1, esp: STACK });
  });

  it("a fault of an instruction that the monitor lets perform is not lost when its delivery leaves", () => {
    const g = guest();
    g.start(code().mov("ecx", 0x12345).raw([0x0f, 0x32]).build(), { paged: true });
    g.cpu.controls = 1 | (1 << 6);
    expect(g.cpu.run(100)).toMatchObject({ reason: "msr", write: false });
    g.unmap(0x2000);
    g.cpu.flushTlb();
    g.cpu.perform();
    expect(g.cpu.run(100)).toMatchObject({ reason: "pageFault", vectoring: 13 });
    g.map(0x2000, 0x2000, W);
    expect(g.cpu.run(100).reason).toBe("hlt");
    expect(g.haltedIn).toBe(13);
    expect(g.frame(true)).toMatchObject({ eip: CODE + 5, errorCode: 0 });
  });
});

describe("faults that become worse", () => {
  it("a fault while a fault is delivered is a double fault, another one a triple fault", () => {
    const g = guest();
    g.start(code().ud2().build());
    // The gate of #UD is absent, that of #NP too.
    for (const vector of [6, 11]) g.write(0x2000 + vector * 8 + 5, [0x0e]);
    g.runToExit();
    expect(g.haltedIn).toBe(8);
    expect(g.frame(true)).toMatchObject({ errorCode: 0, eip: CODE });

    g.start(code().ud2().build());
    g.write(0x2000 + 8 * 8 + 5, [0x0e]);
    const exit = g.cpu.run(100);
    expect(exit).toMatchObject({ reason: "tripleFault", eip: CODE });
    expect([g.cpu.retired, g.registers[4], g.cpu.state.eip]).toEqual([0, STACK, CODE]);
  });

  it("a page fault during the delivery of a page fault is a double fault with the second address in CR2", () => {
    const g = guest();
    g.start(
      code()
        .mov("eax", mem32(DATA + 0x2004))
        .build(),
      { paged: true },
    );
    g.unmap(DATA + 0x2000);
    g.gate(PF, HANDLERS);
    g.unmap(STACK - 0x1000);
    // Ring 0 stays on its stack, which is absent: #PF, #DF, then nothing is left.
    const exit = g.cpu.run(100);
    expect(exit.reason).toBe("tripleFault");
    expect(g.cpu.state.get(L.CR2)).toBe(STACK - 4);
  });

  it("LOCK where it is not allowed, and INVLPG in ring 3, fault at their place", () => {
    const g = guest();
    g.start(code().nop().lock().mov("eax", "ebx").build());
    g.runToExit();
    expect([g.haltedIn, g.frame(false).eip]).toEqual([6, CODE + 1]);
    g.start(code().nop().invlpg(at("eax")).build(), { ring: 3, paged: true });
    g.runToExit();
    expect([g.haltedIn, g.frame(true).eip]).toEqual([13, CODE + 1]);
  });
});
