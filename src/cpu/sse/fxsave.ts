import { type Core, type Helper, type HelperOp, Outcome, Vector } from "../core.ts";
import { CONTROL_FIXED, CONTROL_WRITABLE } from "../fpu/environment.ts";
import { BUSY, ES, EXCEPTIONS, TOP_SHIFT } from "../fpu/flags.ts";
import * as L from "../layout.ts";
import { type CpuState, Cr0, Cr4 } from "../state.ts";
import { Feature } from "../system/cpu-models.ts";
import { linearAddress, probeWriteRange, SegmentAccess } from "../system/segmentation.ts";
import { MXCSR_MASK } from "./mxcsr.ts";

/** FXSAVE and FXRSTOR: 512 bytes in the format of SDM vol. 1, table 10-2. */

const SIZE = 512;
/** Offsets of the parts. Behind XMM7 all is reserved: FXSAVE writes nothing there. */
const Image = {
  control: 0,
  status: 2,
  tags: 4,
  opcode: 6,
  ip: 8,
  cs: 12,
  dp: 16,
  ds: 20,
  mxcsr: 24,
  mask: 28,
} as const;
const ST = 32;
const XMM = 160;
const END = 288;
const REGISTERS = 8;
const ST_BYTES = 10;

const bytes = new Uint8Array(END);
const view = new DataView(bytes.buffer);

/** The linear address of the operand. Neither #UD nor #MF come of these two: #NM, then alignment, then the segment. */
function place(core: Core, op: HelperOp, access: SegmentAccess): number {
  if (core.state.cr0 & (Cr0.EM | Cr0.TS)) core.raise(Vector.NM);
  const linear = linearAddress(core, op.segment, op.offset, SIZE, access);
  if (linear & 15) core.raise(Vector.GP, 0);
  return linear;
}

const hasSse = (core: Core): boolean => (core.cpuid.features & Feature.SSE) !== 0;
/** Without CR4.OSFXSR, XMM registers are left out. */
const movesXmm = (core: Core): boolean => hasSse(core) && (core.state.cr4 & Cr4.OSFXSR) !== 0;

/** Place of ST(i) in the register file. */
const stackRegister = (status: number, i: number): number =>
  L.FPU_REGS + 16 * (((status >> TOP_SHIFT) + i) & (REGISTERS - 1));

/** FXSAVE. */
export const fxsave: Helper = (core, op) => {
  const { state, memory } = core;
  const linear = place(core, op, SegmentAccess.write);
  probeWriteRange(core, linear, SIZE, false);
  const end = movesXmm(core) ? END : XMM;
  pack(state, hasSse(core));
  for (let at = 0; at < end; at += 4) {
    if ((at === Image.mxcsr || at === Image.mask) && !hasSse(core)) continue;
    memory.write32((linear + at) >>> 0, view.getUint32(at, true), false);
  }
  return Outcome.next;
};

function pack(state: CpuState, sse: boolean): void {
  bytes.fill(0);
  const status = state.get(L.FPU_STATUS);
  view.setUint16(Image.control, state.get(L.FPU_CONTROL), true);
  view.setUint16(Image.status, status, true);
  bytes[Image.tags] = ~state.get(L.FPU_EMPTY);
  view.setUint16(Image.opcode, state.get(L.FPU_LAST_OPCODE), true);
  view.setUint32(Image.ip, state.get(L.FPU_LAST_IP), true);
  view.setUint16(Image.cs, state.get(L.FPU_LAST_CS), true);
  view.setUint32(Image.dp, state.get(L.FPU_LAST_DP), true);
  view.setUint16(Image.ds, state.get(L.FPU_LAST_DS), true);
  if (sse) {
    view.setUint32(Image.mxcsr, state.get(L.MXCSR), true);
    view.setUint32(Image.mask, MXCSR_MASK, true);
  }
  for (let i = 0; i < REGISTERS; i++) {
    const from = stackRegister(status, i);
    bytes.set(state.u8.subarray(from, from + ST_BYTES), ST + 16 * i);
  }
  bytes.set(state.u8.subarray(L.XMM, L.XMM + 16 * REGISTERS), XMM);
}

/** FXRSTOR: #GP(0) for reserved bits of MXCSR, before anything has changed. */
export const fxrstor: Helper = (core, op) => {
  const { state, memory } = core;
  const linear = place(core, op, SegmentAccess.read);
  memory.probeRead(linear, SIZE, false);
  for (let at = 0; at < END; at += 4) view.setUint32(at, memory.read32((linear + at) >>> 0, false), true);
  const mxcsr = view.getUint32(Image.mxcsr, true);
  if (hasSse(core)) {
    if (mxcsr & ~MXCSR_MASK) core.raise(Vector.GP, 0);
    state.set(L.MXCSR, mxcsr);
  }
  const control = (view.getUint16(Image.control, true) & CONTROL_WRITABLE) | CONTROL_FIXED;
  let status = view.getUint16(Image.status, true) & ~(ES | BUSY);
  if (status & ~control & EXCEPTIONS) status |= ES | BUSY;
  state.set(L.FPU_CONTROL, control);
  state.set(L.FPU_STATUS, status);
  state.set(L.FPU_EMPTY, ~(bytes[Image.tags] as number) & 0xff);
  state.set(L.FPU_LAST_OPCODE, view.getUint16(Image.opcode, true) & 0x7ff);
  state.set(L.FPU_LAST_IP, view.getUint32(Image.ip, true));
  state.set(L.FPU_LAST_CS, view.getUint16(Image.cs, true));
  state.set(L.FPU_LAST_DP, view.getUint32(Image.dp, true));
  state.set(L.FPU_LAST_DS, view.getUint16(Image.ds, true));
  for (let i = 0; i < REGISTERS; i++)
    state.u8.set(bytes.subarray(ST + 16 * i, ST + 16 * i + ST_BYTES), stackRegister(status, i));
  if (movesXmm(core)) state.u8.set(bytes.subarray(XMM, END), L.XMM);
  return Outcome.next;
};

/** LDMXCSR: #GP(0) for reserved bits. */
export const ldmxcsr: Helper = (core, op) => {
  const value = core.memory.read32(linearAddress(core, op.segment, op.offset, 4, SegmentAccess.read), false);
  if (value & ~MXCSR_MASK) core.raise(Vector.GP, 0);
  core.state.set(L.MXCSR, value);
  return Outcome.next;
};

/** CLFLUSH: permissions are checked as for the load of a byte, which is not done. */
export const clflush: Helper = (core, op) => {
  core.memory.probeRead(linearAddress(core, op.segment, op.offset, 1, SegmentAccess.read), 1, false);
  return Outcome.next;
};
