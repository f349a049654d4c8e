import { beforeEach, describe, expect, test } from "vitest";
import { restoreInto, snapshotOf } from "../../src/devices/device.ts";
import { type LineStatus, PicPair } from "../../src/devices/pic-pair.ts";

let pic: PicPair;
let intr: boolean[];
let ended: number[];
let began: number[];
let statuses: [number, LineStatus][];

const write = (port: number, ...bytes: number[]) => {
  for (const byte of bytes) pic.writePort(port, 1, byte);
};
const read = (port: number) => pic.readPort(port, 1);

/** As a kernel does it: vectors 0x30 to 0x3F, cascade on 2, all lines open. */
function initialise(options: { icw1?: number; master4?: number; slave4?: number } = {}): void {
  write(0x20, options.icw1 ?? 0x11);
  write(0x21, 0x30, 0x04, options.master4 ?? 0x01);
  write(0xa0, options.icw1 ?? 0x11);
  write(0xa1, 0x38, 0x02, options.slave4 ?? 0x01);
}

function pulse(line: number): void {
  pic.setLine(line, false);
  pic.setLine(line, true);
}

beforeEach(() => {
  intr = [];
  ended = [];
  began = [];
  statuses = [];
  pic = new PicPair({
    intr: (level) => intr.push(level),
    began: (line) => began.push(line),
    ended: (line) => ended.push(line),
    status: (line, status) => statuses.push([line, status]),
  });
});

describe("before initialisation", () => {
  test("the mask can be written and read, by which Linux finds that there is a controller", () => {
    write(0xa1, 0xff);
    write(0x21, 0xfb);
    expect(read(0x21)).toBe(0xfb);
    expect(read(0xa1)).toBe(0xff);
  });

  test("no request gets through", () => {
    pic.setLine(0, true);
    expect(pic.intr).toBe(false);
  });

  test("half an initialisation raises nothing, its end opens the lines", () => {
    pic.setLine(4, true);
    write(0x20, 0x11);
    write(0x21, 0x30, 0x04);
    pulse(3);
    expect(pic.intr).toBe(false);
    write(0x21, 0x01);
    expect(pic.intr).toBe(true);
    expect(pic.acknowledge().line).toBe(3);
  });
});

describe("initialised", () => {
  beforeEach(() => initialise());

  test("a request raises INTR and its acknowledge gives the vector and puts the line into service", () => {
    pic.setLine(0, true);
    expect(intr).toEqual([true]);
    expect(pic.acknowledge()).toEqual({ vector: 0x30, line: 0, spurious: false, cascaded: false });
    expect(intr).toEqual([true, false]);
    write(0x20, 0x0b);
    expect(read(0x20)).toBe(0x01);
    write(0x20, 0x0a);
    expect(read(0x20)).toBe(0x00);
    expect(began).toEqual([0]);
  });

  test("an edge is taken once, however long the line stays high", () => {
    pic.setLine(1, true);
    pic.acknowledge();
    write(0x20, 0x20);
    pic.setLine(1, true);
    expect(pic.intr).toBe(false);
    pulse(1);
    expect(pic.intr).toBe(true);
  });

  test("a request that drops before its acknowledge is forgotten, and the acknowledge is spurious", () => {
    pic.setLine(3, true);
    pic.setLine(3, false);
    expect(intr).toEqual([true, false]);
    expect(pic.acknowledge()).toEqual({ vector: 0x37, line: 7, spurious: true, cascaded: false });
    write(0x20, 0x0b);
    expect(read(0x20)).toBe(0);
  });

  test("a slave whose request vanished within the acknowledge answers with line 15 and only the master serves", () => {
    // The master's input as the first cycle saw it, without a request in the slave for the second.
    pic.master.setInput(2, true);
    expect(pic.acknowledge()).toEqual({ vector: 0x3f, line: 15, spurious: true, cascaded: true });
    expect(pic.state.master.isr).toBe(0x04);
    expect(pic.state.slave.isr).toBe(0);
    write(0x20, 0x62);
    expect(pic.state.master.isr).toBe(0);
  });

  test("line 0 has the highest priority, a lower one waits for the EOI", () => {
    pic.setLine(5, true);
    pic.setLine(1, true);
    expect(pic.acknowledge().line).toBe(1);
    expect(pic.intr).toBe(false);
    write(0x20, 0x20);
    expect(ended).toEqual([1]);
    expect(pic.intr).toBe(true);
    expect(pic.acknowledge().line).toBe(5);
  });

  test("a higher request interrupts a lower one in service", () => {
    pic.setLine(5, true);
    pic.acknowledge();
    pic.setLine(1, true);
    expect(pic.intr).toBe(true);
    expect(pic.acknowledge().line).toBe(1);
    expect(pic.state.master.isr).toBe(0x22);
    write(0x20, 0x20);
    expect(pic.state.master.isr).toBe(0x20);
    write(0x20, 0x20);
    expect(ended).toEqual([1, 5]);
  });

  test("a specific EOI ends the line that it names, and only when that is in service", () => {
    pic.setLine(5, true);
    pic.acknowledge();
    pic.setLine(1, true);
    pic.acknowledge();
    write(0x20, 0x65);
    expect(pic.state.master.isr).toBe(0x02);
    write(0x20, 0x64);
    expect(ended).toEqual([5]);
  });

  test("a masked line asks in IRR but does not interrupt until it is unmasked", () => {
    write(0x21, 0x10);
    pic.setLine(4, true);
    expect(pic.intr).toBe(false);
    expect(read(0x20)).toBe(0x10);
    write(0x21, 0x00);
    expect(pic.intr).toBe(true);
    write(0x21, 0x10);
    expect(pic.intr).toBe(false);
  });

  test("a slave's line comes through the cascade, both chips serve it, both want an EOI", () => {
    pic.setLine(12, true);
    expect(pic.acknowledge()).toEqual({ vector: 0x3c, line: 12, spurious: false, cascaded: true });
    expect(began).toEqual([2, 12]);
    expect([pic.state.master.isr, pic.state.slave.isr]).toEqual([0x04, 0x10]);
    write(0xa0, 0x20);
    write(0x20, 0x20);
    expect(ended).toEqual([12, 2]);
  });

  test("slave lines rank between master lines 1 and 3", () => {
    pic.setLine(3, true);
    pic.setLine(15, true);
    pic.setLine(8, true);
    pic.setLine(1, true);
    const order = [];
    while (pic.intr) {
      const { line } = pic.acknowledge();
      order.push(line);
      if (line >= 8) write(0xa0, 0x20);
      write(0x20, 0x20);
    }
    expect(order).toEqual([1, 8, 15, 3]);
  });

  test("a second slave request during the first one's service is not lost", () => {
    pic.setLine(14, true);
    pic.acknowledge();
    pic.setLine(8, true);
    // Fully nested: the master holds its own line 2 back while it is in service.
    expect(pic.intr).toBe(false);
    write(0xa0, 0x20);
    write(0x20, 0x20);
    expect(pic.acknowledge().line).toBe(8);
  });

  test("a slave that masks its line withdraws the request from the master", () => {
    pic.setLine(9, true);
    expect(pic.intr).toBe(true);
    write(0xa1, 0x02);
    expect(pic.intr).toBe(false);
    expect(pic.acknowledge().spurious).toBe(true);
  });

  test("setting the priority makes the named line the lowest", () => {
    write(0x20, 0xc0 | 3);
    pic.setLine(0, true);
    pic.setLine(4, true);
    pic.setLine(3, true);
    const order = [];
    while (pic.intr) {
      order.push(pic.acknowledge().line);
      write(0x20, 0x20);
    }
    expect(order).toEqual([4, 0, 3]);
  });

  test("rotation on a non-specific EOI makes the ended line the lowest", () => {
    pic.setLine(0, true);
    pic.acknowledge();
    write(0x20, 0xa0);
    expect(pic.state.master.lowest).toBe(0);
    pulse(0);
    pic.setLine(1, true);
    expect(pic.acknowledge().line).toBe(1);
  });

  test("rotation on a specific EOI ends and lowers the named line", () => {
    pic.setLine(6, true);
    pic.acknowledge();
    pic.setLine(4, true);
    pic.acknowledge();
    write(0x20, 0xe6);
    expect(pic.state.master.isr).toBe(0x10);
    expect(pic.state.master.lowest).toBe(6);
    pic.setLine(7, true);
    expect(pic.acknowledge().line).toBe(7);
  });

  test("an EOI command of the no-operation kind changes nothing", () => {
    pic.setLine(0, true);
    pic.acknowledge();
    const before = structuredClone(pic.state);
    write(0x20, 0x40);
    expect(pic.state).toEqual(before);
  });

  test("with the special mask a masked line in service lets lower ones through, but masked ones stay out", () => {
    pic.setLine(1, true);
    pic.acknowledge();
    pic.setLine(6, true);
    expect(pic.intr).toBe(false);
    write(0x21, 0x02);
    write(0x20, 0x68);
    expect(pic.intr).toBe(true);
    pulse(1);
    expect(pic.acknowledge().line).toBe(6);
    // A non-specific EOI does not see the masked line 1, although it ranks higher.
    write(0x20, 0x20);
    expect(ended).toEqual([6]);
    expect(pic.state.master.isr).toBe(0x02);
    write(0x20, 0x48);
    expect(pic.state.master.specialMask).toBe(false);
  });

  test("a poll acknowledges the highest request without the processor, once", () => {
    pic.setLine(5, true);
    pic.setLine(3, true);
    write(0x20, 0x0c);
    expect(read(0x20)).toBe(0x83);
    expect(read(0x20)).toBe(0x20);
    expect(pic.intr).toBe(false);
    write(0x20, 0x0c);
    expect(read(0x20) & 0x80).toBe(0);
    expect(pic.state.master.isr).toBe(0x08);
  });

  test("polling the slave takes its request from the master", () => {
    pic.setLine(10, true);
    write(0xa0, 0x0c);
    expect(read(0xa1)).toBe(0x82);
    expect(pic.intr).toBe(false);
  });

  test("a level-triggered line asks again after its EOI for as long as it is high", () => {
    write(0x4d1, 0x02);
    pic.setLine(9, true);
    expect(pic.acknowledge().line).toBe(9);
    write(0xa0, 0x20);
    write(0x20, 0x20);
    expect(pic.acknowledge().line).toBe(9);
    pic.setLine(9, false);
    write(0xa0, 0x20);
    write(0x20, 0x20);
    expect(pic.intr).toBe(false);
  });

  test("timer, keyboard, cascade, clock and coprocessor cannot be made level-triggered", () => {
    pic.writePort(0x4d0, 2, 0xffff);
    expect(pic.readPort(0x4d0, 2)).toBe(0xdef8);
  });

  test("driving line 2 from outside does nothing", () => {
    pic.setLine(2, true);
    expect(pic.intr).toBe(false);
  });

  test("initialising again forgets edges, service and mask: a line that is still high needs a new edge", () => {
    pic.setLine(4, true);
    pic.setLine(5, true);
    pic.acknowledge();
    write(0x21, 0x40);
    initialise();
    expect([read(0x20), read(0x21), pic.state.master.isr]).toEqual([0, 0, 0]);
    expect(pic.intr).toBe(false);
    pulse(5);
    expect(pic.acknowledge().line).toBe(5);
  });

  test("statuses tell what became of a line", () => {
    statuses.length = 0;
    pic.setLine(4, true);
    pic.acknowledge();
    write(0x20, 0x20);
    pic.setLine(4, false);
    write(0x21, 0x10);
    expect(statuses).toEqual([
      [4, "pending"],
      [4, "inService"],
      [4, "idle"],
      [4, "masked"],
    ]);
    expect(pic.statusOf(4)).toBe("masked");
    expect(pic.statusOf(5)).toBe("idle");
  });

  test("a restored pair goes on as the saved one would have, without telling old news", () => {
    pic.setLine(10, true);
    const saved = snapshotOf(pic);
    pic.acknowledge();
    pic.setLine(10, false);
    restoreInto(pic, saved);
    statuses.length = 0;
    expect(pic.acknowledge()).toMatchObject({ line: 10, spurious: false });
    expect(statuses).toEqual([
      [2, "inService"],
      [10, "inService"],
    ]);
  });
});

describe("other ways to initialise", () => {
  test("with automatic EOI the service ends with the acknowledge and a waiting slave request still gets through", () => {
    initialise({ master4: 0x03, slave4: 0x03 });
    pic.setLine(9, true);
    pic.setLine(11, true);
    expect(pic.acknowledge().line).toBe(9);
    expect(pic.intr).toBe(true);
    expect(pic.acknowledge().line).toBe(11);
    expect([pic.state.master.isr, pic.state.slave.isr]).toEqual([0, 0]);
    expect(ended.filter((line) => line >= 8)).toEqual([9, 11]);
    expect(pic.intr).toBe(false);
  });

  test("rotation in automatic EOI lowers each line that was served, until it is switched off", () => {
    initialise({ master4: 0x03 });
    write(0x20, 0x80);
    pic.setLine(0, true);
    pic.setLine(1, true);
    expect(pic.acknowledge().line).toBe(0);
    pulse(0);
    expect(pic.acknowledge().line).toBe(1);
    expect(pic.state.master.lowest).toBe(1);
    write(0x20, 0x00);
    pic.acknowledge();
    expect(pic.state.master.lowest).toBe(1);
  });

  test("in special fully nested mode a higher slave line interrupts a lower one, a lower master line does not", () => {
    initialise({ master4: 0x11 });
    pic.setLine(14, true);
    pic.acknowledge();
    pic.setLine(3, true);
    expect(pic.intr).toBe(false);
    pic.setLine(8, true);
    expect(pic.intr).toBe(true);
    expect(pic.acknowledge()).toMatchObject({ line: 8, cascaded: true });
    expect(pic.state.slave.isr).toBe(0x41);
  });

  test("without ICW4 the initialisation ends with ICW3, and what ICW4 had set is off", () => {
    initialise({ master4: 0x03 });
    write(0x20, 0x10);
    write(0x21, 0x50, 0x04);
    expect(pic.state.master.autoEoi).toBe(false);
    write(0x21, 0xa5);
    expect(read(0x21)).toBe(0xa5);
  });

  test("a single chip takes no ICW3 and answers line 2 itself", () => {
    write(0x20, 0x13);
    write(0x21, 0x30, 0x01);
    write(0xa0, 0x11);
    write(0xa1, 0x38, 0x02, 0x01);
    pic.setLine(8, true);
    expect(pic.acknowledge()).toEqual({ vector: 0x32, line: 2, spurious: false, cascaded: false });
  });

  test("ICW1 can make all lines level-triggered", () => {
    initialise({ icw1: 0x19 });
    pic.setLine(0, true);
    pic.acknowledge();
    write(0x20, 0x20);
    expect(pic.intr).toBe(true);
  });

  test("when no slave has the cascade's identity nobody answers, and the vector is what the bus floats to", () => {
    initialise();
    write(0xa0, 0x11);
    write(0xa1, 0x38, 0x05, 0x01);
    pic.setLine(9, true);
    expect(pic.acknowledge()).toEqual({ vector: 0xff, line: 2, spurious: true, cascaded: true });
  });
});
