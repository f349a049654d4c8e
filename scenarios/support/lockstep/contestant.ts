import { formatCauseTree } from "../../../src/bus/cause-tree.ts";
import type { Envelope } from "../../../src/bus/envelope.ts";
import type { Message } from "../../../src/bus/messages/index.ts";
import { CR3 } from "../../../src/cpu/layout.ts";
import type { OverlayDisk } from "../../../src/disk/index.ts";
import type { RunResult } from "../../../src/vm/options.ts";
import type { Vm } from "../../../src/vm/vm.ts";
import { TablePages } from "./memory.ts";
import { readRegisters } from "./registers.ts";

/** Messages that are kept for the report of a difference. */
const HISTORY = 256;

/** One of the two vms that are compared, each alone on a machine of its own. */
export class Contestant {
  readonly vm: Vm;
  readonly tables = new TablePages();
  /** What the guest has written to its disks. */
  readonly disks: readonly OverlayDisk[];
  /** How the last run came back. */
  result: RunResult | undefined;
  readonly #history: Envelope<Message>[] = [];
  #next = 0;

  constructor(vm: Vm, disks: readonly OverlayDisk[] = []) {
    this.vm = vm;
    this.disks = disks;
    vm.machine.bus.tap((envelope) => {
      this.#history[this.#next] = envelope;
      this.#next = (this.#next + 1) % HISTORY;
      const { message } = envelope;
      if (message.type === "cpu.exit" && message.reason === "controlRegister" && message.register === 3)
        this.tables.note(message.value);
    });
  }

  get label(): string {
    return this.vm.pager;
  }

  get instructions(): number {
    return this.vm.stats().instructions;
  }

  /** False when it cannot go on: it has ended, or waits for input. */
  get canGoOn(): boolean {
    return this.result === undefined || this.result.status === "budget";
  }

  /** Runs until exactly so many instructions have retired since power-on, or until it cannot go on. */
  runTo(instructions: number): void {
    const budget = instructions - this.instructions;
    if (budget > 0) this.result = this.vm.run({ budget });
  }

  /** By processor; undefined when it has ended. */
  registers(): Uint32Array[] | undefined {
    if (this.vm.reason !== undefined) return undefined;
    return this.vm.stats().vcpus.map((_, cpu) =>
      this.vm.withState((state) => {
        this.tables.note(state.get(CR3));
        return readRegisters(state);
      }, cpu),
    );
  }

  /** The last messages, as a tree of causes. */
  history(): string {
    const messages = [...this.#history.slice(this.#next), ...this.#history.slice(0, this.#next)];
    return formatCauseTree(messages);
  }
}
