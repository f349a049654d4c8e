import { FpuBench } from "./bench-core.ts";
import { RECORD, runOnProcessor } from "./native/oracle.ts";
import type { Dice } from "./operands.ts";
import { type CaseOptions, describeRecord, type Form, fillRecord } from "./records.ts";

export interface Batch {
  readonly forms: readonly Form[];
  readonly count: number;
  readonly options?: CaseOptions;
}

/** Executes one record on the unit under test, in place. */
function execute(bench: FpuBench, record: Uint8Array): void {
  const view = new DataView(record.buffer, record.byteOffset, RECORD);
  bench.restore(record.subarray(0, 108));
  bench.ram.set(record.subarray(128, 256), 0x100);
  bench.state.eflags = view.getUint32(116, true);
  bench.state.setReg(0, 0);
  const opcode = record[109] as number;
  const modrm = record[110] as number;
  if (modrm < 0xc0) bench.memory(opcode, modrm >> 3, 0x100);
  else bench.register(opcode, modrm);
  view.setUint32(116, bench.state.eflags, true);
  view.setUint32(120, bench.state.reg(0), true);
  record.set(bench.ram.subarray(0x100, 0x180), 128);
  record.set(bench.save(), 0);
}

export interface Difference {
  readonly form: string;
  readonly before: string[];
  readonly processor: string[];
  readonly umbra: string[];
}

/** How two records that should be equal are compared: undefined when they agree. */
export type Comparison = (
  form: Form,
  before: Uint8Array,
  processor: Uint8Array,
  umbra: Uint8Array,
) => boolean;

const POINTERS_FROM = 12;
const POINTERS_TO = 28;

/** Every bit of state, memory, EFLAGS and EAX; the last-instruction pointers (also where FNSTENV stored them) excepted. */
export const exactly: Comparison = (form, _before, processor, umbra) => {
  const stored = form.modrm < 0xc0 && (form.opcode === 0xd9 || form.opcode === 0xdd) && form.modrm >> 3 === 6;
  for (let at = 0; at < RECORD; at++) {
    if (at >= POINTERS_FROM && at < POINTERS_TO) continue;
    if (stored && at >= 128 + POINTERS_FROM && at < 128 + POINTERS_TO) continue;
    if (at >= 116 && at < 120) continue;
    if (processor[at] !== umbra[at]) return false;
  }
  return arithmeticFlags(processor) === arithmeticFlags(umbra);
};

function arithmeticFlags(record: Uint8Array): number {
  return new DataView(record.buffer, record.byteOffset, RECORD).getUint32(116, true) & 0x8d5;
}

/**
 * FCOMI and its kin follow the manual of the P6: C1 is cleared, and an unmasked invalid operation leaves ZF, PF and CF. AMD
 * processors keep C1 and set the flags to unordered.
 */
export const exactlyAsP6: Comparison = (form, before, processor, umbra) => {
  const alike = umbra.slice();
  alike[5] = ((umbra[5] as number) & ~2) | ((processor[5] as number) & 2);
  const invalidUnmasked = ((umbra[4] as number) & ~(umbra[0] as number) & 1) !== 0;
  if (invalidUnmasked) {
    if (arithmeticFlags(umbra) !== (arithmeticFlags(before) & 0x45)) return false;
    alike.set(processor.subarray(116, 120), 116);
  }
  return ((umbra[5] as number) & 2) === 0 && exactly(form, before, processor, alike);
};

/** Runs a batch on both and returns what differs. */
export function differences(batch: Batch, dice: Dice, same: Comparison = exactly): Difference[] {
  const { forms, count } = batch;
  const total = forms.length * count;
  const before = new Uint8Array(total * RECORD);
  const at = (all: Uint8Array, n: number): Uint8Array => all.subarray(n * RECORD, (n + 1) * RECORD);
  for (let n = 0; n < total; n++)
    fillRecord(at(before, n), forms[n % forms.length] as Form, dice, batch.options);
  const processor = runOnProcessor(before);
  if (processor.length !== before.length)
    throw new Error(`the oracle answered ${processor.length} bytes of ${before.length}`);
  const umbra = before.slice();
  const bench = new FpuBench();
  const found: Difference[] = [];
  for (let n = 0; n < total; n++) {
    execute(bench, at(umbra, n));
    const form = forms[n % forms.length] as Form;
    if (!same(form, at(before, n), at(processor, n), at(umbra, n)))
      found.push({
        form: form.name,
        before: describeRecord(at(before, n)),
        processor: describeRecord(at(processor, n)),
        umbra: describeRecord(at(umbra, n)),
      });
  }
  return found;
}

/** C1 and the precision and underflow exceptions: what a transcendental result that is one unit off may have different. */
const ROUNDING_BITS = 0x0230;
/** ES and B: whether any unmasked exception is flagged. */
const PENDING = 0x8080;

/**
 * For transcendental functions: the registers may differ by `units` in the last place, and rounding may be reported
 * differently; everything else is exact.
 */
export function withinUnits(units: number): Comparison {
  return (form, before, processor, umbra) => {
    const close = umbra.slice();
    const theirs = new DataView(processor.buffer, processor.byteOffset, RECORD);
    const ours = new DataView(close.buffer);
    const rounding = theirs.getUint16(4, true) & ROUNDING_BITS;
    let status = (ours.getUint16(4, true) & ~(ROUNDING_BITS | PENDING)) | rounding;
    if (status & ~theirs.getUint16(0, true) & 0x3f) status |= PENDING;
    ours.setUint16(4, status, true);
    for (let at = 28; at < 108; at += 10) {
      const distance = ordinal(ours, at) - ordinal(theirs, at);
      const apart = distance < 0n ? -distance : distance;
      if (apart <= BigInt(units)) close.set(processor.subarray(at, at + 10), at);
    }
    return exactly(form, before, processor, close);
  };
}

/** Consecutive finite 80-bit values of one sign have consecutive ordinals. */
function ordinal(view: DataView, at: number): bigint {
  const se = view.getUint16(at + 8, true);
  const magnitude = (BigInt(se & 0x7fff) << 63n) | (view.getBigUint64(at, true) & 0x7fffffffffffffffn);
  return se & 0x8000 ? -magnitude : magnitude;
}
