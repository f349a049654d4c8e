import { type Helper, Outcome } from "../core.ts";
import { enterMmx } from "../fpu/mmx.ts";
import * as L from "../layout.ts";
import { linearAddress, SegmentAccess } from "../system/segmentation.ts";

const EDI = 7;
const MMX_BYTES = 8;

/** MASKMOVQ and MASKMOVDQU: those bytes of the first register whose byte of the second has its top bit set, to DS:(E)DI. */
export const maskMove: Helper = (core, op) => {
  const { state, memory } = core;
  const wide = op.prefix === 0x66;
  const bytes = wide ? 16 : MMX_BYTES;
  const base = wide ? L.XMM : L.FPU_REGS;
  const source = base + 16 * op.reg;
  const mask = base + 16 * op.rm;
  const offset = op.addressSize === 32 ? state.reg(EDI) : state.reg16(EDI);
  const linear = linearAddress(core, op.segment, offset, bytes, SegmentAccess.write);
  const chosen = Array.from({ length: bytes }, (_, n) => n).filter(
    (n) => (state.u8[mask + n] as number) & 0x80,
  );
  // As the processor of the recorded cases does: before a page fault, which is about all bytes whatever the mask.
  if (!wide) enterMmx(state);
  memory.probeWrite(linear, bytes, false);
  for (const n of chosen) memory.write8((linear + n) >>> 0, state.u8[source + n] as number, false);
  return Outcome.next;
};
