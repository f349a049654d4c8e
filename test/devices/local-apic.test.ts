import { describe, expect, test } from "vitest";
import {
  type ApicDestination,
  type ApicMessage,
  DeliveryMode,
  LocalApic,
} from "../../src/devices/local-apic.ts";
import { FakeClock } from "./fake-clock.ts";

const SVR_ON = 0x1ff;

/** Software-enabled unless told otherwise. */
function bed(enabled = true) {
  const clock = new FakeClock();
  const sent: (ApicMessage & ApicDestination)[] = [];
  const ended: number[] = [];
  const deeds: string[] = [];
  let nmis = 0;
  const apic = new LocalApic({ id: 3 }, clock, {
    send: (message, to) => sent.push({ ...message, ...to }),
    ended: (vector) => ended.push(vector),
    nmi: () => nmis++,
    init: () => {
      deeds.push("init");
    },
    startup: (vector) => {
      deeds.push(`startup ${vector}`);
    },
  });
  clock.device = apic;
  if (enabled) apic.write(0xf0, SVR_ON);
  const fixed = (vector: number, level = false) => apic.accept({ mode: DeliveryMode.fixed, vector, level });
  return { apic, clock, sent, ended, fixed, deeds, nmis: () => nmis };
}

describe("priorities", () => {
  test("the highest vector comes first, and only a higher class interrupts its service", () => {
    const { apic, fixed } = bed();
    fixed(0x41);
    fixed(0x52);
    expect([apic.intr, apic.acknowledge()]).toEqual([true, 0x52]);
    fixed(0x5f);
    expect([apic.intr, apic.read(0xa0)]).toEqual([false, 0x50]);
    fixed(0x61);
    expect([apic.intr, apic.acknowledge()]).toEqual([true, 0x61]);
    for (const next of [0x5f, 0x41]) {
      apic.write(0xb0, 0);
      if (next === 0x5f) {
        // 0x52 is still in service: its class holds 0x5f off.
        expect(apic.intr).toBe(false);
        apic.write(0xb0, 0);
      }
      expect([apic.intr, apic.acknowledge()]).toEqual([true, next]);
    }
  });
  test("TPR holds off its class and those below", () => {
    const { apic, fixed } = bed();
    apic.write(0x80, 0x4f);
    fixed(0x4f);
    expect([apic.intr, apic.read(0xa0)]).toEqual([false, 0x4f]);
    apic.write(0x80, 0x30);
    expect(apic.intr).toBe(true);
  });
  test("a request that TPR has taken back gives the spurious vector, which needs no EOI", () => {
    const { apic, fixed } = bed();
    fixed(0x40);
    apic.write(0x80, 0x50);
    expect(apic.acknowledge()).toBe(0xff);
    expect([apic.read(0x100 + 0x10 * 2), apic.read(0x200 + 0x10 * 2)]).toEqual([0, 1]);
  });
});

describe("messages", () => {
  test("vectors below 16 are an error, seen after a write of ESR", () => {
    const { apic, fixed } = bed();
    fixed(15);
    expect([apic.intr, apic.read(0x280)]).toEqual([false, 0]);
    apic.write(0x280, 0);
    expect(apic.read(0x280)).toBe(1 << 6);
    apic.write(0x280, 0);
    expect(apic.read(0x280)).toBe(0);
  });
  test("are not taken while software has it disabled, but NMI is", () => {
    const { apic, fixed, nmis } = bed(false);
    fixed(0x40);
    apic.accept({ mode: DeliveryMode.nmi, vector: 0, level: false });
    apic.write(0xf0, SVR_ON);
    expect([apic.intr, nmis()]).toEqual([false, 1]);
  });
  test("of level tell their EOI, of edge do not", () => {
    const { apic, fixed, ended } = bed();
    fixed(0x40, true);
    apic.acknowledge();
    expect(apic.read(0x180 + 0x10 * 2)).toBe(1);
    apic.write(0xb0, 0);
    fixed(0x40);
    apic.acknowledge();
    apic.write(0xb0, 0);
    expect(ended).toEqual([0x40]);
  });
  test.each([
    [{ destination: 3, logical: false }, true],
    [{ destination: 0xff, logical: false }, true],
    [{ destination: 2, logical: false }, false],
    [{ destination: 0x06, logical: true }, true],
    [{ destination: 0xf9, logical: true }, false],
  ])("for %o match: %s (flat model, LDR 02)", (to, expected) => {
    const { apic } = bed();
    apic.write(0xd0, 0x02000000);
    expect(apic.matches(to)).toBe(expected);
  });
  test("match clusters in the cluster model", () => {
    const { apic } = bed();
    apic.write(0xe0, 0x00000000);
    apic.write(0xd0, 0x12000000);
    const match = (destination: number) => apic.matches({ destination, logical: true });
    expect([0x12, 0x13, 0x11, 0x22, 0xf2, 0xf1].map(match)).toEqual([true, true, false, false, true, false]);
  });
});

test("the ICR sends on a write of its low word; INIT level de-assert goes nowhere", () => {
  const { apic, sent } = bed();
  apic.write(0x310, 0x05000000);
  apic.write(0x300, 0x00000840);
  apic.write(0x300, 0x000c4640);
  apic.write(0x300, 0x00008500);
  apic.write(0x300, 0x00040007);
  apic.write(0x280, 0);
  expect(sent).toEqual([
    { mode: 0, vector: 0x40, level: false, destination: 5, logical: true, shorthand: "none" },
    { mode: 6, vector: 0x40, level: false, destination: 5, logical: false, shorthand: "others" },
  ]);
  expect(apic.read(0x280)).toBe(1 << 5);
});

describe("the timer", () => {
  const PERIODIC = 1 << 17;
  test("counts down once: 10 ns a tick, times the divisor", () => {
    const { apic, clock } = bed();
    apic.write(0x320, 0x50);
    apic.write(0x3e0, 0x3); // by 16
    apic.write(0x380, 1000);
    clock.runTo(80_000);
    expect([apic.read(0x390), apic.intr]).toEqual([500, false]);
    clock.runTo(160_000);
    expect([apic.read(0x390), apic.acknowledge()]).toEqual([0, 0x50]);
    apic.write(0xb0, 0);
    clock.runTo(1_000_000);
    expect(apic.intr).toBe(false);
  });
  test("goes round in periodic mode, and masked it is silent", () => {
    const { apic, clock } = bed();
    apic.write(0x3e0, 0xb); // by 1
    apic.write(0x320, 0x50 | PERIODIC);
    apic.write(0x380, 100);
    let ticks = 0;
    for (let at = 1000; at <= 5000; at += 1000) {
      clock.runTo(at);
      if (apic.intr) {
        apic.acknowledge();
        apic.write(0xb0, 0);
        ticks++;
      }
    }
    expect(ticks).toBe(5);
    apic.write(0x320, 0x50 | PERIODIC | (1 << 16));
    clock.runTo(9000);
    expect(apic.intr).toBe(false);
    apic.write(0x380, 0);
    expect(apic.read(0x390)).toBe(0);
  });
});

describe("the pin of the 8259 pair", () => {
  test("passes through LINT0 from power-on, enabled by software or not", () => {
    const { apic } = bed(false);
    apic.setExtInt(true);
    expect([apic.intr, apic.acknowledge()]).toEqual([true, "extInt"]);
    apic.write(0x350, 0x10700);
    expect(apic.intr).toBe(false);
  });
  test("comes after the APIC's own interrupts", () => {
    const { apic, fixed } = bed();
    apic.write(0x350, 0x700);
    apic.setExtInt(true);
    fixed(0x31);
    expect([apic.acknowledge(), apic.acknowledge()]).toEqual([0x31, "extInt"]);
  });
});

test("disabling by software masks every LVT entry, for good", () => {
  const { apic } = bed();
  apic.write(0x350, 0x700);
  apic.write(0xf0, 0xff);
  apic.write(0x320, 0x50);
  expect([apic.read(0x350), apic.read(0x320)]).toEqual([0x10700, 0x10050]);
});

test("registers as they are at power-on; what is not there reads 0 and is an error", () => {
  const { apic } = bed(false);
  expect([0x20, 0x30, 0xd0, 0xe0, 0xf0, 0x3f0].map((at) => apic.read(at))).toEqual([
    0x03000000, 0x00050014, 0, 0xffffffff, 0xff, 0,
  ]);
  apic.write(0x280, 0);
  expect(apic.read(0x280)).toBe(1 << 7);
});

/** Intel SDM vol. 3, 10.5.1: the delivery modes of LINT0. */
describe("LINT0", () => {
  test("fixed: each rise of the pin is one interrupt with the entry's vector", () => {
    const { apic } = bed();
    apic.write(0x350, 0x45);
    apic.setExtInt(true);
    apic.setExtInt(true);
    expect([apic.intr, apic.acknowledge()]).toEqual([true, 0x45]);
    apic.write(0xb0, 0);
    expect(apic.intr).toBe(false);
    apic.setExtInt(false);
    apic.setExtInt(true);
    expect([apic.intr, apic.acknowledge()]).toEqual([true, 0x45]);
  });
  test("fixed, level: asks again after each EOI while the pin is high", () => {
    const { apic, ended } = bed();
    apic.write(0x350, 0x8045);
    apic.setExtInt(true);
    expect([apic.acknowledge(), apic.read(0x350)]).toEqual([0x45, 0xc045]);
    apic.write(0xb0, 0);
    expect([apic.intr, apic.acknowledge(), ended]).toEqual([true, 0x45, [0x45]]);
    apic.setExtInt(false);
    apic.write(0xb0, 0);
    expect([apic.intr, apic.read(0x350)]).toEqual([false, 0x8045]);
    apic.setExtInt(true);
    expect(apic.intr).toBe(true);
  });
  test("NMI: each rise is a non-maskable interrupt, and no request", () => {
    const { apic, nmis } = bed();
    apic.write(0x350, 0x400);
    apic.setExtInt(true);
    expect([nmis(), apic.intr]).toEqual([1, false]);
  });
  test("masked: a rise is lost; ExtINT: nothing but the pin's level counts", () => {
    const { apic, nmis } = bed();
    apic.write(0x350, 0x10045);
    apic.setExtInt(true);
    apic.write(0x350, 0x45);
    expect(apic.intr).toBe(false);
    apic.write(0x350, 0x700);
    expect([apic.intr, apic.acknowledge(), nmis()]).toEqual([true, "extInt", 0]);
  });
});

/** Intel SDM vol. 3, 10.4.7.3 and 10.6.1. */
describe("INIT and start-up", () => {
  const init = { mode: DeliveryMode.init, vector: 0, level: false };
  const startup = { mode: DeliveryMode.startup, vector: 0x9a, level: false };

  test("reach the processor, enabled by software or not; start-up changes no register", () => {
    for (const enabled of [true, false]) {
      const { apic, deeds } = bed(enabled);
      apic.write(0x80, 0x30);
      apic.accept(startup);
      expect([apic.read(0x80), apic.read(0xf0)]).toEqual([0x30, enabled ? SVR_ON : 0xff]);
      apic.accept(init);
      expect(deeds).toEqual(["startup 154", "init"]);
      expect(apic.intr).toBe(false);
    }
  });
  test("INIT begins everything anew but the id: requests, service, timer, destinations, LVT", () => {
    const { apic, clock, fixed } = bed();
    apic.write(0x20, 5 << 24);
    for (const [register, value] of [
      [0x80, 0x20],
      [0xd0, 1 << 24],
      [0xe0, 0x0fffffff],
      [0x320, 0x50],
      [0x380, 100],
      [0x310, 2 << 24],
    ] as const)
      apic.write(register, value);
    fixed(0x61);
    apic.acknowledge();
    fixed(0x71, true);
    apic.accept(init);
    const registers = [0x20, 0x80, 0xa0, 0xd0, 0xe0, 0xf0, 0x1b0, 0x130, 0x230, 0x300, 0x310, 0x380, 0x390];
    expect(registers.map((register) => apic.read(register))).toEqual([
      5 << 24,
      ...[0, 0, 0, 0xffffffff, 0xff, 0, 0, 0, 0, 0, 0, 0],
    ]);
    for (const entry of [0x320, 0x330, 0x340, 0x350, 0x360, 0x370]) expect(apic.read(entry)).toBe(0x10000);
    apic.write(0xf0, SVR_ON);
    apic.write(0x320, 0x50);
    clock.runTo(1e6);
    expect(apic.intr).toBe(false);
  });
  test("are sent as the command register says; the level de-assert of INIT is nobody's", () => {
    const { apic, sent } = bed();
    apic.write(0x310, 1 << 24);
    for (const command of [0x4500, 0x8500, 0xc4609]) apic.write(0x300, command);
    expect(sent).toEqual([
      { ...init, destination: 1, logical: false, shorthand: "none" },
      {
        mode: DeliveryMode.startup,
        vector: 9,
        level: false,
        destination: 1,
        logical: false,
        shorthand: "others",
      },
    ]);
  });
});

/** Intel SDM vol. 3, 10.4.3 and 10.4.5. */
describe("IA32_APIC_BASE", () => {
  const BASE = 0x1b;
  const at = (apic: LocalApic) => [0xfee00000, 0xfee00fff, 0xfed40390].map((gpa) => apic.isAt(gpa));

  test("says where the registers are, above 2 GiB too", () => {
    const { apic } = bed();
    expect(at(apic)).toEqual([true, true, false]);
    apic.writeMsr(BASE, 0xfed40800, 0);
    expect([at(apic), apic.readMsr(BASE)]).toEqual([
      [false, false, true],
      [0xfed40800, 0],
    ]);
    expect(apic.enabled).toBe(true);
  });
  test("disables: nothing is taken but the pin of the 8259s, and all is as at power-on when it is enabled again", () => {
    const { apic, clock, fixed, deeds, nmis } = bed();
    apic.write(0x20, 9 << 24);
    apic.write(0x320, 0x50);
    apic.write(0x380, 1000);
    apic.write(0x350, 0x10700);
    fixed(0x61);
    apic.writeMsr(BASE, 0xfee00000, 0);
    for (const mode of [DeliveryMode.fixed, DeliveryMode.nmi, DeliveryMode.init, DeliveryMode.startup])
      apic.accept({ mode, vector: 0x62, level: false });
    clock.runTo(1e6);
    expect([at(apic), apic.intr, deeds, nmis()]).toEqual([[false, false, false], false, [], 0]);
    for (const to of [
      { destination: 3, logical: false },
      { destination: 0xff, logical: false },
    ])
      expect(apic.matches(to)).toBe(false);
    apic.setExtInt(true);
    expect([apic.intr, apic.acknowledge()]).toEqual([true, "extInt"]);
    apic.writeMsr(BASE, 0xfee00800, 0);
    expect([0x20, 0xf0, 0x230, 0x320, 0x350, 0x380].map((register) => apic.read(register))).toEqual([
      3 << 24,
      0xff,
      0,
      0x10000,
      0x10000,
      0,
    ]);
    expect(apic.intr).toBe(false);
  });
});

test("what neither changes by being read nor with time can be peeked at, where the registers are", () => {
  const { apic } = bed();
  apic.write(0x380, 1000);
  const base = 0xfee00000;
  for (const offset of [0x20, 0x30, 0x80, 0xd0, 0xe0, 0xf0, 0x300, 0x310, 0x320, 0x350, 0x370, 0x380, 0x3e0])
    expect(apic.peek(base + offset)).toBe(apic.read(offset));
  // The current count, the errors, what is between registers, where none is, another page.
  for (const offset of [0x390, 0x280, 0x24, 0x40, 0x1020]) expect(apic.peek(base + offset)).toBeUndefined();
  apic.writeMsr(0x1b, 0xfec80800, 0);
  expect([apic.peek(base + 0x20), apic.peek(0xfec80020)]).toEqual([undefined, 0x03000000]);
  apic.writeMsr(0x1b, 0xfee00000, 0);
  expect(apic.peek(base + 0x20)).toBeUndefined();
});
