import { describe, expect, it } from "vitest";
import {
  codeSegment,
  dataSegment,
  gateBytes,
  ldtSegment,
  NULL_DESCRIPTOR,
  tableRegister,
  tssBytes,
  tssSegment,
} from "../../../src/guest/builder/index.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("descriptors", () => {
  it("of flat segments are the familiar ones", () => {
    expect(hex(codeSegment())).toBe("ffff0000009acf00");
    expect(hex(dataSegment())).toBe("ffff00000092cf00");
    expect(hex(dataSegment({ dpl: 3 }))).toBe("ffff000000f2cf00");
    expect(hex(NULL_DESCRIPTOR)).toBe("0000000000000000");
  });

  it("of small segments have byte limits, bases in three places, and the type's bits", () => {
    expect(hex(dataSegment({ base: 0x12345678, limit: 0xabcde, isExpandDown: true }))).toBe(
      "debc785634964a12",
    );
    expect(hex(codeSegment({ limit: 0xffff, is32: false, isConforming: true, isReadable: false }))).toBe(
      "ffff0000009c0000",
    );
    expect(hex(dataSegment({ isWritable: false, isPresent: false, limit: 0xffff }))).toBe("ffff000000104000");
  });

  it("of a TSS and an LDT are system descriptors", () => {
    expect(hex(tssSegment(0x9000))).toBe("6700009000890000");
    expect(hex(ldtSegment(0x10000, 23))).toBe("1700000001820000");
  });
});

describe("gates", () => {
  it("hold selector, offset, type, privilege and parameters", () => {
    const target = { selector: 8, offset: 0x12345678 };
    expect(hex(gateBytes({ kind: "interrupt", ...target }))).toBe("78560800008e3412");
    expect(hex(gateBytes({ kind: "trap", dpl: 3, ...target }))).toBe("7856080000ef3412");
    expect(hex(gateBytes({ kind: "call", dpl: 3, parameters: 2, ...target }))).toBe("7856080002ec3412");
    expect(hex(gateBytes({ kind: "task", selector: 0x28, offset: 0, isPresent: false }))).toBe(
      "0000280000050000",
    );
  });
});

describe("table registers and task states", () => {
  it("put the limit before the base", () => {
    expect(hex(tableRegister(0x12345678, 0x7ff))).toBe("ff0778563412");
  });

  it("have the stacks of the inner rings, the registers, and no I/O map", () => {
    const view = new DataView(
      tssBytes({ esp0: 0x9000, ss0: 0x10, cr3: 0x1000, eip: 0x2000, edi: 7, gs: 0x33, ldt: 0x28 }).buffer,
    );
    const offsets = { esp0: 4, ss0: 8, cr3: 28, eip: 32, edi: 68, gs: 92, ldt: 96 };
    const values = Object.fromEntries(
      Object.entries(offsets).map(([name, at]) => [name, view.getUint32(at, true)]),
    );
    expect(values).toEqual({
      esp0: 0x9000,
      ss0: 0x10,
      cr3: 0x1000,
      eip: 0x2000,
      edi: 7,
      gs: 0x33,
      ldt: 0x28,
    });
    expect([view.byteLength, view.getUint16(102, true)]).toEqual([104, 104]);
  });
});
