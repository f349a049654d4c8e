import type { CpuState } from "../cpu/state.ts";

/** Instructions that a look takes: loops of 1 to 6, 8, 10, 12, 15, 20, 24, 30, 40, 60 and 120 instructions come round to where they were. */
const LOOKED_AT = 120;
/** Looks in a row that may end a turn: a loop that counts in memory alone looks the same, and must get ahead. */
const MOST_TURNS = 64;
/** Turn of the others after the first look, in instructions, and how much longer it gets with each: so that it ends at another place of their loops every time. */
const FIRST_TURN = 101;
const LONGER = 37;
const REGISTERS = 8;

/**
 * Notices that a vcpu spins without PAUSE: after some instructions all of its registers are as they were, so that only memory can change what it does,
 * which others write. Real processors run at the same time, and whoever waits for a lock sees it free within nanoseconds. Those that take turns would see it at
 * the end of each other's turns only, when a loop that takes the lock and lets it go at once has mostly taken it (the scheduler of xv6, on processors without
 * work). So the one that spins gives its turn up, and the others' turns become short.
 *
 * A look depends on instructions and registers alone: it is the same in every run, and under every pager.
 */
export class SpinWatch {
  /** Retired count at which the look ends. */
  end = Number.POSITIVE_INFINITY;
  #turns = 0;
  #eip = 0;
  readonly #registers = new Uint32Array(REGISTERS);

  /** Turns in a row that it has given up. */
  get turns(): number {
    return this.#turns;
  }

  /** Another one's turn lasts at most so many instructions, while this one spins. */
  get othersTurn(): number {
    return FIRST_TURN + LONGER * this.#turns;
  }

  /** A turn begins, at `retired` instructions. */
  begin(state: CpuState, retired: number): void {
    this.end = retired + LOOKED_AT;
    this.#eip = state.eip;
    for (let i = 0; i < REGISTERS; i++) this.#registers[i] = state.reg(i);
  }

  /** It has retired `end` instructions. True: it spins, and is to give its turn up if somebody else gets ahead. */
  judge(state: CpuState): boolean {
    this.end = Number.POSITIVE_INFINITY;
    const spins = this.#isBack(state) && this.#turns < MOST_TURNS;
    this.#turns = spins ? this.#turns + 1 : 0;
    return spins;
  }

  /** It does something else now. */
  forget(): void {
    this.end = Number.POSITIVE_INFINITY;
    this.#turns = 0;
  }

  #isBack(state: CpuState): boolean {
    if (state.eip !== this.#eip) return false;
    for (let i = 0; i < REGISTERS; i++) if (state.reg(i) !== this.#registers[i]) return false;
    return true;
  }
}
