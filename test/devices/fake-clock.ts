import type { AlarmedDevice, DeviceClock, IrqLine } from "../../src/devices/device.ts";
import { TimerWheel } from "../../src/devices/timer-wheel.ts";

/** A clock that a test moves by hand: alarms fire at exactly their time on the way. */
export class FakeClock implements DeviceClock {
  ns = 0;
  device: AlarmedDevice | undefined;
  /** How many alarms have fired. */
  fired = 0;
  readonly wheel = new TimerWheel();

  nowNs(): number {
    return this.ns;
  }

  arm(id: string, atNs: number): void {
    this.wheel.arm(id, atNs);
  }

  cancel(id: string): void {
    this.wheel.cancel(id);
  }

  /** Moves to `ns`, firing what is due on the way. */
  runTo(ns: number): void {
    for (let next = this.wheel.next(); next !== undefined && next <= ns; next = this.wheel.next()) {
      this.ns = Math.max(this.ns, next);
      this.fire();
    }
    this.ns = ns;
  }

  run(ns: number): void {
    this.runTo(this.ns + ns);
  }

  /** Moves to `ns` first and fires what became due only then, as after a burst of instructions that was too long. */
  runLateTo(ns: number): void {
    this.ns = ns;
    while ((this.wheel.next() ?? Infinity) <= ns) this.fire();
  }

  private fire(): void {
    const alarm = this.wheel.popDue(this.ns);
    if (alarm === undefined) return;
    this.fired++;
    this.device?.alarm(alarm.key, this.ns);
  }
}

/** An interrupt line that remembers its level and the times of its changes. */
export class Probe implements IrqLine {
  level = false;
  readonly edges: { level: boolean; ns: number }[] = [];
  private readonly clock: DeviceClock | undefined;

  constructor(clock?: DeviceClock) {
    this.clock = clock;
  }

  set(level: boolean): void {
    if (level === this.level) return;
    this.level = level;
    this.edges.push({ level, ns: this.clock?.nowNs() ?? 0 });
  }

  rises(): number[] {
    return this.edges.filter((edge) => edge.level).map((edge) => edge.ns);
  }
}
