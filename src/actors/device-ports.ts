import type { ClockAlarm, IoRead, IoWrite } from "../bus/messages/index.ts";
import type { AlarmedDevice, DeviceClock, IrqLine, PortDevice } from "../devices/device.ts";
import type { VirtualTime } from "../switch/virtual-time.ts";
import { SWITCHER, type VmAddresses } from "./addresses.ts";
import type { MessageEndpoint } from "./stage.ts";

/** What every device actor needs beside its own model. */
export interface DeviceParts {
  readonly addresses: VmAddresses;
  /** Whom a line is told: the 8259 pair (which is the default), and the I/O APIC if there is one. */
  readonly lines?: readonly string[];
  readonly time: VirtualTime;
}

/** The controllers that a device's line leads to. */
export const linesOf = ({ lines, addresses }: Pick<DeviceParts, "lines" | "addresses">): readonly string[] =>
  lines ?? [addresses.pic];

/** An interrupt line that is a message when its level changes. */
export class IrqMessages implements IrqLine {
  level = false;
  readonly #self: MessageEndpoint;
  readonly #controllers: readonly string[];
  readonly #line: number;

  constructor(self: MessageEndpoint, controllers: readonly string[], line: number) {
    this.#self = self;
    this.#controllers = controllers;
    this.#line = line;
  }

  set(level: boolean): void {
    if (level === this.level) return;
    this.level = level;
    for (const controller of this.#controllers)
      this.#self.post(controller, { type: level ? "irq.assert" : "irq.deassert", line: this.#line });
  }
}

/** A device's alarms, kept by the VirtualClock: arming is a message, and so is the alarm. */
export class ClockMessages implements DeviceClock {
  readonly #self: MessageEndpoint;
  readonly #clock: string;
  readonly #time: VirtualTime;
  readonly #armed = new Set<string>();

  constructor(self: MessageEndpoint, clock: string, time: VirtualTime) {
    this.#self = self;
    this.#clock = clock;
    this.#time = time;
  }

  nowNs(): number {
    return this.#time.nowNs();
  }

  arm(id: string, atNs: number): void {
    this.#armed.add(id);
    this.#self.post(this.#clock, { type: "clock.arm", device: this.#self.id, id, atNs });
  }

  cancel(id: string): void {
    if (this.#armed.delete(id))
      this.#self.post(this.#clock, { type: "clock.cancel", device: this.#self.id, id });
  }

  get hasAlarm(): boolean {
    return this.#armed.size > 0;
  }

  /** To be called when an alarm has come; false when the device has cancelled it meanwhile. */
  accept(id: string): boolean {
    return this.#armed.delete(id);
  }
}

/** The actions `readPort` and `writePort` of a device actor, which answer whichever vcpu asks; `deviceAt` finds the model behind a port. */
export function portActions(self: MessageEndpoint, deviceAt: (port: number) => PortDevice) {
  return {
    readPort: ({ event }: { readonly event: object }) => {
      const { vcpu, port, size } = event as IoRead;
      self.post(SWITCHER, { type: "io.data", vcpu, value: deviceAt(port).readPort(port, size) });
    },
    writePort: ({ event }: { readonly event: object }) => {
      const { vcpu, port, size, value } = event as IoWrite;
      deviceAt(port).writePort(port, size, value);
      self.post(SWITCHER, { type: "io.done", vcpu });
    },
  };
}

/** As `portActions`, where devices do accesses in a row together: as many as they say, at the time at which the last would be done by itself. */
export function portRunActions(
  self: MessageEndpoint,
  time: VirtualTime,
  deviceAt: (port: number) => PortDevice,
) {
  const single = portActions(self, deviceAt);
  return {
    readPort: ({ event }: { readonly event: object }) => {
      const { vcpu, port, size, count } = event as IoRead;
      const device = deviceAt(port);
      const together = count === undefined ? 1 : (device.readsTogether?.(port, size, count) ?? 1);
      if (together === 1) {
        single.readPort({ event });
        return;
      }
      time.spendIo(together - 1);
      const value = device.readPort(port, size);
      const more = Array.from({ length: together - 1 }, () => device.readPort(port, size));
      self.post(SWITCHER, { type: "io.data", vcpu, value, more });
    },
    writePort: ({ event }: { readonly event: object }) => {
      const { vcpu, port, size, value, more } = event as IoWrite;
      const device = deviceAt(port);
      const together = more === undefined ? 1 : (device.writesTogether?.(port, size, more.length + 1) ?? 1);
      if (together === 1 || more === undefined) {
        single.writePort({ event });
        return;
      }
      time.spendIo(together - 1);
      device.writePort(port, size, value);
      for (const next of more.slice(0, together - 1)) device.writePort(port, size, next);
      self.post(SWITCHER, { type: "io.done", vcpu, count: together });
    },
  };
}

/** The action `alarm` of a device actor. */
export function alarmAction(clock: ClockMessages, device: AlarmedDevice) {
  return ({ event }: { readonly event: object }) => {
    const { id, nowNs } = event as ClockAlarm;
    if (clock.accept(id)) device.alarm(id, nowNs);
  };
}
