import type { ClockAdvance, ClockArm, ClockCancel, ClockIdle } from "../bus/messages/index.ts";
import type { TimerWheel } from "../devices/timer-wheel.ts";
import { virtualClockChart } from "../machines/virtual-clock.ts";
import type { VirtualTime } from "../switch/virtual-time.ts";
import { CPU, SWITCHER, type VmAddresses } from "./addresses.ts";
import type { Stage } from "./stage.ts";

export interface VirtualClockParts {
  readonly addresses: VmAddresses;
  readonly time: VirtualTime;
  readonly wheel: TimerWheel;
}

interface AlarmOwner {
  readonly device: string;
  readonly id: string;
}

/** The VirtualClock of one vm as an actor: keeps the alarms of the devices, and rings them. */
export function addVirtualClock(stage: Stage, parts: VirtualClockParts) {
  const { addresses, time, wheel } = parts;
  const owners = new Map<string, AlarmOwner>();
  const keyOf = ({ device, id }: AlarmOwner) => `${device}/${id}`;
  return stage.add(addresses.clock, virtualClockChart, (self) => ({
    guards: {
      hasAlarm: () => wheel.next() !== undefined,
      hasNoAlarm: () => wheel.next() === undefined,
    },
    actions: {
      arm: ({ event }) => {
        const { device, id, atNs } = event as ClockArm;
        const key = keyOf({ device, id });
        if (!owners.has(key)) owners.set(key, { device, id });
        wheel.arm(key, atNs);
      },
      cancel: ({ event }) => {
        wheel.cancel(keyOf(event as ClockCancel));
      },
      ring: ({ event }) => {
        const nowNs = Math.max((event as ClockAdvance | ClockIdle).nowNs, time.nowNs());
        for (let alarm = wheel.popDue(nowNs); alarm !== undefined; alarm = wheel.popDue(nowNs)) {
          const { device, id } = owners.get(alarm.key) as AlarmOwner;
          self.post(device, { type: "clock.alarm", id, nowNs });
        }
      },
      confirmAdvance: ({ event }) =>
        self.post(SWITCHER, { type: "clock.advanced", vcpu: (event as ClockAdvance).vcpu }),
      jump: () => time.jumpTo(wheel.next() as number),
      confirmJump: ({ event }) =>
        self.post(CPU, { type: "clock.jumped", vcpu: (event as ClockIdle).vcpu, nowNs: time.nowNs() }),
      reportNone: ({ event }) => self.post(CPU, { type: "clock.none", vcpu: (event as ClockIdle).vcpu }),
    },
  }));
}
