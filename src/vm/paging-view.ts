import { CR0, CR3, CR4, EFER, PDPTE } from "../cpu/layout.ts";
import type { CpuState } from "../cpu/state.ts";
import type { GuestPaging } from "../mmu/pager.ts";
import type { Vcpu } from "../switch/vcpu.ts";
import type { VcpuSet } from "../switch/vcpu-set.ts";

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

/** The paging registers of the vcpu whose turn it is; `views` are by number within the set. */
export function activePagingView(set: VcpuSet, views: readonly GuestPaging[]): GuestPaging {
  if (views.length === 1) return views[0] as GuestPaging;
  const view = () => views[set.active?.number ?? 0] as GuestPaging;
  return {
    get features() {
      return view().features ?? 0;
    },
    get cr0() {
      return view().cr0;
    },
    get cr3() {
      return view().cr3;
    },
    get cr4() {
      return view().cr4;
    },
    get efer() {
      return view().efer;
    },
    get pdptes() {
      return view().pdptes;
    },
  };
}
