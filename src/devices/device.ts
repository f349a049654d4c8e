/**
 * What every device register model is made of: ports that the guest reads and writes, an interrupt line that the
 * device drives, a clock that it asks for the time and for alarms. A model knows neither the bus nor the interrupt
 * controller nor any actor; whoever wires it hands it these.
 *
 * The contract of every model in this folder:
 * - `readPort`, `writePort`, `alarm` and the host-side inputs never throw, whatever the guest does.
 * - Everything that it remembers is in `state`, a plain object that `structuredClone` can copy, and nothing derived from
 *   it is kept elsewhere. `snapshotOf` copies it; `restoreInto` puts a copy back. Alarms and line levels are not repeated there: they are in the snapshots of the
 *   clock and of the interrupt controller, which are taken and restored together with it.
 * - Same calls at the same virtual times, same results: no wall clock, no randomness.
 */

/** Width of a port access in bytes. */
export type PortSize = 1 | 2 | 4;

/** `count` consecutive ports from `first` on. */
export interface PortRange {
  readonly first: number;
  readonly count: number;
}

/** A device on the I/O ports. `sizeBytes` is 1, 2 or 4; values are unsigned and zero-extended. */
export interface PortDevice {
  /** Unique on one port map; shown in errors and traces. */
  readonly name: string;
  readonly ports: readonly PortRange[];
  readPort(port: number, sizeBytes: number): number;
  writePort(port: number, sizeBytes: number, value: number): void;
  /**
   * How many of up to `count` reads of a port in a row, 1 at least, may be done at the time of the last of them: all but that one only move data, and neither
   * look at the clock nor arm an alarm nor drive a line. A device that does not say so is read one by one.
   */
  readsTogether?(port: number, sizeBytes: number, count: number): number;
  /** The same of writes. */
  writesTogether?(port: number, sizeBytes: number, count: number): number;
}

/** One interrupt line into the controller; `true` is asserted (the pin is high). Setting the same level again is harmless. */
export interface IrqLine {
  set(level: boolean): void;
}

/** Virtual time for a device: now, and one-shot alarms. Integer nanoseconds below 2^53 (104 days) since power-on. */
export interface DeviceClock {
  nowNs(): number;
  /**
   * (Re)arms the device's alarm `id`: the device's `alarm(id, nowNs)` is called once, at the first opportunity at or
   * after `atNs`. A time that has passed already means as soon as possible, but never from inside `arm`.
   */
  arm(id: string, atNs: number): void;
  /** Forgets the alarm `id`; harmless when it is not armed. */
  cancel(id: string): void;
}

/** A device that arms alarms. An alarm may arrive late, and the device must then behave as if it had looked in time. */
export interface AlarmedDevice {
  alarm(id: string, nowNs: number): void;
}

/** Where a device delivers the bytes that it sends to the outside (0 to 255). */
export type ByteSink = (byte: number) => void;

/** Value of a bus cycle that nothing answers: all ones in the width of the access. */
export function allOnes(sizeBytes: number): number {
  if (sizeBytes === 1) return 0xff;
  return sizeBytes === 2 ? 0xffff : 0xffffffff;
}

/**
 * Reads a byte-wide device with an access of any width: an access of 2 or 4 bytes is that many byte cycles at
 * consecutive ports, lowest first, as an 8-bit ISA card sees it. Ports wrap at 64 Ki.
 */
export function readAsBytes(port: number, sizeBytes: number, readByte: (port: number) => number): number {
  if (sizeBytes === 1) return readByte(port) & 0xff;
  let value = 0;
  for (let index = 0; index < sizeBytes; index++) {
    value |= (readByte((port + index) & 0xffff) & 0xff) << (8 * index);
  }
  return value >>> 0;
}

/** The writing counterpart of `readAsBytes`. */
export function writeAsBytes(
  port: number,
  sizeBytes: number,
  value: number,
  writeByte: (port: number, byte: number) => void,
): void {
  for (let index = 0; index < sizeBytes; index++) {
    writeByte((port + index) & 0xffff, (value >>> (8 * index)) & 0xff);
  }
}

/** A deep copy of a device's state, independent of what the device does next. */
export function snapshotOf<State extends object>(device: { readonly state: State }): State {
  return structuredClone(device.state);
}

/**
 * Puts a snapshot back, in place: every object inside `device.state` stays the same object (parts of a device may hold
 * on to their part of the state), only its values change. `saved` itself is not touched and may be used again.
 */
export function restoreInto<State extends object>(device: { readonly state: State }, saved: State): void {
  assignDeep(device.state as Tree, structuredClone(saved) as Tree);
}

type Tree = Record<string, unknown>;

function assignDeep(target: Tree, source: Tree): void {
  if (Array.isArray(target) && Array.isArray(source)) target.length = source.length;
  for (const [key, value] of Object.entries(source)) {
    const old = target[key];
    if (isTree(old) && isTree(value) && Array.isArray(old) === Array.isArray(value)) assignDeep(old, value);
    else target[key] = value;
  }
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null;
}
