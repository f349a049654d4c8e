import { describe, expect, it } from "vitest";
import * as L from "../../../src/cpu/layout.ts";
import { GuestBuilder, mem8, mem32, ref } from "../../../src/guest/builder/index.ts";
import { Random } from "../instructions/support/random.ts";
import { CODE, DATA, EngineGuest, HANDLERS, U, W } from "./support/guest.ts";

const DEVICE = 0x80000000;
const TSC = 0x10;

let last: EngineGuest | undefined;
function guest(beside?: EngineGuest): EngineGuest {
  last = new EngineGuest(beside ? { beside } : { after: last });
  return last;
}

/** Touches everything that a world switch must carry: flags, devices, strings, system calls, page faults, the time-stamp counter. */
function program(seed: number): GuestBuilder {
  const g = new GuestBuilder({ origin: CODE });
  g.mov("ecx", TSC)
    .mov("eax", seed * 1000)
    .xor("edx", "edx")
    .raw([0x0f, 0x30]); // WRMSR
  g.mov("ebp", 6).label("round");
  g.rdtsc().add("esi", "eax");
  g.in("al", 0x40).movzx("eax", "al").add("esi", "eax");
  g.add(mem32(DEVICE), "esi").xor(mem8(DEVICE + 1), "al");
  g.mov("edi", DATA)
    .mov("ecx", 9000 + seed)
    .mov("eax", "esi")
    .string("stos", 8, "rep");
  g.mov("edx", 0x1f0)
    .mov("edi", DATA + 0x100)
    .mov("ecx", 3)
    .string("ins", 16, "rep");
  g.mov("edx", seed).cmp("edx", "ebp").raw([0x11, 0xd6]); // ADC: the comparison's carry
  g.sti().nop().nop().cli();
  g.int(0x80).add("esi", mem32(DATA + 0x100));
  g.inc(mem32(ref("counter")))
    .label("patched")
    .mov("ebx", 0)
    .add("esi", "ebx")
    .mov(mem32(ref("patched", 1)), "esi");
  g.dec("ebp").jcc("ne", "round").hlt();
  return g.align(64).label("counter").dd(0);
}

function start(g: EngineGuest, seed: number): void {
  g.start(program(seed).build(), { paged: true });
  g.map(DEVICE, DEVICE, W);
  g.write(HANDLERS + 0x80 * 16, [0x83, 0xc6, 0x05, 0xcf]); // ADD ESI, 5; IRET
  g.write(HANDLERS + 0x33 * 16, [0x83, 0xc6, 0x11, 0xcf]);
  g.cpu.timestampSource = (retired) => BigInt(retired);
}

/** Serves the last exit of the guest; false when it has halted for good. `seen` notes what is to be compared. */
function serve(g: EngineGuest, seen: string[]): boolean {
  const { cpu } = g;
  const exit = cpu.exitRecord;
  if (exit.reason === "budget") return true;
  seen.push(
    `${exit.reason} ${cpu.retired} ${exit.write ? exit.value : "-"} ${g.registers.join(" ")} ${cpu.state.eflags}`,
  );
  if (exit.reason === "io" || exit.reason === "mmio") cpu.answer(seen.length * 7);
  else if (exit.reason === "interruptWindow") {
    cpu.inject({ kind: "external", vector: 0x33 });
    cpu.windowRequested = false;
  } else return false;
  return true;
}

function alone(seed: number, budget: number): string[] {
  const g = guest();
  start(g, seed);
  const seen: string[] = [];
  g.cpu.windowRequested = true;
  do g.cpu.run(budget);
  while (serve(g, seen));
  seen.push(`${g.read32(DATA)} ${g.read32(DATA + 0x100)}`);
  return seen;
}

describe("two guests on one CPU", () => {
  it.each([1, 3, 50, 5000])(
    "each does what it does alone, switched in the middle of everything, in bursts of up to %i",
    (most) => {
      const expected = [alone(1, 1_000_000), alone(2, 1_000_000)];
      expect(alone(1, 1)).toEqual(expected[0]);
      const a = guest();
      const guests = [a, guest(a)] as const;
      const saved = [new Uint8Array(L.STATE_SIZE), new Uint8Array(L.STATE_SIZE)] as const;
      const windows = [true, true];
      const seen: [string[], string[]] = [[], []];
      guests.forEach((g, n) => {
        g.cpu.setHardwarePaging({ mode: "guest", p2m: g.p2m });
        start(g, n + 1);
        g.cpu.saveState(saved[n] as Uint8Array);
      });
      const random = new Random(99 + most);
      const alive = new Set([0, 1]);
      for (let turn = 0; alive.size > 0; turn++) {
        if (turn > 200_000) throw new Error("no end");
        const n = (alive.size === 2 ? random.below(2) : [...alive][0]) as 0 | 1;
        const g = guests[n];
        g.cpu.loadState(saved[n]);
        g.cpu.setHardwarePaging({ mode: "guest", p2m: g.p2m });
        g.cpu.windowRequested = windows[n] as boolean;
        g.cpu.run(1 + random.below(most));
        if (!serve(g, seen[n])) alive.delete(n);
        windows[n] = g.cpu.windowRequested;
        g.cpu.saveState(saved[n]);
      }
      guests.forEach((g, n) => {
        seen[n as 0 | 1].push(`${g.read32(DATA)} ${g.read32(DATA + 0x100)}`);
      });
      expect(seen[0]).toEqual(expected[0]);
      expect(seen[1]).toEqual(expected[1]);
    },
  );

  it("keep their pending events, shadows and time-stamp counters apart", () => {
    const a = guest();
    const b = guest(a);
    const one = new Uint8Array(L.STATE_SIZE);
    const two = new Uint8Array(L.STATE_SIZE);
    a.cpu.setHardwarePaging({ mode: "guest", p2m: a.p2m });
    a.start(new GuestBuilder({ origin: CODE }).sti().rdtsc().hlt().build());
    a.cpu.timestampSource = (retired) => BigInt(retired);
    a.cpu.core.setTimestamp(1_000_000, 5);
    a.cpu.run(1);
    a.cpu.inject({ kind: "exception", vector: 14, errorCode: 3, cr2: 0x1234 });
    expect(a.cpu.interruptible).toBe(false);
    a.cpu.saveState(one);
    b.cpu.setHardwarePaging({ mode: "guest", p2m: b.p2m });
    b.start(new GuestBuilder({ origin: CODE }).nop().rdtsc().hlt().build());
    expect([b.cpu.pending, b.cpu.retired]).toEqual([undefined, 0]);
    b.runToExit();
    expect(b.registers[0]).toBe(1);
    b.cpu.saveState(two);
    a.cpu.loadState(one);
    a.cpu.setHardwarePaging({ mode: "guest", p2m: a.p2m });
    expect(a.cpu.pending).toEqual({ kind: "exception", vector: 14, errorCode: 3, cr2: 0x1234 });
    expect([a.cpu.retired, a.cpu.interruptible]).toEqual([1, false]);
    a.runToExit();
    expect([a.haltedIn, a.frame(true).errorCode, a.cpu.state.get(L.CR2)]).toEqual([14, 3, 0x1234]);
    a.cpu.state.eip = CODE + 1;
    a.runToExit();
    expect([a.registers[0], a.registers[2]]).toEqual([1_000_000 + 2, 5]);
  });

  it("decoded code of one does not serve the other, though both have it at the same address", () => {
    const a = guest();
    const b = guest(a);
    const run = (g: EngineGuest, value: number) => {
      g.cpu.setHardwarePaging({ mode: "guest", p2m: g.p2m });
      g.start(new GuestBuilder({ origin: CODE }).mov("eax", value).hlt().build(), { paged: true });
      g.map(CODE, CODE, U | W);
      g.runToExit();
      return g.registers[0];
    };
    expect([run(a, 1), run(b, 2)]).toEqual([1, 2]);
    a.cpu.setHardwarePaging({ mode: "guest", p2m: a.p2m });
    a.cpu.state.eip = CODE;
    a.runToExit();
    expect(a.registers[0]).toBe(1);
  });
});
