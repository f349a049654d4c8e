import type { ApicTimerState } from "./apic-timer.ts";

/** Register offsets (table 10-1). */
export const Reg = {
  id: 0x20,
  version: 0x30,
  tpr: 0x80,
  apr: 0x90,
  ppr: 0xa0,
  eoi: 0xb0,
  ldr: 0xd0,
  dfr: 0xe0,
  svr: 0xf0,
  isr: 0x100,
  tmr: 0x180,
  irr: 0x200,
  esr: 0x280,
  icrLow: 0x300,
  icrHigh: 0x310,
  lvtTimer: 0x320,
  lvtThermal: 0x330,
  lvtPerformance: 0x340,
  lvtLint0: 0x350,
  lvtLint1: 0x360,
  lvtError: 0x370,
  initialCount: 0x380,
  currentCount: 0x390,
  divide: 0x3e0,
} as const;

/** The version register: six LVT entries, an integrated APIC of the P6 and Pentium 4. */
export const VERSION = 0x00050014;
export const LVT_MASKED = 1 << 16;
export const LVT_LEVEL = 1 << 15;
export const LVT_REMOTE_IRR = 1 << 14;
/** Of the timer's entry: its mode. */
export const TIMER_MODE_SHIFT = 17;
export const SVR_ENABLE = 1 << 8;
export const ICR_PENDING = 1 << 12;
/** What of the registers software can write. */
export const WRITABLE: Readonly<Record<number, number>> = {
  [Reg.lvtTimer]: 0x000700ff,
  [Reg.lvtThermal]: 0x000107ff,
  [Reg.lvtPerformance]: 0x000107ff,
  [Reg.lvtLint0]: 0x0001a7ff,
  [Reg.lvtLint1]: 0x0001a7ff,
  [Reg.lvtError]: 0x000100ff,
};
/** The offsets of the entries of the local vector table. */
export const LVT_REGISTERS = Object.keys(WRITABLE).map(Number);
/** Those that neither change by being read nor with time alone. */
export const PEEKABLE: ReadonlySet<number> = new Set([
  Reg.id,
  Reg.version,
  Reg.tpr,
  Reg.ldr,
  Reg.dfr,
  Reg.svr,
  Reg.icrLow,
  Reg.icrHigh,
  Reg.initialCount,
  Reg.divide,
  ...LVT_REGISTERS,
]);

export interface LocalApicState {
  /** IA32_APIC_BASE, low word. */
  base: number;
  id: number;
  tpr: number;
  ldr: number;
  dfr: number;
  svr: number;
  /** 256 bits each. */
  isr: number[];
  tmr: number[];
  irr: number[];
  /** What software sees, and what has come since it last wrote. */
  esr: number;
  errors: number;
  icrLow: number;
  icrHigh: number;
  /** By register offset. */
  lvt: Record<number, number>;
  timer: ApicTimerState;
  /** The pin of the 8259 pair. */
  extInt: boolean;
}

/** What a reset, INIT and a disabling make of it. */
export function afterReset(id: number): Omit<LocalApicState, "base" | "extInt" | "timer"> {
  return {
    id,
    tpr: 0,
    ldr: 0,
    dfr: 0xffffffff,
    svr: 0xff,
    isr: Array(8).fill(0),
    tmr: Array(8).fill(0),
    irr: Array(8).fill(0),
    esr: 0,
    errors: 0,
    icrLow: 0,
    icrHigh: 0,
    lvt: Object.fromEntries(LVT_REGISTERS.map((register) => [register, LVT_MASKED])),
  };
}
