import { type Core, type HelperOp, Vector } from "../core.ts";
import * as L from "../layout.ts";
import { Cr4 } from "../state.ts";
import { linearAddress, SegmentAccess } from "../system/segmentation.ts";
import { judge } from "./arithmetic.ts";

/** The source operand of the running instruction: its words. */
export const source = new Int32Array(4);
/** What will be written when no exception is unmasked. */
export const result = new Int32Array(4);

/** Word index in the register file of XMM register n, and of MMX register n. */
export const xmmAt = (n: number): number => (L.XMM + 16 * n) >> 2;
export const mmxAt = (n: number): number => (L.FPU_REGS + 16 * n) >> 2;

/** Reads 4, 8 or 16 bytes (which must be aligned in memory) of the r/m operand; a register lies at word `register`. */
export function readSource(core: Core, op: HelperOp, bytes: number, register = xmmAt(op.rm)): void {
  const { i32 } = core.state;
  if (!op.memory) {
    for (let k = 0; k < bytes >> 2; k++) source[k] = i32[register + k] as number;
    return;
  }
  const linear = linearAddress(core, op.segment, op.offset, bytes, SegmentAccess.read);
  if (bytes === 16 && linear & 15) core.raise(Vector.GP, 0);
  if (bytes === 8) core.memory.requireAligned(linear, 8);
  const host =
    (linear & 3) === 0 && (linear & 0xfff) + bytes <= 4096 ? core.memory.direct(linear, false, false) : -1;
  if (host >= 0) {
    for (let k = 0; k < bytes >> 2; k++) source[k] = i32[(host >>> 2) + k] as number;
    return;
  }
  for (let k = 0; k < bytes; k += 4) source[k >> 2] = core.memory.read32((linear + k) >>> 0, false);
}

/** The exceptions of all elements: into MXCSR, and #XM (#UD without CR4.OSXMMEXCPT) if one is unmasked. */
export function settle(core: Core, flags: number): void {
  if (flags === 0) return;
  const { state } = core;
  const mxcsr = state.get(L.MXCSR);
  const verdict = judge(mxcsr, flags);
  state.set(L.MXCSR, mxcsr | verdict.flags);
  if (verdict.faults) core.raise(state.cr4 & Cr4.OSXMMEXCPT ? Vector.XM : Vector.UD);
}

/** Writes the first `bytes` bytes of `result` to the register at a word index. */
export function writeResult(core: Core, register: number, bytes: number): void {
  const { i32 } = core.state;
  for (let k = 0; k < bytes >> 2; k++) i32[register + k] = result[k] as number;
}
