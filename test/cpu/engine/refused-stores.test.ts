import { describe, expect, it } from "vitest";
import { ExitControl, ExitReason } from "../../../src/cpu/exit.ts";
import { at, GuestBuilder, type GuestProgram, mem32 } from "../../../src/guest/builder/index.ts";
import { EngineGuest } from "./support/guest.ts";

const CODE = 0x10000;
const DATA_GPA = 0x20000;
/** Read-only to the guest; the monitor does its stores. */
const TABLE = 0x400000;
const WRITE_TO_PRESENT = 3;

/** Stores of a guest into pages that it may not write, done by a monitor that answers each part of an instruction. */
function guestOf(program: GuestProgram): {
  readonly guest: EngineGuest;
  /** Serves exits until the guest halts; returns what was tried. */
  readonly serve: () => { access: number; size: number; value: number; gva: number; errorCode: number }[];
} {
  const guest = new EngineGuest({
    memory: [
      [CODE, 1],
      [DATA_GPA, 2],
    ],
  });
  guest.write(CODE, program.bytes);
  guest.map(CODE, CODE, 0);
  guest.map(TABLE, DATA_GPA, 0, 2);
  guest.enterFlat({ ring: 0, paged: true, eip: CODE, esp: 0x5f00 });
  guest.cpu.controls = ExitControl.pageFault;
  return {
    guest,
    serve: () => {
      const tried: { access: number; size: number; value: number; gva: number; errorCode: number }[] = [];
      for (;;) {
        const { reason, access, size, value, gva, errorCode } = guest.runToExit();
        if (reason === ExitReason.hlt) return tried;
        expect(reason).toBe(ExitReason.pageFault);
        tried.push({ access, size, value, gva, errorCode });
        const gpa = DATA_GPA + (gva - TABLE);
        if (size === 0) guest.cpu.answer(0);
        else if (access === 0) guest.cpu.answer(size === 4 ? guest.read32(gpa) : guest.read8(gpa));
        else {
          const bytes = [value, value >>> 8, value >>> 16, value >>> 24].slice(0, size);
          guest.write(
            gpa,
            bytes.map((byte) => byte & 0xff),
          );
          guest.cpu.answer(0);
        }
      }
    },
  };
}

describe("a refused store that the monitor does for the guest", () => {
  it("is told with its size and value, and finishes once it is answered", () => {
    const { guest, serve } = guestOf(
      new GuestBuilder({ origin: CODE })
        .mov(mem32(TABLE + 8), 0x1234567)
        .hlt()
        .build(),
    );
    expect(serve()).toEqual([
      { access: 1, size: 4, value: 0x1234567, gva: TABLE + 8, errorCode: WRITE_TO_PRESENT },
    ]);
    expect(guest.read32(DATA_GPA + 8)).toBe(0x1234567);
  });

  it("of a read-modify-write is first a read that needs the right to write, then the store of the result, once", () => {
    const { guest, serve } = guestOf(
      new GuestBuilder({ origin: CODE }).mov("eax", 5).add(mem32(TABLE), "eax").hlt().build(),
    );
    guest.write32(DATA_GPA, 37);
    expect(serve()).toEqual([
      { access: 0, size: 4, value: 0, gva: TABLE, errorCode: WRITE_TO_PRESENT },
      { access: 1, size: 4, value: 42, gva: TABLE, errorCode: WRITE_TO_PRESENT },
    ]);
    expect(guest.read32(DATA_GPA)).toBe(42);
  });

  it("of eight bytes is two reads and two stores, all but the first marked as parts of a begun instruction", () => {
    const { guest } = guestOf(
      new GuestBuilder({ origin: CODE })
        .mov("eax", 1)
        .mov("edx", 2)
        .mov("ebx", 3)
        .mov("ecx", 4)
        .cmpxchg8b(at(TABLE))
        .hlt()
        .build(),
    );
    guest.write32(DATA_GPA, 1, 2);
    const seen: [access: number, gva: number, value: number, begun: boolean][] = [];
    for (;;) {
      const { reason, access, gva, value, begun } = guest.runToExit();
      if (reason === ExitReason.hlt) break;
      seen.push([access, gva - TABLE, value, begun]);
      const gpa = DATA_GPA + (gva - TABLE);
      if (access === 1) guest.write32(gpa, value);
      guest.cpu.answer(access === 1 ? 0 : guest.read32(gpa));
    }
    expect(seen).toEqual([
      [0, 0, 0, false],
      [0, 4, 0, true],
      [1, 0, 3, true],
      [1, 4, 4, true],
    ]);
    expect([guest.read32(DATA_GPA), guest.read32(DATA_GPA + 4)]).toEqual([3, 4]);
    expect(guest.cpu.state.eflags & 0x40).toBe(0x40);
  });

  it("over two pages is first a check of size 0, then its bytes", () => {
    const { guest, serve } = guestOf(
      new GuestBuilder({ origin: CODE })
        .mov("eax", 0x04030201)
        .mov(mem32(TABLE + 0xffe), "eax")
        .hlt()
        .build(),
    );
    const tried = serve();
    expect(tried.filter(({ size }) => size === 0).map(({ gva }) => gva)).toEqual([
      TABLE + 0xffe,
      TABLE + 0x1000,
    ]);
    expect(tried.filter(({ size }) => size !== 0).map(({ size, value }) => [size, value])).toEqual([
      [1, 1],
      [1, 2],
      [1, 3],
      [1, 4],
    ]);
    expect(guest.read32(DATA_GPA + 0xffe)).toBe(0x04030201);
  });

  it("is forgotten when an exception is injected between the answer and the next run", () => {
    const { guest } = guestOf(
      new GuestBuilder({ origin: CODE }).mov("eax", 5).add(mem32(TABLE), "eax").hlt().build(),
    );
    guest.runToExit();
    guest.cpu.answer(1000);
    guest.cpu.inject({ vector: 3, kind: "exception" });
    expect(guest.runToExit().reason).toBe(ExitReason.hlt);
    expect(guest.haltedIn).toBe(3);
    guest.cpu.state.eip = CODE + 5;
    expect(guest.runToExit()).toMatchObject({ reason: ExitReason.pageFault, access: 0, size: 4 });
  });
});
