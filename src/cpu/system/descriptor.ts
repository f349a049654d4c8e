import type { Core } from "../core.ts";
import * as L from "../layout.ts";
import { Segment } from "./segmentation.ts";

/** System descriptor types (Intel SDM vol. 3, table 3-2). */
export const SystemType = {
  tss16: 1,
  ldt: 2,
  tss16Busy: 3,
  callGate16: 4,
  taskGate: 5,
  interruptGate16: 6,
  trapGate16: 7,
  tss32: 9,
  tss32Busy: 11,
  callGate32: 12,
  interruptGate32: 14,
  trapGate32: 15,
} as const;

/** Selectors 0 to 3 name no descriptor. */
export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;

/** Error code of a fault about a selector: its RPL bits are replaced by the EXT bit (`ext` 0 or 1). */
export const selectorError = (selector: number, ext = 0): number => (selector & 0xfffc) | ext;

/** An 8-byte segment or gate descriptor as read from a descriptor table (Intel SDM vol. 3, 3.4.5). */
export class Descriptor {
  readonly selector: number;
  /** Linear address of the descriptor itself. */
  readonly address: number;
  readonly low: number;
  readonly high: number;

  constructor(selector: number, address: number, low: number, high: number) {
    this.selector = selector;
    this.address = address;
    this.low = low;
    this.high = high;
  }

  get base(): number {
    return ((this.low >>> 16) | ((this.high & 0xff) << 16) | (this.high & 0xff000000)) >>> 0;
  }
  /** In bytes, scaled by G. */
  get limit(): number {
    const limit = (this.low & 0xffff) | (this.high & 0xf0000);
    return this.high & 0x800000 ? ((limit << 12) | 0xfff) >>> 0 : limit;
  }
  /** In the form of layout SEG_ATTR. */
  get attributes(): number {
    return (this.high >>> 8) & 0xf0ff;
  }
  get dpl(): number {
    return (this.high >>> 13) & 3;
  }
  get present(): boolean {
    return (this.high & 0x8000) !== 0;
  }
  /** S: a code or data segment, not a system descriptor. */
  get codeOrData(): boolean {
    return (this.high & 0x1000) !== 0;
  }
  get code(): boolean {
    return (this.high & 0x1800) === 0x1800;
  }
  get conforming(): boolean {
    return (this.high & 0x1c00) === 0x1c00;
  }
  get readable(): boolean {
    return (this.high & 0x1800) === 0x1000 || (this.high & 0x1a00) === 0x1a00;
  }
  get writable(): boolean {
    return (this.high & 0x1a00) === 0x1200;
  }
  /** D/B. */
  get big(): boolean {
    return (this.high & 0x400000) !== 0;
  }
  private get expandDown(): boolean {
    return (this.high & 0x1c00) === 0x1400;
  }
  /** First and last valid offset of a data segment. */
  get firstOffset(): number {
    return this.expandDown ? this.limit + 1 : 0;
  }
  get lastOffset(): number {
    if (!this.expandDown) return this.limit;
    return this.big ? 0xffffffff : 0xffff;
  }

  /** Type of a system descriptor; -1 for code and data. */
  get systemType(): number {
    return this.codeOrData ? -1 : (this.high >>> 8) & 0xf;
  }
  get gateSelector(): number {
    return this.low >>> 16;
  }
  /** Entry point of a 32-bit gate; a 16-bit gate has only the low half. */
  get gateOffset(): number {
    const offset = this.low & 0xffff;
    return this.high & 0x800 ? (offset | (this.high & 0xffff0000)) >>> 0 : offset;
  }
  /** Parameters that a call gate copies. */
  get gateParameters(): number {
    return this.high & 0x1f;
  }
}

/** Reads the descriptor of a selector, undefined when it lies outside its table. The selector must not be null. */
export function lookUpDescriptor(core: Core, selector: number): Descriptor | undefined {
  const { state, memory } = core;
  const index = selector & 0xfff8;
  let base: number;
  if (selector & 4) {
    if (state.segAttr(Segment.LDTR) === 0 || index + 7 > state.segLimit(Segment.LDTR)) return undefined;
    base = state.segBase(Segment.LDTR);
  } else {
    if (index + 7 > state.get(L.GDTR_LIMIT)) return undefined;
    base = state.get(L.GDTR_BASE);
  }
  const address = (base + index) >>> 0;
  const low = memory.read32(address, true);
  const high = memory.read32((address + 4) >>> 0, true);
  return new Descriptor(selector, address, low, high);
}

/** Reads the descriptor of a selector; outside its table raises `vector` with the selector as error code. */
export function fetchDescriptor(core: Core, selector: number, vector: number, ext = 0): Descriptor {
  return lookUpDescriptor(core, selector) ?? core.raise(vector, selectorError(selector, ext));
}

/**
 * Sets the accessed bit in the descriptor table if it is clear. Call it after all checks and before any change of state: the
 * write may fault, and doing it twice does no harm.
 */
export function markAccessed(core: Core, descriptor: Descriptor): void {
  if ((descriptor.high & 0x100) === 0) {
    core.memory.write8((descriptor.address + 5) >>> 0, ((descriptor.high >>> 8) & 0xff) | 1, true);
  }
}

/** Loads segment record `index` from a checked code or data descriptor. The mode must be updated afterwards. */
export function setSegmentFrom(core: Core, index: number, selector: number, descriptor: Descriptor): void {
  core.state.setSegment(index, selector, descriptor.base, descriptor.limit, descriptor.attributes | 1);
}
