import { describe, expect, it } from "vitest";
import { formatCauseTree } from "../../src/bus/cause-tree.ts";
import { MessageCounters } from "../../src/bus/counters.ts";
import type { Envelope } from "../../src/bus/envelope.ts";
import { parseRecord, RecordFormatError, record } from "../../src/bus/recorder.ts";
import { createTestBus, MessageExpectationError } from "../../src/bus/test-bus.ts";

type Messages =
  | { readonly type: "io.write"; readonly port: number; readonly value: number }
  | { readonly type: "irq.assert"; readonly line: number; readonly from: { readonly chip: string } }
  | { readonly type: "irq.ack"; readonly line: number }
  | { readonly type: "uart.sent"; readonly bytes: Uint8Array; readonly total: bigint };

/** A device that asserts line 4 on each write and tells a fact when that is acknowledged. */
function uartBus() {
  const bus = createTestBus<Messages>();
  const uart = bus.register("uart", (message) => {
    if (message.type === "io.write")
      uart.post("pic", { type: "irq.assert", line: 4, from: { chip: "uart" } });
    if (message.type === "irq.ack")
      uart.announce({ type: "uart.sent", bytes: Uint8Array.of(1, 255), total: 5n });
  });
  bus.stub("pic", (message, reply) => {
    if (message.type === "irq.assert") reply("uart", { type: "irq.ack", line: message.line });
  });
  bus.post("cpu", "uart", { type: "io.write", port: 0x3f8, value: 65 });
  bus.drain();
  return bus;
}

describe("expectMessages", () => {
  it("accepts the messages in order, compared as far as given", () => {
    const bus = uartBus();
    bus.expectMessages([
      { type: "io.write", from: "cpu", to: "uart", with: { port: 0x3f8 } },
      { type: "irq.assert", to: "pic", with: { line: (line) => line > 3, from: { chip: "uart" } } },
      { type: "irq.ack" },
      { type: "uart.sent", to: null },
    ]);
    bus.expectMessages([]);
  });

  it("shows what differs, what is missing and what is too much", () => {
    const expectation = () =>
      uartBus().expectMessages([
        { type: "io.write", to: "pic" },
        { type: "irq.assert", with: { line: 5, from: { chip: "rtc" } } },
        { type: "uart.sent" },
        { type: "uart.sent", with: { total: 5n } },
        { type: "irq.ack", with: { line: 4 } },
      ]);
    let error: MessageExpectationError | undefined;
    try {
      expectation();
    } catch (thrown) {
      error = thrown as MessageExpectationError;
    }
    expect(error).toBeInstanceOf(MessageExpectationError);
    expect(error?.name).toBe("AssertionError");
    expect(error?.message.split("\n").slice(1)).toEqual([
      "≠ #1 io.write  cpu -> uart {port: 0x3f8, value: 0x41}",
      "      expected to pic, not uart",
      '≠ #2 irq.assert  uart -> pic {line: 4, from: {"chip":"uart"}}',
      "      line: expected 5, got 4",
      '      from.chip: expected "rtc", got "uart"',
      "≠ #3 irq.ack  pic -> uart {line: 4}",
      "      expected uart.sent",
      "  #4 uart.sent  uart: {bytes: 2 bytes, total: 0x5}",
      "- irq.ack {line: 4}   (did not come)",
    ]);
  });

  it("begins after what was compared or forgotten", () => {
    const bus = uartBus();
    bus.forget();
    bus.post("cpu", "uart", { type: "irq.ack", line: 4 });
    bus.drain();
    expect(() => bus.expectMessages([])).toThrow(/\+ #5 irq.ack .*not expected/);
    bus.expectMessages([]);
  });

  it("fails on a receiver that threw, with its causes", () => {
    const bus = createTestBus<Messages>();
    bus.register("bad", () => {
      throw new Error("broken");
    });
    bus.post("test", "bad", { type: "irq.ack", line: 1 });
    bus.drain();
    expect(() => bus.expectMessages([{ type: "irq.ack" }])).toThrow(
      /'bad' threw: broken[\s\S]*#1 irq.ack test -> bad/,
    );
  });

  it("stamps messages with a time that only the test moves", () => {
    const bus = createTestBus<Messages>();
    bus.stub("a");
    bus.advance(250);
    bus.post("test", "a", { type: "irq.ack", line: 1 });
    bus.drain();
    expect(bus.envelopes.map((envelope) => envelope.time)).toEqual([250]);
  });
});

describe("causeTree", () => {
  it("indents what each message set off below it", () => {
    expect(uartBus().causeTree()).toBe(
      [
        "#1 io.write  cpu -> uart {port: 0x3f8, value: 0x41}",
        '└─ #2 irq.assert  uart -> pic {line: 4, from: {"chip":"uart"}}',
        "   └─ #3 irq.ack  pic -> uart {line: 4}",
        "      └─ #4 uart.sent  uart: {bytes: 2 bytes, total: 0x5}",
      ].join("\n"),
    );
  });

  it("draws siblings, roots without a known cause, and moves up what a hidden message caused", () => {
    const envelope = (seq: number, cause: number | null): Envelope<Messages> => ({
      seq,
      time: 0,
      sender: "s",
      receiver: "r",
      cause,
      message: { type: "irq.ack", line: seq },
    });
    const envelopes = [
      envelope(11, 3),
      envelope(12, 11),
      envelope(13, 11),
      envelope(14, 12),
      envelope(15, null),
    ];
    const describe = ({ seq }: { seq: number }) => String(seq);
    expect(formatCauseTree(envelopes, { describe })).toBe("11\n├─ 12\n│  └─ 14\n└─ 13\n15");
    expect(formatCauseTree(envelopes, { describe, hide: ({ seq }) => seq === 12 })).toBe(
      "11\n├─ 14\n└─ 13\n15",
    );
  });
});

describe("records and counts", () => {
  it("reads back what was recorded, also what JSON cannot say", () => {
    const bus = createTestBus<Messages>();
    bus.stub("a");
    const lines: string[] = [];
    const recording = record(bus, (line) => lines.push(line));
    bus.post("test", "a", { type: "irq.ack", line: Number.POSITIVE_INFINITY });
    bus.announce("a", { type: "uart.sent", bytes: Uint8Array.of(0, 128, 255), total: 2n ** 64n });
    bus.drain();
    recording.detach();
    bus.announce("a", { type: "irq.ack", line: 0 });
    expect(lines).toHaveLength(2);
    expect(parseRecord(lines.join(""))).toEqual(bus.envelopes.slice(0, 2));
  });

  it("names the line of a record that is not an envelope", () => {
    expect(() => parseRecord('{"seq":1,"message":{"type":"a.b"}}\n{"seq":')).toThrow(RecordFormatError);
    expect(() => parseRecord('\n{"seq":1}')).toThrow(/Line 2/);
  });

  it("counts messages by type and family", () => {
    const bus = createTestBus<Messages>();
    bus.stub("a");
    const counters = new MessageCounters(bus);
    for (const line of [1, 2]) bus.post("test", "a", { type: "irq.ack", line });
    bus.post("test", "a", { type: "irq.assert", line: 1, from: { chip: "x" } });
    bus.post("test", "a", { type: "io.write", port: 1, value: 1 });
    bus.drain();
    expect(counters.counts()).toEqual({
      total: 4,
      byType: { "irq.ack": 2, "irq.assert": 1, "io.write": 1 },
      byFamily: { irq: 3, io: 1 },
    });
    expect(counters.count("irq.ack")).toBe(2);
    counters.detach();
    bus.announce("a", { type: "irq.ack", line: 0 });
    expect(counters.count("irq.ack")).toBe(2);
  });
});
