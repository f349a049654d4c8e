import * as L from "./layout.ts";
import { type CpuState, Cr4 } from "./state.ts";
import { TlbRight } from "./tlb-right.ts";

/** What a breakpoint waits for: DR7.R/W0 to R/W3. */
const Kind = { execute: 0, write: 1, io: 2, access: 3 } as const;

const READS = TlbRight.readSupervisor | TlbRight.readUser;
const WRITES = TlbRight.writeSupervisor | TlbRight.writeUser;
const EXECUTES = TlbRight.executeSupervisor | TlbRight.executeUser;
const ALL_RIGHTS = READS | WRITES | EXECUTES;

/** B0 to B3 of DR6: which of them have been met. */
export const DR6_BREAKPOINTS = 0xf;

/**
 * The breakpoints that DR0 to DR3 and DR7 describe (Intel SDM vol. 3, 17.2). Pages with one are kept out of the TLB's fast tags, so that nothing
 * is asked of other pages, and nothing at all while none is enabled. Matches are sets of DR6's B0 to B3.
 */
export class Breakpoints {
  /** Some are enabled for instructions, for data, for ports. */
  code = false;
  data = false;
  ports = false;
  private readonly state: CpuState;
  private readonly kind = new Int8Array(4);
  /** First address, and how many bytes; the length is 0 where nothing is enabled. */
  private readonly first = new Uint32Array(4);
  private readonly bytes = new Uint8Array(4);

  constructor(state: CpuState) {
    this.state = state;
  }

  /** Reads the debug registers and CR4.DE anew. */
  update(): void {
    const { state } = this;
    const control = state.get(L.DR7);
    this.code = false;
    this.data = false;
    this.ports = false;
    for (let n = 0; n < 4; n++) {
      const fields = control >>> (16 + 4 * n);
      const kind = fields & 3;
      const lengthBits = (fields >>> 2) & 3;
      const bytes = kind === Kind.execute ? 1 : lengthBits === 2 ? 8 : lengthBits + 1;
      const defined = kind !== Kind.io || (state.cr4 & Cr4.DE) !== 0;
      const enabled = (control & (3 << (2 * n))) !== 0 && defined;
      this.kind[n] = kind;
      this.bytes[n] = enabled ? bytes : 0;
      // Low bits that the length covers are ignored.
      this.first[n] = state.get(L.DR0 + 4 * n) & ~(bytes - 1);
      if (!enabled) continue;
      if (kind === Kind.execute) this.code = true;
      else if (kind === Kind.io) this.ports = true;
      else this.data = true;
    }
  }

  /** Those on the instruction whose first byte is at `linear`. */
  onCode(linear: number): number {
    let hits = 0;
    for (let n = 0; n < 4; n++)
      if (this.bytes[n] !== 0 && this.kind[n] === Kind.execute && this.first[n] === linear >>> 0)
        hits |= 1 << n;
    return hits;
  }

  /** There is one on an instruction in the page of `linear`. */
  hasCodeIn(linear: number): boolean {
    for (let n = 0; n < 4; n++) {
      const same = ((this.first[n] as number) ^ linear) >>> 12 === 0;
      if (same && this.bytes[n] !== 0 && this.kind[n] === Kind.execute) return true;
    }
    return false;
  }

  /** There is one on data in the page of `linear`. */
  hasDataIn(linear: number): boolean {
    return (~this.rightsIn(linear) & (READS | WRITES)) !== 0;
  }

  /** Those that an access to memory meets. */
  onData(linear: number, size: number, write: boolean): number {
    let hits = 0;
    for (let n = 0; n < 4; n++) {
      const kind = this.kind[n];
      if (kind !== Kind.access && !(write && kind === Kind.write)) continue;
      if (this.meets(n, linear >>> 0, size)) hits |= 1 << n;
    }
    return hits;
  }

  /** Those that an access to ports meets. */
  onPorts(port: number, size: number): number {
    let hits = 0;
    for (let n = 0; n < 4; n++) if (this.kind[n] === Kind.io && this.meets(n, port, size)) hits |= 1 << n;
    return hits;
  }

  /** The rights (TlbRight) that the fast tags of the page of `linear` may grant. */
  rightsIn(linear: number): number {
    let rights = ALL_RIGHTS;
    for (let n = 0; n < 4; n++) {
      if (this.bytes[n] === 0 || ((this.first[n] as number) ^ linear) >>> 12 !== 0) continue;
      const kind = this.kind[n];
      if (kind === Kind.execute) rights &= ~EXECUTES;
      else if (kind === Kind.write) rights &= ~WRITES;
      else if (kind === Kind.access) rights &= ~(READS | WRITES);
    }
    return rights;
  }

  private meets(n: number, address: number, size: number): boolean {
    const first = this.first[n] as number;
    const bytes = this.bytes[n] as number;
    return bytes !== 0 && address < first + bytes && first < address + size;
  }
}
