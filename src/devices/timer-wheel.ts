/**
 * Alarms in virtual time: a priority queue ordered by time, and among equal times by the order in which they were
 * armed, so that two runs fire the same alarms in the same order.
 *
 * A machine has a dozen alarms at most, so the queue is one sorted array: insertion is a binary search and a short move,
 * looking at the next alarm (which happens at every entry into the guest) is one array read.
 */

export interface Alarm {
  /** One alarm per key; a device's alarm is usually "device/alarm". */
  readonly key: string;
  /** Integer nanoseconds of virtual time. */
  readonly atNs: number;
}

export interface TimerWheelState {
  /** Soonest LAST, so that firing pops from the end. Among equal times the one armed first is nearer to the end. */
  alarms: Alarm[];
}

export class TimerWheel {
  readonly state: TimerWheelState = { alarms: [] };

  /** (Re)arms `key`; an alarm under the same key is replaced, and queues behind others that were armed for `atNs`. */
  arm(key: string, atNs: number): void {
    this.cancel(key);
    const { alarms } = this.state;
    let low = 0;
    let high = alarms.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (alarms[middle]!.atNs > atNs) low = middle + 1;
      else high = middle;
    }
    alarms.splice(low, 0, { key, atNs });
  }

  /** Forgets `key`; true exactly when it was armed. */
  cancel(key: string): boolean {
    const index = this.state.alarms.findIndex((alarm) => alarm.key === key);
    if (index < 0) return false;
    this.state.alarms.splice(index, 1);
    return true;
  }

  /** Forgets all. */
  clear(): void {
    this.state.alarms.length = 0;
  }

  /** When the soonest alarm is due, or undefined when none is armed. */
  next(): number | undefined {
    return this.state.alarms.at(-1)?.atNs;
  }

  /**
   * Takes out and returns the soonest alarm when it is due at `nowNs`; undefined when none is. One at a time, because
   * what an alarm sets off may arm or cancel others that are due as well.
   */
  popDue(nowNs: number): Alarm | undefined {
    const soonest = this.state.alarms.at(-1);
    if (soonest === undefined || soonest.atNs > nowNs) return undefined;
    this.state.alarms.pop();
    return soonest;
  }

  /** When `key` is due, or undefined when it is not armed. */
  dueAt(key: string): number | undefined {
    return this.state.alarms.find((alarm) => alarm.key === key)?.atNs;
  }
}
