import { createHash } from "node:crypto";
import { EventEmitter } from "eventemitter3";
import { MACHINE, type VmAddresses } from "../actors/addresses.ts";
import type { VmEnding } from "../actors/vm.ts";
import type { VmEnd } from "../bus/messages/index.ts";
import type { CpuState } from "../cpu/state.ts";
import { keystrokesOf } from "../devices/key-codes.ts";
import { NO_FRAME } from "../mmu/address.ts";
import type { GuestMemory } from "../mmu/guest-memory.ts";
import type { AuditViolation, Pager, PagerName } from "../mmu/pager.ts";
import { KvmPager } from "../mmu/shadow/kvm/pager.ts";
import { type ExitCounts, totalExits } from "../switch/exit-counts.ts";
import type { Vcpu } from "../switch/vcpu.ts";
import { ConsoleOutputBuffer } from "./console.ts";
import { VmEndedError } from "./errors.ts";
import type { Machine } from "./machine.ts";
import type { RunAsyncOptions, RunOptions, RunResult, VmStatus } from "./options.ts";
import type { DeviceModels } from "./plant.ts";
import { type ScreenCursor, screenCursor, screenRows } from "./screen.ts";

export interface VmEvents {
  /** Bytes that the guest has sent, a line or less at a time. */
  console: (bytes: Uint8Array) => void;
  /** It has been reset, and begins anew. `count`: which restart it is. */
  restarted: (by: string, count: number) => void;
  /** The same of the log that firmware keeps at port 0x402. */
  firmware: (bytes: Uint8Array) => void;
  ended: (status: VmEnd, reason: string) => void;
}

export interface VcpuStats {
  readonly instructions: number;
  readonly exits: Readonly<ExitCounts>;
}

export interface VmStats {
  /** Retired since power-on, by all processors. */
  readonly instructions: number;
  readonly virtualNs: number;
  /** Of all processors. */
  readonly exits: Readonly<ExitCounts>;
  /** By processor. */
  readonly vcpus: readonly VcpuStats[];
  /** Machine frames that the pager holds for tables; 0 once the vm has ended. */
  readonly pagerFrames: number;
}

/** What a vm is made of, beside its actors. */
export interface VmParts {
  readonly machine: Machine;
  readonly vcpu: Vcpu;
  readonly addresses: VmAddresses;
  readonly memory: GuestMemory;
  readonly pager: Pager;
  readonly devices: DeviceModels;
}

/** Changes a copy of one page of guest memory before it is hashed, e.g. to mask accessed and dirty bits. */
export type PageNormaliser = (gfn: number, words: Uint32Array) => void;

/** Terminal side of the console. */
export interface VmConsole {
  /** Types at the console. Strings are sent as UTF-8. Throws VmEndedError. */
  write(input: string | Uint8Array): void;
  /** The latest output, a character a byte (at least the last MiB). */
  readonly text: string;
}

export interface VmKeyboard {
  /**
   * Types a text: letters, digits and signs of a US keyboard, \n for Enter, control characters, and the escape sequences of terminals for arrows and function
   * keys. Throws VmEndedError.
   */
  type(text: string): void;
}

/** One virtual machine, as its embedder sees it. */
export class Vm extends EventEmitter<VmEvents> {
  readonly name: string;
  readonly pager: PagerName;
  readonly machine: Machine;
  readonly addresses: VmAddresses;
  readonly memory: GuestMemory;
  readonly console: VmConsole;
  /** The first processor. @internal */
  readonly vcpu: Vcpu;
  /** The keyboard, of a vm that has one. */
  readonly keyboard: VmKeyboard;
  /** @internal */
  readonly output: ConsoleOutputBuffer;
  /** What firmware has logged at port 0x402. */
  readonly firmwareLog: ConsoleOutputBuffer;
  #pager: Pager;
  #devices: DeviceModels;
  /** It holds frames. */
  #pagerLives = true;
  #restarts = 0;
  #started = false;
  #end: VmEnding | undefined;
  #released = false;
  #lastScreen: readonly string[] | undefined;

  /** Made by `machine.createVm`. */
  constructor(parts: VmParts) {
    super();
    this.machine = parts.machine;
    this.vcpu = parts.vcpu;
    this.name = parts.vcpu.name;
    this.pager = parts.pager.name;
    this.addresses = parts.addresses;
    this.memory = parts.memory;
    this.#devices = parts.devices;
    this.#pager = parts.pager;
    this.output = new ConsoleOutputBuffer((bytes) => this.emit("console", bytes));
    this.firmwareLog = new ConsoleOutputBuffer((bytes) => this.emit("firmware", bytes));
    this.keyboard = { type: (text) => this.#pressKeys(text) };
    const self = this;
    this.console = {
      write: (input) => this.#type(input),
      get text() {
        return self.output.text;
      },
    };
  }

  /** The register models, for looking at. A restart makes new ones. */
  get devices(): DeviceModels {
    return this.#devices;
  }

  /** The kvm pager, for looking at; undefined under other pagers. A restart makes a new one. */
  get kvm(): KvmPager | undefined {
    return this.#pager instanceof KvmPager ? this.#pager : undefined;
  }

  /** How often it has been reset and has begun anew. */
  get restarts(): number {
    return this.#restarts;
  }

  get status(): VmStatus {
    if (this.#end !== undefined) return this.#end.status;
    if (!this.#started) return "created";
    if (!this.vcpu.ready) return "paused";
    return this.vcpu.set.asleep ? "waiting" : "running";
  }

  /** Why it has ended, in words. */
  get reason(): string | undefined {
    return this.#end?.reason;
  }

  /** The guest's exit code (0 to 255), when it has ended as exited. */
  get exitCode(): number | undefined {
    return this.#end?.exitCode;
  }

  /** The text on the screen by rows, of a vm with text memory; what was there last when it has ended. */
  get screen(): readonly string[] | undefined {
    return this.#released ? this.#lastScreen : screenRows(this.memory, this.devices.vga?.start);
  }

  /** The cursor of the text screen; undefined when it does not show. */
  get cursor(): ScreenCursor | undefined {
    const { vga } = this.devices;
    return vga === undefined ? undefined : screenCursor(vga.start, vga.cursor);
  }

  /** What an actor threw, when it has ended as failed. */
  get error(): unknown {
    return this.#end?.error;
  }

  /** It has ended and given everything back. */
  get ended(): boolean {
    return this.#released;
  }

  /** Runs this vm (and with it the others of the machine) until something worth coming back for. See RunOptions, RunResult. */
  run(options: RunOptions = {}): RunResult {
    return this.machine.run(this, options);
  }

  /** The same, giving the event loop its turn every few milliseconds. */
  runAsync(options: RunAsyncOptions = {}): Promise<RunResult> {
    return this.machine.runAsync(this, options);
  }

  /** Takes effect between two instructions, at the next run or step. */
  pause(): void {
    this.#demandLive("pause");
    this.machine.bus.post(MACHINE, this.addresses.vm, { type: "vm.pause" });
  }

  resume(): void {
    this.#demandLive("resume");
    this.machine.bus.post(MACHINE, this.addresses.vm, { type: "vm.resume" });
  }

  /** Presses the reset button: at the next run or step the guest begins anew, or the vm ends as reset (see VmOptions.reboots). Throws VmEndedError. */
  reset(): void {
    this.#demandLive("reset");
    this.machine.bus.post(MACHINE, this.addresses.vm, { type: "vm.reset", by: "its owner" });
  }

  /** Ends it, at the next run or step. Harmless when it has ended. */
  kill(reason = "killed by its owner"): void {
    if (this.#end === undefined)
      this.machine.bus.post(MACHINE, this.addresses.vm, { type: "vm.kill", reason });
  }

  /** Checks every invariant of the pager, and tells the bus (`shadow.audited`). Throws VmEndedError. */
  audit(): AuditViolation[] {
    this.#demandLive("audit");
    const violations = this.#pager.audit();
    this.machine.bus.announce(this.addresses.shadow, { type: "shadow.audited", violations });
    return violations;
  }

  stats(): VmStats {
    return {
      instructions: this.vcpu.set.retired,
      virtualNs: this.vcpu.set.time.nowNs(),
      exits: totalExits(this.vcpus.map(({ exits }) => exits)),
      vcpus: this.vcpus.map(({ retired, exits }) => ({ instructions: retired, exits: { ...exits } })),
      pagerFrames: this.#released ? 0 : this.#pager.framesHeld,
    };
  }

  /**
   * Calls `look` with the registers of this vm's processor `cpu` (default: the first) on the CPU, whosever are there now. Throws VmEndedError, RangeError.
   */
  withState<Result>(look: (state: CpuState) => Result, cpu = 0): Result {
    this.#demandLive("look at the registers");
    const vcpu = this.vcpus[cpu];
    if (vcpu === undefined)
      throw new RangeError(`${this.name} has processors 0 to ${this.vcpus.length - 1}, not ${cpu}`);
    return this.machine.withLoaded(vcpu, look);
  }

  /** SHA-256 over guest memory in the order of gfn, in hexadecimal. Throws VmEndedError. */
  memoryHash(normalise?: PageNormaliser): string {
    this.#demandLive("hash the memory");
    const hash = createHash("sha256");
    const { machine, p2m } = this.memory;
    const copy = new Uint32Array(1024);
    p2m.table.forEach((mfn, gfn) => {
      if (mfn === NO_FRAME) return;
      const first = mfn * 1024;
      if (normalise === undefined) hash.update(machine.u8.subarray(mfn * 4096, mfn * 4096 + 4096));
      else {
        copy.set(machine.u32.subarray(first, first + 1024));
        normalise(gfn, copy);
        hash.update(copy);
      }
    });
    return hash.digest("hex");
  }

  /** @internal */
  get vcpus(): readonly Vcpu[] {
    return this.vcpu.set.vcpus;
  }

  /** @internal It may run. */
  markStarted(): void {
    this.#started = true;
  }

  /** @internal The pager gives its frames back. */
  takeOff(): void {
    if (this.#pagerLives) this.#pager.dispose();
    this.#pagerLives = false;
  }

  /** @internal It begins anew, with new parts. Returns which restart that is. */
  markRestarted({ pager, devices }: Pick<VmParts, "pager" | "devices">, by: string): number {
    this.#pager = pager;
    this.#pagerLives = true;
    this.#devices = devices;
    this.#restarts++;
    this.output.flush();
    this.emit("restarted", by, this.#restarts);
    return this.#restarts;
  }

  /** @internal The supervisor has decided. */
  markRetired(end: VmEnding): void {
    this.#end ??= end;
  }

  /** @internal Gives the frames back. */
  release(): void {
    if (this.#released) return;
    this.#lastScreen = screenRows(this.memory, this.devices.vga?.start);
    this.#released = true;
    this.takeOff();
    this.memory.dispose();
    this.output.flush();
    if (this.#end !== undefined) this.emit("ended", this.#end.status, this.#end.reason);
  }

  #pressKeys(text: string): void {
    this.#demandLive("type on the keyboard");
    this.machine.bus.post(MACHINE, this.addresses.kbd, {
      type: "console.keys",
      strokes: keystrokesOf(text),
    });
  }

  #type(input: string | Uint8Array): void {
    this.#demandLive("write to the console");
    const bytes = typeof input === "string" ? new TextEncoder().encode(input) : Uint8Array.from(input);
    const { virtio, uart } = this.addresses;
    const to = this.devices.virtio?.console?.transport.isLive === true ? virtio : uart;
    this.machine.bus.post(MACHINE, to, { type: "console.input", bytes });
  }

  #demandLive(what: string): void {
    if (this.#end !== undefined) throw new VmEndedError(this.name, what, this.#end.status, this.#end.reason);
  }
}
