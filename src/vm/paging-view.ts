import { CR0, CR3, CR4, EFER, PDPTE } from "../cpu/layout.ts";
import type { CpuState } from "../cpu/state.ts";
import type { GuestPaging } from "../mmu/pager.ts";
import type { Vcpu } from "../switch/vcpu.ts";

/** The paging registers of a vcpu, on the CPU or off it. `features`: CPUID leaf 1 EDX of its processor. */
export function pagingView(vcpu: Vcpu, state: CpuState, features: number): GuestPaging {
  const saved = new Uint32Array(vcpu.saved.buffer);
  const read = (offset: number) =>
    vcpu.liveRetired === undefined ? (saved[offset >> 2] as number) : state.get(offset);
  const savedPdptes = new Uint32Array(vcpu.saved.buffer, PDPTE, 8);
  const livePdptes = state.u32.subarray(PDPTE >> 2, (PDPTE >> 2) + 8);
  return {
    features,
    get cr0() {
      return read(CR0);
    },
    get cr3() {
      return read(CR3);
    },
    get cr4() {
      return read(CR4);
    },
    get efer() {
      return read(EFER);
    },
    get pdptes() {
      return vcpu.liveRetired === undefined ? savedPdptes : livePdptes;
    },
  };
}
