import type { ScriptStep } from "./scripted-processor.ts";

/** Steps of a scripted guest that talks to the devices of a PC. */

export const out = (port: number, value: number): ScriptStep => ({
  reason: "io",
  port,
  size: 1,
  access: 1,
  write: true,
  value,
});

export const input = (port: number, size = 1): ScriptStep => ({ reason: "io", port, size, access: 0 });

export const hlt: ScriptStep = { reason: "hlt" };

/** Initialises both interrupt controllers (vectors 0x20 and 0x28) and unmasks the lines of `unmasked`. */
export const initialisePic = (unmasked: number): ScriptStep[] => [
  out(0x20, 0x11),
  out(0x21, 0x20),
  out(0x21, 0x04),
  out(0x21, 0x01),
  out(0xa0, 0x11),
  out(0xa1, 0x28),
  out(0xa1, 0x02),
  out(0xa1, 0x01),
  out(0x21, ~unmasked & 0xff),
  out(0xa1, (~unmasked >> 8) & 0xff),
];

/** Counter 0 in mode 2 with this many clock pulses (of some 838 ns) a tick. */
export const startTimer = (pulses: number): ScriptStep[] => [
  out(0x43, 0x34),
  out(0x40, pulses & 0xff),
  out(0x40, pulses >> 8),
];

/** Non-specific end of interrupt. */
export const eoi = out(0x20, 0x20);

/** Sets EFLAGS.IF, at the cost of a CPUID. */
export const sti: ScriptStep = { reason: "cpuid", interrupts: true };
/** What a handler's IRET does to IF. */
export const iret: ScriptStep = { reason: "cpuid", interrupts: true };
