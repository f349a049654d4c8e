import type { AlarmSource, Vcpu } from "./vcpu.ts";
import { type TimeScale, VirtualTime } from "./virtual-time.ts";

/** Most virtual processors of one vm: as many as the flat logical destinations of local APICs tell apart. */
export const MOST_CPUS = 8;
/**
 * Instructions that a vcpu may retire while another of the same vm has work. A prime: a loop that takes a lock and lets it go would else be interrupted at
 * the same instruction in every turn, maybe always with the lock taken, and nobody else would ever get it (SeaBIOS waits for processors so).
 */
export const DEFAULT_QUANTUM = 20_011;

/** Turns of one vcpu in a row that PAUSE may end: who goes on spinning counts, or waits for time, and must get ahead. */
const MOST_SPINS = 16;

export interface VcpuSetSettings {
  readonly scale: TimeScale;
  readonly alarms: AlarmSource;
  /** Instructions of all vcpus together after which the guest is killed. */
  readonly maxInstructions: number;
  /** Default: DEFAULT_QUANTUM. */
  readonly quantum?: number;
}

/**
 * The virtual processors of one vm. They take turns on the physical CPU, and share one time, which every instruction of any of them moves on: so
 * their time-stamp counters never differ, and all runs are alike. Their instructions are counted together.
 */
export class VcpuSet {
  readonly vcpus: Vcpu[] = [];
  readonly time: VirtualTime;
  readonly alarms: AlarmSource;
  readonly quantum: number;
  maxInstructions: number;
  /** Retired count at which the embedder wants to look again. */
  pauseAt = Number.POSITIVE_INFINITY;
  /** All are in HLT, and no alarm could wake one. */
  asleep = false;
  /** Alarms that HLT jumped to since the last interrupt. */
  fruitlessJumps = 0;
  /** Whose turn it was last; undefined before the first. */
  active: Vcpu | undefined;
  /** Another vcpu of the set has become active, and its state is on the CPU. */
  onTurn: () => void = () => {};

  constructor(settings: VcpuSetSettings) {
    this.alarms = settings.alarms;
    this.maxInstructions = settings.maxInstructions;
    this.quantum = settings.quantum ?? DEFAULT_QUANTUM;
    this.time = new VirtualTime(() => this.retired, settings.scale);
  }

  /** All of them, as after power-on. Time goes on. */
  reset(): void {
    this.asleep = false;
    this.fruitlessJumps = 0;
    this.active = undefined;
    for (const vcpu of this.vcpus) vcpu.reset();
  }

  /** Instructions retired by all since power-on. */
  get retired(): number {
    const { vcpus } = this;
    let sum = (vcpus[0] as Vcpu).retired;
    for (let i = 1; i < vcpus.length; i++) sum += (vcpus[i] as Vcpu).retired;
    return sum;
  }

  /** One of them can go on without waiting for an alarm. */
  get hasWork(): boolean {
    for (const vcpu of this.vcpus) if (vcpu.hasWork) return true;
    return false;
  }

  /** `vcpu` is to give its turn up when it executes PAUSE: it spins, and another one may have what it waits for. */
  yieldsOnPause(vcpu: Vcpu): boolean {
    if (this.vcpus.length === 1 || vcpu.spins >= MOST_SPINS) return false;
    for (const other of this.vcpus) if (other !== vcpu && other.hasWork) return true;
    return false;
  }

  /** Instructions that a turn of `vcpu` lasts while another one has work: few if it gets ahead, and another one spins. */
  turnOf(vcpu: Vcpu): number {
    let turn = this.quantum;
    if (vcpu.spinWatch.turns > 0) return turn;
    for (const other of this.vcpus)
      if (other !== vcpu && other.spinWatch.turns > 0 && other.hasWork)
        turn = Math.min(turn, other.spinWatch.othersTurn);
    return turn;
  }

  /** Another one than `vcpu` has work, and does not spin as far as is known. */
  othersGetAhead(vcpu: Vcpu): boolean {
    for (const other of this.vcpus)
      if (other !== vcpu && other.hasWork && other.spinWatch.turns === 0) return true;
    return false;
  }

  /** Another one than `vcpu` runs, or will when an interrupt comes. */
  othersLive(vcpu: Vcpu): boolean {
    for (const other of this.vcpus)
      if (other !== vcpu && !other.stopped && !other.awaitsStartup && !(other.deaf && other.idles))
        return true;
    return false;
  }
}
