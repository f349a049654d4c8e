import type { Core } from "../core.ts";
import { SystemType } from "./descriptor.ts";

/** A task's state as its TSS holds it. */
export interface TaskImage {
  readonly eip: number;
  readonly eflags: number;
  /** In encoding order. */
  readonly registers: readonly number[];
  /** ES CS SS DS FS GS. */
  readonly selectors: readonly number[];
  readonly ldt: number;
  /** 0 in a 16-bit TSS, which has none. */
  readonly cr3: number;
  readonly debugTrap: boolean;
}

/** Where a kind of TSS has what (Intel SDM vol. 3, figures 7-2 and 7-10). */
export interface TssFormat {
  readonly wide: boolean;
  /** The limit must be at least this. */
  readonly lastByte: number;
  /** What a task that is left has written to its TSS. */
  readonly firstSaved: number;
  readonly savedBytes: number;
  /** Writes the current registers with this EIP and EFLAGS. */
  save(core: Core, base: number, eip: number, eflags: number): void;
}

const REGISTERS = [0, 1, 2, 3, 4, 5, 6, 7] as const;
/** EIP, EFLAGS, eight registers, six selectors, four bytes each. */
const WIDE = {
  eip: 0x20,
  eflags: 0x24,
  registers: 0x28,
  selectors: 0x48,
  ldt: 0x60,
  trap: 0x64,
  cr3: 0x1c,
} as const;
/** IP, FLAGS, eight registers, four selectors, two bytes each. */
const NARROW = { eip: 0x0e, eflags: 0x10, registers: 0x12, selectors: 0x22, ldt: 0x2a } as const;
/** A 16-bit TSS leaves the upper halves of the registers undefined; they are set, as they are after such a switch on emulators. */
const UPPER_HALF = 0xffff0000;

const wide: TssFormat = {
  wide: true,
  lastByte: 0x67,
  firstSaved: WIDE.eip,
  savedBytes: 0x40,
  save: (core, base, eip, eflags) => {
    const { state, memory } = core;
    const put = (at: number, value: number): void => memory.write32((base + at) >>> 0, value >>> 0, true);
    put(WIDE.eip, eip);
    put(WIDE.eflags, eflags);
    for (const index of REGISTERS) put(WIDE.registers + index * 4, state.reg(index));
    for (let index = 0; index < 6; index++)
      memory.write16((base + WIDE.selectors + index * 4) >>> 0, state.selector(index), true);
  },
};

const narrow: TssFormat = {
  wide: false,
  lastByte: 0x2b,
  firstSaved: NARROW.eip,
  savedBytes: 0x1c,
  save: (core, base, eip, eflags) => {
    const { state, memory } = core;
    const put = (at: number, value: number): void => memory.write16((base + at) >>> 0, value & 0xffff, true);
    put(NARROW.eip, eip);
    put(NARROW.eflags, eflags);
    for (const index of REGISTERS) put(NARROW.registers + index * 2, state.reg16(index));
    for (let index = 0; index < 4; index++) put(NARROW.selectors + index * 2, state.selector(index));
  },
};

/** By the type of the TSS's descriptor, busy or not. */
export const tssFormatOf = (type: number): TssFormat => (type >= SystemType.tss32 ? wide : narrow);

export function readTaskImage(core: Core, base: number, format: TssFormat): TaskImage {
  const { memory } = core;
  const word = (at: number): number => memory.read16((base + at) >>> 0, true);
  const double = (at: number): number => memory.read32((base + at) >>> 0, true);
  if (format.wide)
    return {
      eip: double(WIDE.eip),
      eflags: double(WIDE.eflags),
      registers: REGISTERS.map((index) => double(WIDE.registers + index * 4)),
      selectors: [0, 1, 2, 3, 4, 5].map((index) => word(WIDE.selectors + index * 4)),
      ldt: word(WIDE.ldt),
      cr3: double(WIDE.cr3),
      debugTrap: (word(WIDE.trap) & 1) !== 0,
    };
  return {
    eip: word(NARROW.eip),
    eflags: word(NARROW.eflags),
    registers: REGISTERS.map((index) => (word(NARROW.registers + index * 2) | UPPER_HALF) >>> 0),
    selectors: [...[0, 1, 2, 3].map((index) => word(NARROW.selectors + index * 2)), 0, 0],
    ldt: word(NARROW.ldt),
    cr3: 0,
    debugTrap: false,
  };
}
