import * as fc from "fast-check";
import { expect, test } from "vitest";
import { I8259 } from "../../src/devices/i8259.ts";

/** The datasheet's fully nested priority, said once more in the simplest way: a list of lines, highest first. */
class Model {
  order = [0, 1, 2, 3, 4, 5, 6, 7];
  requests = new Set<number>();
  serving = new Set<number>();
  masked = new Set<number>();

  winner(): number {
    for (const line of this.order) {
      if (this.serving.has(line)) return -1;
      if (this.requests.has(line) && !this.masked.has(line)) return line;
    }
    return -1;
  }

  lowest(line: number): void {
    while (this.order[7] !== line) this.order.push(this.order.shift()!);
  }

  highestServing(): number {
    return this.order.find((line) => this.serving.has(line)) ?? -1;
  }
}

const line = fc.integer({ min: 0, max: 7 });
const operation = fc.oneof(
  fc.record({ what: fc.constant("request" as const), n: line }),
  fc.record({ what: fc.constant("drop" as const), n: line }),
  fc.record({ what: fc.constant("mask" as const), n: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ what: fc.constant("acknowledge" as const), n: line }),
  fc.record({ what: fc.constant("eoi" as const), n: line }),
  fc.record({ what: fc.constant("specificEoi" as const), n: line }),
  fc.record({ what: fc.constant("rotateEoi" as const), n: line }),
  fc.record({ what: fc.constant("setPriority" as const), n: line }),
);

test("any sequence of requests, masks, acknowledges, EOIs and rotations follows the order of priorities", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      let int = false;
      const chip = new I8259({ int: (level) => (int = level) });
      chip.write(0, 0x13);
      chip.write(1, 0x40);
      chip.write(1, 0x01);
      const model = new Model();
      for (const { what, n } of operations) {
        switch (what) {
          case "request":
            chip.setInput(n, false);
            chip.setInput(n, true);
            model.requests.add(n);
            break;
          case "drop":
            chip.setInput(n, false);
            model.requests.delete(n);
            break;
          case "mask":
            chip.write(1, n);
            model.masked = new Set([0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (n & (1 << bit)) !== 0));
            break;
          case "acknowledge": {
            const expected = model.winner();
            const { vector, spurious } = chip.acknowledge();
            expect({ vector, spurious }).toEqual({
              vector: 0x40 + (expected < 0 ? 7 : expected),
              spurious: expected < 0,
            });
            if (expected >= 0) {
              model.requests.delete(expected);
              model.serving.add(expected);
            }
            break;
          }
          case "eoi":
          case "rotateEoi": {
            chip.write(0, what === "eoi" ? 0x20 : 0xa0);
            const top = model.highestServing();
            model.serving.delete(top);
            if (what === "rotateEoi" && top >= 0) model.lowest(top);
            break;
          }
          case "specificEoi":
            chip.write(0, 0x60 | n);
            model.serving.delete(n);
            break;
          case "setPriority":
            chip.write(0, 0xc0 | n);
            model.lowest(n);
            break;
        }
        expect(int).toBe(model.winner() >= 0);
        expect(chip.request()).toBe(model.winner());
      }
    }),
  );
});

test("no sequence of bytes and inputs makes a chip throw or hold more than eight bits", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 255 })), { maxLength: 80 }),
      (steps) => {
        const chip = new I8259({ int: () => {} });
        for (const [what, byte] of steps) {
          if (what < 2) chip.write(what, byte);
          else if (what === 2) expect(chip.read(byte & 1)).toBeLessThan(256);
          else chip.setInput(byte & 7, (byte & 8) !== 0);
        }
        const { vector } = chip.acknowledge();
        expect(vector).toBeGreaterThanOrEqual(0);
        expect(vector).toBeLessThan(256);
      },
    ),
  );
});
