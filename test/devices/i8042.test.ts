import { beforeEach, describe, expect, test } from "vitest";
import { restoreInto, snapshotOf } from "../../src/devices/device.ts";
import { I8042 } from "../../src/devices/i8042.ts";
import { Probe } from "./fake-clock.ts";

let irq: Probe;
let resets: number;
let kbc: I8042;

const make = (hasKeyboard: boolean) => {
  irq = new Probe();
  resets = 0;
  kbc = new I8042({ irq, reset: () => resets++, hasKeyboard });
};
const command = (...bytes: number[]) => {
  kbc.writePort(0x64, 1, bytes[0]!);
  for (const byte of bytes.slice(1)) kbc.writePort(0x60, 1, byte);
};
const data = (byte: number) => kbc.writePort(0x60, 1, byte);
const status = () => kbc.readPort(0x64, 1);
/** Everything that the output buffer gives until it is empty. */
const drain = () => {
  const bytes: number[] = [];
  while ((status() & 1) !== 0) bytes.push(kbc.readPort(0x60, 1));
  return bytes;
};

describe("the controller, without a keyboard", () => {
  beforeEach(() => make(false));

  test("is there: empty, initialised and unlocked", () => {
    expect(status()).toBe(0x14);
  });

  test("passes its self-test and the test of the keyboard's lines", () => {
    command(0xaa);
    expect(status() & 0x09).toBe(0x09);
    expect(drain()).toEqual([0x55]);
    command(0xab);
    expect(drain()).toEqual([0x00]);
  });

  test("the command byte reads and writes, and so does the rest of its memory", () => {
    command(0x20);
    expect(drain()).toEqual([0x45]);
    command(0x60, 0x74);
    command(0x7f, 0x12);
    command(0x20);
    expect(drain()).toEqual([0x74]);
    command(0x3f);
    expect(drain()).toEqual([0x12]);
  });

  test("the system bit of the status is that of the command byte", () => {
    command(0x60, 0x00);
    expect(status() & 0x04).toBe(0);
    command(0xaa);
    expect(status() & 0x04).toBe(0x04);
  });

  test("bytes for the keyboard get no answer", () => {
    data(0xff);
    data(0xf2);
    expect(status() & 1).toBe(0);
    expect(irq.edges).toEqual([]);
    kbc.type([[0x1c]]);
    expect(status() & 1).toBe(0);
  });

  test("its answers interrupt when the command byte says so", () => {
    command(0xaa);
    expect(irq.level).toBe(true);
    drain();
    expect(irq.level).toBe(false);
    command(0x60, 0x44);
    command(0xaa);
    expect(irq.level).toBe(false);
    drain();
  });

  test("an answer waits until the byte before it is read", () => {
    command(0xd2, 0x99);
    command(0xaa);
    expect(drain()).toEqual([0x99, 0x55]);
  });

  test("there is no auxiliary port: its test fails and its loop-back comes as the keyboard's", () => {
    command(0xa9);
    expect(drain()).toEqual([0x01]);
    command(0xd3, 0x5a);
    expect(status() & 0x21).toBe(0x01);
    expect(drain()).toEqual([0x5a]);
    command(0xd4, 0xff);
    expect(status() & 1).toBe(0);
  });

  test("A20 follows the output port and its two commands, and begins open", () => {
    expect(kbc.a20.open).toBe(true);
    command(0xd1, 0xdd);
    expect(kbc.a20.open).toBe(false);
    command(0xd0);
    expect(drain()).toEqual([0xcd]);
    command(0xd1, 0xdf);
    expect(kbc.a20.open).toBe(true);
    command(0xdd);
    expect(kbc.a20.open).toBe(false);
    command(0xdf);
    expect(kbc.a20.open).toBe(true);
    expect(resets).toBe(0);
  });

  test("the processor is reset by pulsing bit 0 and by writing it low, and by nothing else", () => {
    for (let pulse = 0xf1; pulse <= 0xff; pulse += 2) command(pulse);
    expect(resets).toBe(0);
    command(0xfe);
    expect(resets).toBe(1);
    command(0xd1, 0xfe);
    expect(resets).toBe(2);
    command(0xd0);
    expect(drain()[0]! & 1).toBe(1);
  });

  test("reports no password, its input port and its test inputs", () => {
    command(0xa4);
    command(0xc0);
    command(0xe0);
    // One answer waits at most: each command's takes the place of one that was not read.
    expect(drain()).toEqual([0xf1, 0x00]);
    command(0xc0);
    expect(drain()).toEqual([0xa0]);
  });

  test("an unknown command does nothing, and a new command breaks off one that waits for its byte", () => {
    command(0xb8);
    expect(status() & 1).toBe(0);
    command(0x60);
    command(0x20, 0x00);
    expect(drain()).toEqual([0x45]);
    command(0x20);
    expect(drain()).toEqual([0x45]);
  });

  test("an empty buffer reads zero", () => {
    expect(kbc.readPort(0x60, 1)).toBe(0);
  });
});

describe("with a keyboard", () => {
  beforeEach(() => make(true));

  test("reset is acknowledged and passes its test", () => {
    data(0xff);
    expect(drain()).toEqual([0xfa, 0xaa]);
  });

  test("identifies as a keyboard of 101 keys, translated as a real controller does", () => {
    data(0xf2);
    expect(drain()).toEqual([0xfa, 0xab, 0x41]);
    command(0x60, 0x05);
    data(0xf2);
    expect(drain()).toEqual([0xfa, 0xab, 0x83]);
  });

  test("takes LEDs, repeat rate and scan-code set, each with its parameter", () => {
    command(0x60, 0x05);
    data(0xed);
    expect(drain()).toEqual([0xfa]);
    data(0x05);
    data(0xf3);
    data(0x00);
    data(0xf0);
    data(0x03);
    expect(drain()).toEqual([0xfa, 0xfa]);
    expect(kbc.state.keyboard).toMatchObject({ leds: 5, typematic: 0, scanCodeSet: 3 });
    data(0xf0);
    data(0x00);
    expect(drain()).toEqual([0xfa, 0xfa, 0x03]);
    data(0xf6);
    expect(drain()).toEqual([0xfa]);
    expect(kbc.state.keyboard).toMatchObject({ leds: 5, typematic: 0x2b, scanCodeSet: 2 });
  });

  test("echoes, repeats its last byte and asks again for what it does not know", () => {
    data(0xee);
    expect(drain()).toEqual([0xee]);
    data(0xfe);
    expect(drain()).toEqual([0xee]);
    data(0x01);
    expect(drain()).toEqual([0xfe]);
  });

  test("a command in place of a parameter is a command", () => {
    data(0xed);
    data(0xf4);
    expect(drain()).toEqual([0xfa, 0xfa]);
    expect(kbc.state.keyboard).toMatchObject({ awaiting: 0, leds: 0, scanning: true });
  });

  test("keys come translated to set 1, releases with the break bit, each byte with an edge", () => {
    kbc.type([[0x1c, 0xf0, 0x1c, 0xe0, 0x75, 0xe0, 0xf0, 0x75]]);
    expect(drain()).toEqual([0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8]);
    expect(irq.rises().length).toBe(6);
    expect(irq.level).toBe(false);
  });

  test("keys come as they are when the translation is off", () => {
    command(0x60, 0x05);
    kbc.type([[0x1c, 0xf0, 0x1c]]);
    expect(drain()).toEqual([0x1c, 0xf0, 0x1c]);
  });

  test("keys wait while the keyboard is disabled at the controller", () => {
    command(0xad);
    kbc.type([[0x1c]]);
    expect(status() & 1).toBe(0);
    command(0xae);
    expect(drain()).toEqual([0x1e]);
  });

  test("keys are dropped while the keyboard does not scan", () => {
    data(0xf5);
    expect(drain()).toEqual([0xfa]);
    kbc.type([[0x1c]]);
    expect(status() & 1).toBe(0);
    data(0xf4);
    expect(drain()).toEqual([0xfa]);
    kbc.type([[0x1c]]);
    expect(drain()).toEqual([0x1e]);
  });

  test("a guest that never reads cannot make the queues grow without end", () => {
    for (let n = 0; n < 10_000; n++) {
      data(0xf2);
      data(0xfe);
      command(0xaa);
      kbc.type([[0x1c]]);
    }
    const keyboard = kbc.state.keyboard!;
    expect(keyboard.answer.length).toBeLessThan(4);
    expect(keyboard.queue.length).toBeLessThanOrEqual(4096);
  });

  test("a restored controller gives the same bytes", () => {
    kbc.type([[0x1c, 0xf0, 0x1c]]);
    const saved = snapshotOf(kbc);
    drain();
    restoreInto(kbc, saved);
    expect(drain()).toEqual([0x1e, 0x9e]);
  });
});
