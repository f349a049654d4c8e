import * as fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { restoreInto, snapshotOf } from "../../src/devices/device.ts";
import { COM1, Uart16550 } from "../../src/devices/uart16550.ts";
import { FakeClock, Probe } from "./fake-clock.ts";

const RBR = 0;
const THR = 0;
const DLL = 0;
const IER = 1;
const DLM = 1;
const IIR = 2;
const FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;
const SCR = 7;
const OUT2 = 0x08;
const LOOP = 0x10;

let clock: FakeClock;
let irq: Probe;
let sent: number[];
let uart: Uart16550;

const read = (register: number) => uart.readPort(COM1.base + register, 1);
const write = (register: number, byte: number) => uart.writePort(COM1.base + register, 1, byte);
const text = (words: string) => [...words].map((letter) => letter.charCodeAt(0));

beforeEach(() => {
  clock = new FakeClock();
  irq = new Probe(clock);
  sent = [];
  uart = new Uart16550({
    name: "com1",
    base: COM1.base,
    irq,
    clock,
    transmit: (byte) => sent.push(byte),
  });
  clock.device = uart;
});

describe("registers", () => {
  test("a guest may send at once, without setting anything up", () => {
    for (const byte of text("hi")) write(THR, byte);
    expect(sent).toEqual(text("hi"));
  });

  test("DLAB shows the divisor in the first two registers and hides data and IER", () => {
    write(IER, 0x05);
    write(LCR, 0x83);
    write(DLL, 0x0c);
    write(DLM, 0x01);
    expect([read(DLL), read(DLM)]).toEqual([0x0c, 0x01]);
    write(LCR, 0x03);
    expect(read(IER)).toBe(0x05);
    expect(uart.state.divisor).toBe(0x010c);
    expect(sent).toEqual([]);
  });

  test("the scratch register keeps a byte, the line status cannot be written", () => {
    write(SCR, 0xa5);
    write(LSR, 0x00);
    expect([read(SCR), read(LSR)]).toEqual([0xa5, 0x60]);
  });

  test("reserved bits read zero", () => {
    write(IER, 0xff);
    write(MCR, 0xef);
    expect([read(IER), read(MCR)]).toEqual([0x0f, 0x0f]);
  });

  test("a word shorter than eight bits loses its top bits on the way", () => {
    write(LCR, 0x02);
    write(THR, 0xc1);
    expect(sent).toEqual([0x41]);
  });

  test("a wide access reaches neighbouring registers", () => {
    uart.writePort(COM1.base + MCR, 4, 0x5a00000b);
    expect([read(MCR), read(SCR)]).toEqual([0x0b, 0x5a]);
    expect(uart.readPort(COM1.base + LCR, 2)).toBe(0x0b03);
  });
});

describe("what Linux does to find a 16550A", () => {
  test("IER keeps four bits, and only those", () => {
    write(IER, 0);
    expect(read(IER)).toBe(0);
    write(IER, 0x0f);
    expect(read(IER)).toBe(0x0f);
    write(IER, 0x40);
    expect(read(IER)).toBe(0);
  });

  test("the loop-back test sees carrier and clear-to-send from OUT2 and RTS", () => {
    write(MCR, LOOP | 0x0a);
    expect(read(MSR) & 0xf0).toBe(0x90);
  });

  test("enabling the FIFOs shows both FIFO bits, and there is no enhanced register behind LCR 0xBF", () => {
    write(LCR, 0xbf);
    write(FCR, 0x00);
    write(LCR, 0x00);
    write(FCR, 0x01);
    expect(read(IIR) >> 6).toBe(3);
    write(LCR, 0xbf);
    expect(read(IIR)).not.toBe(0);
    write(LCR, 0x80);
    expect(read(IIR)).not.toBe(0);
    write(LCR, 0x00);
    write(FCR, 0x00);
    expect(read(IIR) >> 6).toBe(0);
  });

  test("enabling the transmitter interrupt raises it every time, so that no work-around is chosen", () => {
    for (let round = 0; round < 2; round++) {
      write(IER, 0x02);
      expect(read(IIR)).toBe(0x02);
      expect(read(IIR)).toBe(0x01);
      write(IER, 0x00);
    }
  });
});

describe("transmitter interrupt", () => {
  beforeEach(() => {
    write(MCR, OUT2);
    write(IER, 0x02);
  });

  test("reading IIR takes it back, writing a byte raises it again, as an edge", () => {
    expect(irq.level).toBe(true);
    expect(read(IIR)).toBe(0x02);
    expect(irq.level).toBe(false);
    write(THR, 0x41);
    expect(irq.level).toBe(true);
  });

  test("writing while it is raised lowers the line in between, so that an edge-triggered controller sees it", () => {
    irq.edges.length = 0;
    write(THR, 0x41);
    write(THR, 0x42);
    expect(irq.edges.map((edge) => edge.level)).toEqual([false, true, false, true]);
  });

  test("reading IIR does not take it back while a more urgent cause is reported", () => {
    write(IER, 0x03);
    uart.receive([1]);
    expect(read(IIR)).toBe(0x04);
    read(RBR);
    expect(read(IIR)).toBe(0x02);
  });

  test("disabling it lowers the line", () => {
    write(IER, 0x00);
    expect(irq.level).toBe(false);
  });
});

describe("the interrupt line", () => {
  test("needs neither OUT2 nor the end of loop-back", () => {
    write(IER, 0x01);
    uart.receive([1]);
    expect(irq.level).toBe(true);
    read(RBR);
    expect(irq.level).toBe(false);
    write(MCR, OUT2 | LOOP);
    write(IER, 0x02);
    expect(read(IIR)).toBe(0x02);
    expect(irq.rises()).toHaveLength(2);
  });

  test("rises for each byte without the FIFO, so that a handler may read one at a time", () => {
    write(IER, 0x01);
    uart.receive(text("abc"));
    for (const byte of text("abc")) expect(read(RBR)).toBe(byte);
    expect(irq.edges.map((edge) => edge.level)).toEqual([true, false, true, false, true, false]);
  });
});

describe("receiver", () => {
  test("without the FIFO a byte at a time, each with its interrupt edge", () => {
    write(MCR, OUT2);
    write(IER, 0x01);
    uart.receive(text("ab"));
    expect(read(LSR)).toBe(0x61);
    expect(irq.level).toBe(true);
    expect(read(RBR)).toBe(0x61);
    expect(read(RBR)).toBe(0x62);
    expect(irq.level).toBe(false);
    expect(read(LSR)).toBe(0x60);
    expect(read(RBR)).toBe(0);
  });

  test.each([
    [0x01, 1],
    [0x41, 4],
    [0x81, 8],
    [0xc1, 14],
  ])("with FCR 0x%s it interrupts at %i bytes", (fcr, level) => {
    write(MCR, OUT2);
    write(FCR, fcr);
    write(IER, 0x01);
    for (let n = 1; n < level; n++) uart.receive([n]);
    expect(irq.level).toBe(false);
    uart.receive([level]);
    expect(irq.level).toBe(true);
    expect(read(IIR)).toBe(0xc4);
    read(RBR);
    expect(read(IIR)).toBe(0xc1);
  });

  test("a few bytes below the level interrupt when nothing moved for four characters", () => {
    write(MCR, OUT2);
    write(LCR, 0x83);
    write(DLL, 12);
    write(LCR, 0x03);
    write(FCR, 0xc1);
    write(IER, 0x01);
    clock.ns = 1000;
    uart.receive([1, 2]);
    const fourCharacters = 4 * Math.ceil((10 * 12 * 1e9) / 115_200);
    clock.runTo(1000 + fourCharacters - 1);
    expect(irq.level).toBe(false);
    clock.runTo(1000 + fourCharacters);
    expect(irq.rises()).toEqual([1000 + fourCharacters]);
    expect(read(IIR)).toBe(0xcc);
    expect(read(RBR)).toBe(1);
    expect(read(IIR)).toBe(0xc1);
    clock.run(fourCharacters);
    expect(read(IIR)).toBe(0xcc);
    expect(read(RBR)).toBe(2);
    clock.run(fourCharacters);
    expect(read(IIR)).toBe(0xc1);
  });

  test("a new byte begins the time-out anew", () => {
    write(FCR, 0xc1);
    write(IER, 0x01);
    uart.receive([1]);
    const first = clock.wheel.next()!;
    clock.runTo(first - 1);
    uart.receive([2]);
    clock.runTo(first);
    expect(read(IIR)).toBe(0xc1);
  });

  test("nothing from outside is lost, however much comes at once", () => {
    write(FCR, 0x01);
    const much = Array.from({ length: 20_000 }, (_, n) => (n * 7) & 0xff);
    uart.receive(much);
    expect(uart.pendingInput()).toBe(20_000);
    expect(uart.state.received.length).toBe(16);
    const got: number[] = [];
    while ((read(LSR) & 1) !== 0) got.push(read(RBR));
    expect(got).toEqual(much);
    expect(uart.pendingInput()).toBe(0);
    expect(read(LSR) & 0x02).toBe(0);
  });

  test("clearing the receiver drops what is in the FIFO, not what waits outside", () => {
    write(FCR, 0x01);
    uart.receive(Array.from({ length: 20 }, (_, n) => n));
    write(FCR, 0x03);
    expect(read(RBR)).toBe(16);
    expect(uart.pendingInput()).toBe(3);
  });

  test("switching the FIFOs off empties them", () => {
    write(FCR, 0x01);
    uart.receive([1, 2, 3]);
    write(FCR, 0x00);
    expect(read(LSR) & 1).toBe(0);
  });

  test("in loop-back the outside waits", () => {
    write(MCR, LOOP);
    uart.receive([9]);
    expect(read(LSR) & 1).toBe(0);
    write(MCR, 0);
    expect(read(RBR)).toBe(9);
  });

  test("a break is a zero byte with its line-status interrupt, seen when it is the next byte", () => {
    write(MCR, OUT2);
    write(FCR, 0x01);
    write(IER, 0x05);
    uart.receive([5]);
    uart.receiveBreak();
    expect(read(LSR)).toBe(0xe1);
    expect(read(RBR)).toBe(5);
    expect(read(IIR)).toBe(0xc6);
    expect(read(LSR)).toBe(0xf1);
    expect(read(LSR)).toBe(0x61);
    expect(read(IIR)).toBe(0xc4);
    expect(read(RBR)).toBe(0);
  });
});

describe("loop-back", () => {
  test("bytes come back and do not go out", () => {
    write(MCR, LOOP);
    write(FCR, 0x01);
    for (const byte of text("xyz")) write(THR, byte);
    expect([read(RBR), read(RBR), read(RBR)]).toEqual(text("xyz"));
    expect(sent).toEqual([]);
  });

  test("a full FIFO loses the new byte and tells of the overrun once", () => {
    write(MCR, LOOP);
    write(FCR, 0x01);
    write(IER, 0x04);
    for (let n = 0; n < 17; n++) write(THR, n);
    expect(read(IIR)).toBe(0xc6);
    expect(read(LSR)).toBe(0x63);
    expect(read(LSR)).toBe(0x61);
    const got: number[] = [];
    while ((read(LSR) & 1) !== 0) got.push(read(RBR));
    expect(got).toEqual(Array.from({ length: 16 }, (_, n) => n));
  });

  test("without the FIFO the old byte is lost", () => {
    write(MCR, LOOP);
    write(THR, 1);
    write(THR, 2);
    expect(read(LSR)).toBe(0x63);
    expect(read(RBR)).toBe(2);
  });

  test("a break that is sent comes back", () => {
    write(MCR, LOOP);
    write(LCR, 0x43);
    expect(read(LSR)).toBe(0x71);
  });
});

describe("modem status", () => {
  test("a terminal is there from the start, without a change to tell of", () => {
    expect(read(MSR)).toBe(0xb0);
  });

  test("changes are told once and interrupt", () => {
    write(MCR, OUT2);
    write(IER, 0x08);
    uart.setModemInputs({ cts: false, dsr: true, ri: false, dcd: false });
    expect(irq.level).toBe(true);
    expect(read(IIR)).toBe(0x00);
    expect(read(MSR)).toBe(0x29);
    expect(irq.level).toBe(false);
    expect(read(MSR)).toBe(0x20);
  });

  test("the ring indicator tells of its end, not of its beginning", () => {
    uart.setModemInputs({ cts: true, dsr: true, ri: true, dcd: true });
    expect(read(MSR)).toBe(0xf0);
    uart.setModemInputs({ cts: true, dsr: true, ri: false, dcd: true });
    expect(read(MSR)).toBe(0xb4);
  });
});

test("causes are reported by urgency: line status, data, transmitter, modem", () => {
  write(MCR, LOOP);
  read(MSR);
  write(MCR, LOOP | OUT2);
  write(IER, 0x0f);
  write(THR, 1);
  write(THR, 2);
  expect(read(IIR)).toBe(0x06);
  read(LSR);
  expect(read(IIR)).toBe(0x04);
  read(RBR);
  expect(read(IIR)).toBe(0x02);
  expect(read(IIR)).toBe(0x00);
  read(MSR);
  expect(read(IIR)).toBe(0x01);
});

test("a restored port goes on with the same bytes", () => {
  write(FCR, 0x01);
  uart.receive(text("0123456789abcdefXYZ"));
  const saved = snapshotOf(uart);
  for (let n = 0; n < 10; n++) read(RBR);
  restoreInto(uart, saved);
  const got: number[] = [];
  while ((read(LSR) & 1) !== 0) got.push(read(RBR));
  expect(got).toEqual(text("0123456789abcdefXYZ"));
});

test("the interrupt line is up exactly when IIR names a cause, whatever the guest writes", () => {
  const step = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      for (const [what, byte] of steps) {
        if (what < 8) write(what, byte);
        else if (what === 8) read(byte & 7);
        else uart.receive([byte]);
        const level = irq.level;
        expect(level).toBe((read(IIR) & 1) === 0);
      }
    }),
  );
});
