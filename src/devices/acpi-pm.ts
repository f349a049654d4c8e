import { allOnes, type DeviceClock, type PortDevice, readAsBytes, writeAsBytes } from "./device.ts";

/** The fixed hardware of ACPI (ACPI 6.4, 4.8), where the FADT says that it is. */
export const PM1_EVENT_PORT = 0x600;
export const PM1_CONTROL_PORT = 0x604;
export const PM_TIMER_PORT = 0x608;
/** Why a vm ends that switches itself off here. */
export const POWERED_OFF = "the guest has switched itself off (ACPI S5)";
/** SLP_TYP of soft-off, as `_S5_` says: that of the PIIX4, which small systems write without asking. */
export const S5_SLEEP_TYPE = 0;

/** The PM timer's frequency, Hz: a third of the colour subcarrier's fourfold. */
const PM_TIMER_HZ = 3_579_545;
const TIMER_BITS = 0xffffff;
const SCI_EN = 1 << 0;
const SLP_TYP_SHIFT = 10;
const SLP_EN = 1 << 13;
/** Status bits that software clears by writing ones: timer, bus master, global lock, buttons, clock, wake. */
const STATUS_BITS = 0x8731;
const ENABLE_BITS = 0x0721;

export interface AcpiPmState {
  status: number;
  enable: number;
  control: number;
}

/** The power management registers: an event block that never has an event, the sleep control, and the PM timer. The machine is in ACPI mode from the beginning. */
export class AcpiPm implements PortDevice {
  readonly name = "acpi-pm";
  readonly ports = [{ first: PM1_EVENT_PORT, count: 12 }];
  readonly state: AcpiPmState = { status: 0, enable: 0, control: SCI_EN };
  readonly #clock: Pick<DeviceClock, "nowNs">;
  readonly #powerOff: () => void;

  constructor(clock: Pick<DeviceClock, "nowNs">, powerOff: () => void) {
    this.#clock = clock;
    this.#powerOff = powerOff;
  }

  readPort(port: number, sizeBytes: number): number {
    return readAsBytes(port, sizeBytes, (at) => this.#readByte(at));
  }

  writePort(port: number, sizeBytes: number, value: number): void {
    writeAsBytes(port, sizeBytes, value, (at, byte) => this.#writeByte(at, byte));
  }

  #readByte(port: number): number {
    const { status, enable, control } = this.state;
    if (port >= PM_TIMER_PORT) return (this.#timer() >>> (8 * (port - PM_TIMER_PORT))) & 0xff;
    const shift = 8 * (port & 1);
    if (port >= PM1_CONTROL_PORT + 2) return allOnes(1);
    if (port >= PM1_CONTROL_PORT) return (control >> shift) & 0xff;
    return ((port >= PM1_EVENT_PORT + 2 ? enable : status) >> shift) & 0xff;
  }

  #writeByte(port: number, byte: number): void {
    const { state } = this;
    const shift = 8 * (port & 1);
    const merge = (old: number): number => (old & ~(0xff << shift)) | (byte << shift);
    if (port >= PM1_CONTROL_PORT + 2) return;
    if (port >= PM1_CONTROL_PORT) {
      const control = merge(state.control);
      state.control = (control & ~SLP_EN) | SCI_EN;
      if ((control & SLP_EN) !== 0 && ((control >> SLP_TYP_SHIFT) & 7) === S5_SLEEP_TYPE) this.#powerOff();
    } else if (port >= PM1_EVENT_PORT + 2) state.enable = merge(state.enable) & ENABLE_BITS;
    else state.status &= ~((byte << shift) & STATUS_BITS);
  }

  #timer(): number {
    // Exact below 2^53: seconds and the rest apart.
    const ns = this.#clock.nowNs();
    const seconds = Math.floor(ns / 1e9);
    const rest = Math.floor(((ns - seconds * 1e9) * PM_TIMER_HZ) / 1e9);
    return (seconds * PM_TIMER_HZ + rest) % (TIMER_BITS + 1);
  }
}
