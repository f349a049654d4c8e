import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  advanceCounter,
  type CounterState,
  latchStatus,
  modeOf,
  powerOnCounter,
  pulsesToEvent,
  readCount,
  setGate,
  visibleCount,
  writeControl,
  writeCount,
} from "../../src/devices/i8254-counter.ts";

/** The datasheet's counter, one clock pulse at a time: no closed forms, nothing clever. */
class PulseByPulse {
  mode = 0;
  bcd = false;
  out = false;
  gate: boolean;
  cr = 0;
  ce = 0;
  parityOf = 0;
  started = false;
  loadAtNextPulse = false;
  betweenBytes = false;
  done = false;
  nullCount = true;

  constructor(gate: boolean) {
    this.gate = gate;
  }

  control(mode: number, bcd: boolean): void {
    this.mode = mode > 5 ? mode - 4 : mode;
    this.bcd = bcd;
    this.out = this.mode !== 0;
    this.cr = 0;
    this.started = false;
    this.loadAtNextPulse = false;
    this.betweenBytes = false;
    this.done = false;
    this.nullCount = true;
  }

  firstByte(): void {
    if (this.mode !== 0) return;
    this.betweenBytes = true;
    this.out = false;
  }

  count(n: number): void {
    this.cr = n;
    this.nullCount = true;
    this.betweenBytes = false;
    if (this.mode === 0) this.out = false;
    if (this.mode === 0 || this.mode === 4) this.loadAtNextPulse = true;
    if ((this.mode === 2 || this.mode === 3) && !this.started) this.loadAtNextPulse = true;
  }

  setGate(level: boolean): void {
    if (level === this.gate) return;
    this.gate = level;
    if (level && this.cr !== 0 && [1, 2, 3, 5].includes(this.mode)) this.loadAtNextPulse = true;
    if (!level && (this.mode === 2 || this.mode === 3)) this.out = true;
  }

  pulse(): void {
    if (this.loadAtNextPulse) {
      this.loadAtNextPulse = false;
      this.started = true;
      this.done = false;
      this.reload();
      if (this.mode <= 1) this.out = false;
      else if (this.mode === 2 && this.ce === 1 && this.gate) this.out = false;
      else this.out = true;
      return;
    }
    if (!this.started) return;
    if (this.mode === 0 && this.gate && !this.betweenBytes) this.decrementOnce();
    if (this.mode === 1) this.decrementOnce();
    if (this.mode === 2 && this.gate) {
      if (this.ce === 1) this.reload();
      else this.ce--;
      this.out = this.ce !== 1;
    }
    if (this.mode === 3 && this.gate) this.squareWave();
    if (this.mode >= 4) {
      this.out = true;
      if (this.gate || this.mode === 5) {
        this.ce = this.ce === 0 ? this.modulus() - 1 : this.ce - 1;
        if (this.ce === 0 && !this.done) {
          this.done = true;
          this.out = false;
        }
      }
    }
  }

  private decrementOnce(): void {
    this.ce = this.ce === 0 ? this.modulus() - 1 : this.ce - 1;
    if (this.ce === 0) this.out = true;
  }

  private squareWave(): void {
    if (this.parityOf === 1) {
      this.reload();
      this.out = true;
      return;
    }
    const last = this.out && this.parityOf % 2 === 1 ? 0 : 2;
    if (this.ce === last) {
      this.reload();
      this.out = this.parityOf === 1 ? true : !this.out;
    } else {
      this.ce -= 2;
    }
  }

  private reload(): void {
    this.nullCount = false;
    this.parityOf = this.cr;
    this.ce = this.mode === 3 ? this.cr & ~1 : this.cr;
  }

  modulus(): number {
    return this.bcd ? 10000 : 65536;
  }

  shown(): number {
    const n = this.ce % this.modulus();
    return this.bcd ? Number.parseInt(String(n), 16) : n;
  }
}

function statusOf(counter: CounterState): number {
  const copy = structuredClone(counter);
  copy.latchedStatus = -1;
  latchStatus(copy);
  return readCount(copy);
}

const smallCount = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 12 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 100, 0x1234, 0x9999, 0xffff) },
);
const operation = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant("control" as const), n: fc.integer({ min: 0, max: 7 }) }),
  },
  { weight: 3, arbitrary: fc.record({ what: fc.constant("count" as const), n: smallCount }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("halfCount" as const), n: smallCount }) },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant("gate" as const), n: fc.integer({ min: 0, max: 1 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ what: fc.constant("run" as const), n: fc.integer({ min: 0, max: 30 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant("run" as const), n: fc.constantFrom(70_000, 10_001) }),
  },
);

test.each([0, 1, 2, 3, 4, 5, 6, 7])(
  "mode %i: the lazy counter agrees with pulse-by-pulse counting, whatever is written when",
  (firstMode) => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.boolean(),
        fc.array(operation, { maxLength: 25 }),
        (gate, bcd, operations) => {
          const lazy = powerOnCounter(gate);
          const slow = new PulseByPulse(gate);
          let now = 0;
          let halfWritten = false;
          const control = (mode: number) => {
            writeControl(lazy, 0x30 | (mode << 1) | (bcd ? 1 : 0));
            slow.control(mode, bcd);
            halfWritten = false;
          };
          const finishCount = (value: number) => {
            const digits =
              (value >> 12) * 1000 + ((value >> 8) & 15) * 100 + ((value >> 4) & 15) * 10 + (value & 15);
            const n = bcd ? digits % 10000 : value;
            writeCount(lazy, value >> 8);
            slow.count(n === 0 ? slow.modulus() : n);
            halfWritten = false;
          };
          control(firstMode);
          for (const { what, n } of operations) {
            if (what === "control") {
              control(n);
            } else if (what === "count") {
              if (!halfWritten) {
                writeCount(lazy, n & 0xff);
                slow.firstByte();
                finishCount(n);
              } else {
                finishCount((n << 8) | lazy.lowByte);
              }
            } else if (what === "halfCount" && !halfWritten) {
              writeCount(lazy, n & 0xff);
              slow.firstByte();
              halfWritten = true;
            } else if (what === "gate") {
              setGate(lazy, n === 1);
              slow.setGate(n === 1);
            } else if (what === "run") {
              // What the alarms would do: hop from event to event, and find every change of OUT at its very pulse.
              const hopper = structuredClone(lazy);
              const end = now + n;
              const hopped: [number, boolean][] = [];
              for (let at = now; n <= 30; ) {
                at += pulsesToEvent(hopper);
                if (at > end) break;
                const before = hopper.out;
                advanceCounter(hopper, at);
                if (hopper.out !== before) hopped.push([at, hopper.out]);
              }
              const changes: [number, boolean][] = [];
              while (now < end) {
                const before = slow.out;
                slow.pulse();
                now++;
                if (slow.out !== before) changes.push([now, slow.out]);
              }
              const rose = advanceCounter(lazy, now);

              if (n <= 30) expect(hopped).toEqual(changes);
              expect(rose).toBe(changes.some(([, level]) => level));
            }
            expect({ out: lazy.out, count: visibleCount(lazy) }).toEqual({
              out: slow.out,
              count: slow.shown(),
            });
            expect(statusOf(lazy) >> 6).toBe((slow.out ? 2 : 0) | (slow.nullCount ? 1 : 0));
          }
        },
      ),
      { numRuns: 150 },
    );
  },
);

/** OUT for `pulses` pulses after a count was written, one character per pulse. */
function wave(
  mode: number,
  count: number,
  pulses: number,
  prepare?: (counter: CounterState) => void,
): string {
  const counter = powerOnCounter(true);
  writeControl(counter, 0x10 | (mode << 1));
  writeCount(counter, count);
  prepare?.(counter);
  let text = counter.out ? "1" : "0";
  for (let pulse = 1; pulse < pulses; pulse++) {
    advanceCounter(counter, pulse);
    text += counter.out ? "1" : "0";
  }
  return text;
}

const trigger = (counter: CounterState) => {
  setGate(counter, false);
  setGate(counter, true);
};

test("the wave forms of the datasheet's figures", () => {
  expect(wave(0, 4, 8)).toBe("00000111");
  expect(wave(1, 3, 8, trigger)).toBe("10001111");
  expect(wave(2, 3, 11)).toBe("11101101101");
  expect(wave(3, 4, 11)).toBe("11100110011");
  expect(wave(3, 5, 12)).toBe("111100111001");
  expect(wave(4, 3, 8)).toBe("11110111");
  expect(wave(5, 3, 8, trigger)).toBe("11110111");
  expect(wave(5, 3, 8)).toBe("11111111");
});

test("modes 6 and 7 are 2 and 3, and the status byte shows them as written", () => {
  const counter = powerOnCounter(true);
  writeControl(counter, 0x3c);
  expect(modeOf(counter)).toBe(2);
  expect(statusOf(counter) & 0x3f).toBe(0x3c);
});
