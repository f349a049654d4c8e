import type { Core } from "../core.ts";
import { Vector } from "../core.ts";
import * as L from "../layout.ts";

/** Segment registers in encoding order, then the two system segments. */
export const Segment = { ES: 0, CS: 1, SS: 2, DS: 3, FS: 4, GS: 5, LDTR: 6, TR: 7 } as const;

/** What an access needs of a segment; the bits of layout SEG_PERM. */
export const SegmentAccess = { read: 1, write: 2, execute: 4 } as const;
export type SegmentAccess = (typeof SegmentAccess)[keyof typeof SegmentAccess];

/**
 * The linear address of `size` bytes at `segment`:`offset`, checked against the segment's limit and type (Intel SDM vol. 3,
 * 5.3 and 5.5). Raises #SS(0) for SS and #GP(0) for the others. Allocation-free: the slow address micro-operation calls it.
 */
export function linearAddress(
  core: Core,
  segment: number,
  offset: number,
  size: number,
  access: SegmentAccess,
): number {
  const words = core.state.u32;
  const at = (L.SEG + segment * L.SEG_SIZE) >> 2;
  const first = offset >>> 0;
  if (
    ((words[at + (L.SEG_PERM >> 2)] as number) & access) === 0 ||
    first < (words[at + (L.SEG_LO >> 2)] as number) ||
    first + size - 1 > (words[at + (L.SEG_HI >> 2)] as number)
  ) {
    core.raise(segment === Segment.SS ? Vector.SS : Vector.GP, 0);
  }
  return ((words[at + (L.SEG_BASE >> 2)] as number) + first) >>> 0;
}

export function readMemory8(core: Core, segment: number, offset: number): number {
  return core.memory.read8(linearAddress(core, segment, offset, 1, SegmentAccess.read), false);
}

export function readMemory16(core: Core, segment: number, offset: number): number {
  return core.memory.read16(linearAddress(core, segment, offset, 2, SegmentAccess.read), false);
}

export function readMemory32(core: Core, segment: number, offset: number): number {
  return core.memory.read32(linearAddress(core, segment, offset, 4, SegmentAccess.read), false);
}

export function writeMemory8(core: Core, segment: number, offset: number, value: number): void {
  core.memory.write8(linearAddress(core, segment, offset, 1, SegmentAccess.write), value, false);
}

export function writeMemory16(core: Core, segment: number, offset: number, value: number): void {
  core.memory.write16(linearAddress(core, segment, offset, 2, SegmentAccess.write), value, false);
}

export function writeMemory32(core: Core, segment: number, offset: number, value: number): void {
  core.memory.write32(linearAddress(core, segment, offset, 4, SegmentAccess.write), value, false);
}

/** Reads 1, 2 or 4 bytes, zero-extended. */
export function readMemory(core: Core, segment: number, offset: number, size: number): number {
  const linear = linearAddress(core, segment, offset, size, SegmentAccess.read);
  return readLinear(core, linear, size, false);
}

/** Writes 1, 2 or 4 bytes. */
export function writeMemory(core: Core, segment: number, offset: number, size: number, value: number): void {
  writeLinear(core, linearAddress(core, segment, offset, size, SegmentAccess.write), size, value, false);
}

/** Reads 1, 2 or 4 bytes at a linear address, zero-extended. */
export function readLinear(core: Core, linear: number, size: number, supervisor: boolean): number {
  if (size === 4) return core.memory.read32(linear, supervisor);
  if (size === 2) return core.memory.read16(linear, supervisor);
  return core.memory.read8(linear, supervisor);
}

/** Writes 1, 2 or 4 bytes at a linear address. */
export function writeLinear(
  core: Core,
  linear: number,
  size: number,
  value: number,
  supervisor: boolean,
): void {
  if (size === 4) core.memory.write32(linear, value, supervisor);
  else if (size === 2) core.memory.write16(linear, value, supervisor);
  else core.memory.write8(linear, value, supervisor);
}

/** Probes a write of up to a page of bytes, which may lie in two pages. */
export function probeWriteRange(core: Core, linear: number, size: number, supervisor: boolean): void {
  const inFirstPage = 4096 - (linear & 4095);
  if (size <= inFirstPage) {
    core.memory.probeWrite(linear, size, supervisor);
    return;
  }
  core.memory.probeWrite(linear, inFirstPage, supervisor);
  core.memory.probeWrite((linear + inFirstPage) >>> 0, size - inFirstPage, supervisor);
}
