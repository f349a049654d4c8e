import { ExitControl } from "../../../src/cpu/exit.ts";
import * as L from "../../../src/cpu/layout.ts";
import { Cr0, Cr4, Efer } from "../../../src/cpu/state.ts";
import { cr4Writable } from "../../../src/cpu/system/control-registers.ts";
import { ExtendedFeature } from "../../../src/cpu/system/index.ts";
import { type EngineGuest, STACK0 } from "../engine/support/guest.ts";
import type { Random } from "../instructions/support/random.ts";
import {
  FIRST,
  hasRealSegments,
  isReal,
  PAGE,
  PAGES,
  type Place,
  SELECTORS,
  Select,
  SIZE,
} from "./places.ts";

/** Random registers for random programs. */

const ALL_CONTROLS = Object.values(ExitControl).reduce((all, bit) => all | bit, 0);
const VECTOR_TABLE = 0x1000;
const DR7_FIXED = 0x400;
const DR7_BITS = 0xffff23ff;
/** Of CR4, what may be on: PAE is the place's affair. */
const CR4_CHOICE = ~Cr4.PAE;
const CR0_CHOICE = Cr0.MP | Cr0.NE | Cr0.WP | Cr0.AM;
const CR0_SELDOM = Cr0.EM | Cr0.TS;

function generalRegister(random: Random): number {
  if (random.below(8) === 0) return random.pick(SELECTORS);
  return random.below(2) ? random.operand() : FIRST + random.below(SIZE);
}

function segments({ cpu: { state } }: EngineGuest, random: Random, place: Place, start: number): void {
  if (hasRealSegments(place)) {
    const dpl = place.mode === "vm86" ? 0x60 : 0;
    for (let n = 0; n < 6; n++) {
      const limit = place.mode === "unreal" && n !== 1 ? 0xffffffff : 0xffff;
      state.setSegment(n, FIRST >> 4, FIRST, limit, (n === 1 && !dpl ? 0x9b : 0x93) | dpl);
    }
    state.eip = start & 0xffff;
    state.setReg(4, random.below(0x10000));
    if (!isReal(place)) return;
    state.set(L.CR0, 0x10);
    state.set(L.IDTR_BASE, VECTOR_TABLE);
    state.set(L.IDTR_LIMIT, 0x3ff);
  } else if (place.mode === "16 bits") {
    const dpl = place.ring << 5;
    state.setSegment(1, Select.code16 | place.ring, FIRST, 0xffff, 0x9b | dpl);
    state.setSegment(2, Select.data16 | place.ring, FIRST, 0xffff, 0x93 | dpl);
    if (random.below(2)) {
      const limit = random.below(0xffff);
      state.setSegment(3, Select.data16 | place.ring, FIRST, limit, 0x93 | dpl | (random.below(2) << 2));
    }
    state.eip = start & 0xffff;
  }
}

function controlRegisters({ cpu }: EngineGuest, random: Random, place: Place, cr3: number): void {
  const { state, cpuid } = cpu;
  let cr0 = state.cr0;
  if (random.below(3) === 0) cr0 ^= random.word() & CR0_CHOICE;
  if (random.below(12) === 0) cr0 ^= random.word() & CR0_SELDOM;
  if (place.paging !== "off") cr0 |= Cr0.PG;
  state.set(L.CR0, cr0);
  const exist = cr4Writable(cpuid.features, cpuid.structuredFeatures, cpuid.structuredFeatures2);
  let cr4 = state.cr4 & exist;
  if (random.below(2)) cr4 ^= random.word() & exist & CR4_CHOICE;
  // Nothing of a user's pages can be run by the supervisor then: seldom.
  if (random.below(4)) cr4 &= ~(Cr4.SMEP | Cr4.SMAP);
  if (place.paging === "pae") cr4 |= Cr4.PAE;
  state.set(L.CR4, cr4);
  state.set(L.CR3, cr3);
  if (cpuid.extendedFeatures & ExtendedFeature.NX && random.below(2)) state.set(L.EFER, Efer.NXE);
  if (place.paging === "pae") cpu.walker.latchPdptes(cr3);
}

/** Breakpoints where code, data or the stack are likely to be, or ports. */
function debugRegisters({ cpu }: EngineGuest, random: Random, start: number): void {
  if (random.below(3)) return;
  const { state } = cpu;
  for (let n = 0; n < 4; n++) {
    const near = [
      start + random.below(32),
      FIRST + random.below(SIZE),
      STACK0 - random.below(32),
      state.reg(4) - random.below(16),
    ];
    state.set(L.DR0 + 4 * n, random.below(8) ? random.pick(near) : random.word() & 0xffff);
  }
  // General detect, seldom.
  const bits = random.below(8) ? DR7_BITS & ~0x2000 : DR7_BITS;
  state.set(L.DR7, (random.word() & bits) | DR7_FIXED);
  state.set(L.DR6, 0xffff0ff0);
}

function floatingState({ cpu: { state, cpuid } }: EngineGuest, random: Random): void {
  for (let at: number = L.XMM; at < L.MXCSR; at += 4) state.set(at, random.operand());
  // Often all is masked, as programs have it.
  state.set(L.MXCSR, random.below(2) ? 0x1f80 : random.word() & 0xffff);
  for (let n = 0; n < 8; n++) {
    const at = L.FPU_REGS + 16 * n;
    state.set(at, random.operand());
    state.set(at + 4, random.below(4) ? random.word() | 0x80000000 : random.operand());
    const exponent = random.below(4) ? 0x3fc0 + random.below(0x80) : random.below(0x8000);
    state.set(at + 8, exponent | (random.below(2) << 15));
  }
  state.set(L.FPU_CONTROL, random.below(3) ? 0x37f : (random.word() & 0xf3f) | 0x40);
  state.set(L.FPU_STATUS, random.word() & 0x7f00);
  state.set(L.FPU_EMPTY, random.below(256));
  for (let n = 0; n < 3; n++)
    state.set(
      L.SYSENTER + 4 * n,
      cpuid.features & (1 << 11) ? ([8, STACK0, FIRST + random.below(SIZE)][n] as number) : 0,
    );
}

/** Everything that a program starts with but its memory, and what the monitor wants to see of it. */
export function setRegisters(guest: EngineGuest, random: Random, place: Place, cr3: number): void {
  const { cpu } = guest;
  const { state } = cpu;
  // Near the end of a page, often.
  const start =
    FIRST + (random.below(3) ? random.below(SIZE) : (1 + random.below(PAGES - 1)) * PAGE - random.below(16));
  const esp = FIRST + 0x8000 + random.below(0x8000);
  guest.enterFlat({ ring: place.ring, paged: false, eip: start, esp });
  for (let n = 0; n < 8; n++) if (n !== 4) state.setReg(n, generalRegister(random));
  controlRegisters(guest, random, place, cr3);
  segments(guest, random, place, start);
  floatingState(guest, random);
  debugRegisters(guest, random, start);
  state.eflags =
    (random.word() & 0x4cd5) |
    2 |
    (random.below(2) << 9) |
    (random.below(12) === 0 ? 0x100 : 0) |
    (random.below(8) === 0 ? 0x10000 : 0) |
    (random.below(8) === 0 ? 0x40000 : 0) |
    (random.below(8) === 0 ? random.word() & 0x180000 : 0) |
    (random.below(4) === 0 ? 0x3000 : 0) |
    (place.mode === "vm86" ? 0x20000 : 0);
  state.updateMode();
  cpu.controls = random.below(3) === 0 ? random.word() & ALL_CONTROLS : 0;
  cpu.intercepts.exceptions = random.below(4) === 0 ? random.word() : 0;
  cpu.windowRequested = random.below(4) === 0;
  cpu.core.breakpointsChanged();
  cpu.flushTlbAll();
}
