import { describe, expect, it } from "vitest";
import { ExitControl } from "../../../src/cpu/exit.ts";
import * as L from "../../../src/cpu/layout.ts";
import { GuestBuilder, tssBytes, tssSegment } from "../../../src/guest/builder/index.ts";
import { CODE, DATA, EngineGuest, GDT, IDT, PAGE_DIRECTORY, Sel, W } from "./support/guest.ts";

/** What comes between a task switch and the new task's first instruction. */

const OTHER = DATA + 0x1000;
const ENTRY = CODE + 0x400;
/** A gate of the IDT: present, and to a task. */
const TASK_GATE = 0x8500;

let last: EngineGuest | undefined;
interface Task {
  readonly paged?: boolean;
  readonly cr3?: number;
  readonly cs?: number;
}
/** A guest with a task beside the one that runs `build`. */
function guest(build: (g: GuestBuilder) => GuestBuilder, task: Task = {}): EngineGuest {
  last = new EngineGuest({ after: last });
  const g = last;
  g.cpu.intercepts.exceptions = 0;
  g.load(new GuestBuilder({ origin: ENTRY }).hlt().build());
  g.start(build(new GuestBuilder({ origin: CODE })).build(), { paged: task.paged ?? false });
  g.write(GDT + Sel.spare, tssSegment(OTHER));
  g.write(OTHER, tssBytes({ esp0: 0, ss0: 0 }));
  g.write32(OTHER + 0x1c, task.cr3 ?? 0, ENTRY, 2);
  g.write32(OTHER + 0x38, DATA + 0x1000);
  [Sel.data0, task.cs ?? Sel.code0, Sel.data0, Sel.data0, 0, 0].forEach((selector, n) => {
    g.write32(OTHER + 0x48 + 4 * n, selector);
  });
  return g;
}
const taskGate = (g: EngineGuest, vector: number) => g.write32(IDT + 8 * vector, Sel.spare << 16, TASK_GATE);
const divide = (g: GuestBuilder) => g.xor("ecx", "ecx").raw([0xf7, 0xf1]).hlt();

describe("a fault of the new task", () => {
  it("leaves, if the monitor wants it, as often as the guest is gone on with; performed, the guest has it", () => {
    const g = guest((b) => b.jmpFar(Sel.spare, 0), { cs: Sel.data0 });
    // CS was not loaded: only a task can deal with it.
    g.write(GDT + Sel.spare + 8, tssSegment(DATA));
    g.write(DATA, g.machine.u8.slice(g.hpa(OTHER), g.hpa(OTHER) + 0x68));
    g.write32(DATA + 0x4c, Sel.code0);
    g.write32(IDT + 8 * 10, (Sel.spare + 8) << 16, TASK_GATE);
    g.cpu.intercepts.exceptions = 1 << 10;
    for (let turn = 0; turn < 2; turn++)
      expect(g.cpu.run(1000)).toMatchObject({
        reason: "exception",
        vector: 10,
        errorCode: Sel.data0,
        vectoring: -1,
      });
    g.cpu.perform();
    expect(g.cpu.run(1000).reason).toBe("hlt");
    expect([g.cpu.state.selector(7), g.cpu.state.eip]).toEqual([Sel.spare + 8, ENTRY + 1]);
    expect(g.read32(DATA)).toBe(Sel.spare);
  });

  it("that the monitor injects takes the switch's place", () => {
    const g = guest((b) => b.jmpFar(Sel.spare, 0), { cs: Sel.data0 });
    g.cpu.intercepts.exceptions = 1 << 10;
    expect(g.cpu.run(1000).reason).toBe("exception");
    g.cpu.inject({ kind: "exception", vector: 6 });
    // There is no stack for its handler.
    expect(g.cpu.run(1000).reason).toBe("tripleFault");
  });

  it("tells which exception the task was to handle, and makes a double fault with it", () => {
    const g = guest(divide, { cs: Sel.data0 });
    taskGate(g, 0);
    g.cpu.intercepts.exceptions = 1 << 8;
    expect(g.cpu.run(1000)).toMatchObject({ reason: "exception", vector: 8, errorCode: 0, vectoring: 0 });
  });

  it("that handles a double fault shuts the processor down", () => {
    const g = guest(divide, { cs: Sel.data0 });
    g.write32(IDT, 0, 0);
    taskGate(g, 8);
    expect(g.cpu.run(1000).reason).toBe("tripleFault");
    const able = guest(divide);
    able.write32(IDT, 0, 0);
    taskGate(able, 8);
    expect([able.cpu.run(1000).reason, able.cpu.state.eip]).toEqual(["hlt", ENTRY + 1]);
  });
});

describe("a switch whose new CR3 the monitor is told of", () => {
  it("is not complete, so that no interrupt may come", () => {
    const directory = DATA + 0x2000;
    const g = guest((b) => b.jmpFar(Sel.spare, 0), { paged: true, cr3: directory });
    g.map(CODE, CODE, W, 16);
    for (let n = 0; n < 1024; n++) g.write32(directory + 4 * n, g.read32(PAGE_DIRECTORY + 4 * n));
    g.write32(OTHER + 0x24, 0x202);
    g.cpu.controls = ExitControl.cr3;
    expect(g.cpu.run(1000).reason).toBe("taskSwitch");
    expect([g.cpu.state.get(L.CR3), g.cpu.state.eflags & 0x200]).toEqual([directory, 0x200]);
    expect([g.cpu.interruptible, g.cpu.nmiReady]).toEqual([false, false]);
    g.cpu.windowRequested = true;
    expect(g.cpu.run(1000)).toMatchObject({ reason: "interruptWindow", eip: ENTRY });
    expect([g.cpu.interruptible, g.cpu.nmiReady]).toEqual([true, true]);
    g.cpu.windowRequested = false;
    expect(g.cpu.run(1000).reason).toBe("hlt");
  });
});
