import { describe, expect, test } from "vitest";
import { idt, initialisePics, loadIdt } from "../../scenarios/support/guests/prelude.ts";
import { bootProgram, GuestBuilder } from "../../src/guest/index.ts";
import { createMachine } from "../../src/vm/machine.ts";

const PAGERS = ["bare", "vtlb", "kvm"] as const;
/** IRQ 13 as `initialisePics` sets the controllers, and its line with that of the second controller. */
const VECTOR = 0x2d;
const LINES = (1 << 13) | (1 << 2);
const NE = 0x20;
/** What the guest sends to port 0xE9. */
const BEFORE = 0x61;
const HANDLED = 0x62;
const IGNORED = 0x63;
const AFTER = 0x64;

const send = (g: GuestBuilder, byte: number) => g.mov("al", byte).out(0xe9, "al");
const fwait = (g: GuestBuilder) => g.db(0x9b);
const fnclex = (g: GuestBuilder) => g.db(0xdb, 0xe2);
/** FLD1; FLDZ; FDIVP: 1 divided by 0. The exception is pending behind it. */
const divideByZero = (g: GuestBuilder) => g.db(0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9);

/** CR0.NE clear, the exception for division by zero unmasked, and IRQ 13 open. */
function begin(): GuestBuilder {
  const g = new GuestBuilder({ origin: 0x10000 });
  g.mov("esp", 0x9000).mov("eax", "cr0").and("eax", ~NE).mov("cr0", "eax");
  loadIdt(g);
  initialisePics(g, LINES);
  // FNINIT; a control word of 037B; FLDCW.
  return g.db(0xdb, 0xe3).push(0x37b).db(0xd9, 0x2c, 0x24).pop("eax");
}

/** The end of the program, and the handler of IRQ 13; `meanwhile` is done by it after port 0xF0, with the exception still pending. */
function finish(g: GuestBuilder, meanwhile: (g: GuestBuilder) => void = () => {}): GuestBuilder {
  send(g, AFTER).cli().hlt();
  g.label("handler").push("eax").out(0xf0, "al");
  send(g, HANDLED);
  meanwhile(g);
  return fnclex(g).mov("al", 0x20).out(0xa0, "al").out(0x20, "al").pop("eax").iret();
}

function run(g: GuestBuilder, pager: (typeof PAGERS)[number], apic = false) {
  idt(g, { [VECTOR]: "handler" }, 64);
  const machine = createMachine({ memoryMiB: 32 });
  const vm = machine.createVm({ name: "g", memoryMiB: 8, pager, apic, boot: bootProgram(g.build()) });
  const bytes: number[] = [];
  vm.on("console", (more) => bytes.push(...more));
  const seen: string[] = [];
  machine.bus.messages$.subscribe(({ message }) => {
    if (message.type.startsWith("fpu.")) seen.push(message.type);
    if (message.type === "irq.assert" || message.type === "irq.deassert")
      if (message.line === 13) seen.push(message.type);
  });
  const result = vm.run({ maxInstructions: 10_000 });
  return { bytes, seen, result };
}

describe.each(PAGERS)("an x87 error with CR0.NE clear, under %s,", (pager) => {
  test("comes as IRQ 13 to the next instruction that waits; port 0xF0 lets the handler use the x87", () => {
    const g = begin().sti();
    divideByZero(g);
    send(g, BEFORE);
    fwait(g);
    finish(g, () => send(fwait(g), IGNORED));
    const { bytes, seen, result } = run(g, pager);
    expect(bytes).toEqual([BEFORE, HANDLED, IGNORED, AFTER]);
    expect(seen).toEqual([
      "fpu.error",
      "irq.assert",
      "fpu.frozen",
      "irq.deassert",
      "fpu.error",
      "fpu.ignored",
    ]);
    expect(result.status).toBe("halted");
  });

  test("comes again for the next error, for which IGNNE# is no longer asserted", () => {
    const g = begin().sti();
    for (let n = 0; n < 2; n++) {
      divideByZero(g);
      fwait(g);
    }
    finish(g);
    const { bytes, result } = run(g, pager);
    expect(bytes).toEqual([HANDLED, HANDLED, AFTER]);
    expect(result.status).toBe("halted");
  });

  test("stops MMX instructions as well", () => {
    const g = begin().sti();
    divideByZero(g);
    send(g, BEFORE);
    // PXOR MM0, MM0
    g.db(0x0f, 0xef, 0xc0);
    finish(g);
    const { bytes, result } = run(g, pager);
    expect(bytes).toEqual([BEFORE, HANDLED, AFTER]);
    expect(result.status).toBe("halted");
  });

  test("stops for good with interrupts off", () => {
    const g = begin();
    divideByZero(g);
    fwait(g);
    finish(g);
    const { bytes, result } = run(g, pager);
    expect(bytes).toEqual([]);
    expect(result).toMatchObject({ status: "halted", reason: expect.stringMatching(/x87 error .*CR0\.NE/) });
  });
});

test("comes through the 8259 pair, too, where there is a local APIC", () => {
  const g = begin().sti();
  divideByZero(g);
  fwait(g);
  finish(g);
  expect(run(g, "vtlb", true).bytes).toEqual([HANDLED, AFTER]);
});
