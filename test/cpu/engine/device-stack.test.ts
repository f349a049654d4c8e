import { describe, expect, it } from "vitest";
import { GuestBuilder, type GuestProgram } from "../../../src/guest/builder/index.ts";
import { CODE, EngineGuest, HANDLERS, IDT } from "./support/guest.ts";

let last: EngineGuest | undefined;
function guest(): EngineGuest {
  last = new EngineGuest({ after: last });
  return last;
}
const code = () => new GuestBuilder({ origin: CODE });
/** No memory is there. */
const DEVICE = 0x80000000;
const UD = 6;
const NP = 11;
const TIMER = 0x21;

/** Runs to HLT with the stack on a device; every write of it, as "offset=value". */
function writes(g: EngineGuest): string[] {
  const seen: string[] = [];
  for (;;) {
    const exit = g.cpu.run(1000);
    if (exit.reason !== "mmio") {
      expect(exit.reason).toBe("hlt");
      return seen;
    }
    if (seen.length === 40) throw new Error(`no end: ${seen.join(" ")}`);
    seen.push(`${(exit.gpa - DEVICE).toString(16)}=${(exit.value >>> 0).toString(16)}`);
    g.cpu.answer(0);
  }
}

function onDevice(g: EngineGuest, program: GuestProgram): void {
  g.load(program);
  g.enterFlat({ ring: 0, paged: false, eip: CODE, esp: DEVICE + 0x100 });
}

/** The handler's first instruction accesses the device, too, and no instruction has retired since the delivery did. */
const pushing = (vector: number): GuestProgram =>
  new GuestBuilder({ origin: HANDLERS + vector * 16 }).push(0x55).hlt().build();

describe("a stack on a device", () => {
  it("takes the frame of a fault, and then what its handler pushes", () => {
    const g = guest();
    g.load(pushing(UD));
    onDevice(g, code().ud2().build());
    expect(writes(g)).toEqual(["fc=10002", "f8=8", `f4=${CODE.toString(16)}`, "f0=55"]);
    expect(g.cpu.retired).toBe(2);
  });

  it("takes the frame of an interrupt, and then what its handler pushes", () => {
    const g = guest();
    g.load(pushing(TIMER));
    onDevice(g, code().sti().nop().nop().build());
    g.cpu.run(2);
    g.cpu.inject({ kind: "external", vector: TIMER });
    expect(writes(g)).toEqual(["fc=202", "f8=8", `f4=${(CODE + 2).toString(16)}`, "f0=55"]);
  });

  it("takes the frame of a fault that the delivery of an interrupt has raised", () => {
    const g = guest();
    g.load(pushing(NP));
    onDevice(g, code().sti().nop().nop().build());
    // Its gate is not present.
    g.write(IDT + TIMER * 8 + 5, [0x0e]);
    g.cpu.run(2);
    g.cpu.inject({ kind: "external", vector: TIMER });
    const eip = (CODE + 2).toString(16);
    const errorCode = ((TIMER << 3) | 3).toString(16);
    expect(writes(g)).toEqual(["fc=10202", "f8=8", `f4=${eip}`, `f0=${errorCode}`, "ec=55"]);
  });
});
