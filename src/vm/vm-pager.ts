import type { Processor } from "../cpu/processor.ts";
import type { Gva } from "../mmu/address.ts";
import type { FrameAllocator } from "../mmu/frames.ts";
import type { GuestMemory } from "../mmu/guest-memory.ts";
import type { GuestPaging, Pager, TlbControl } from "../mmu/pager.ts";
import type { PagerContext } from "../mmu/shadow/context.ts";
import { createPager } from "../mmu/shadow/create.ts";
import type { FactLog } from "../mmu/shadow/kvm/listener.ts";
import { PerVcpuPager } from "../mmu/shadow/per-vcpu.ts";
import type { Vcpu } from "../switch/vcpu.ts";
import type { VcpuSet } from "../switch/vcpu-set.ts";
import type { VmOptions } from "./options.ts";
import { activePagingView, pagingView } from "./paging-view.ts";

export interface VmPagerParts {
  readonly options: VmOptions;
  readonly processor: Processor;
  readonly frames: FrameAllocator;
  readonly memory: GuestMemory;
  readonly set: VcpuSet;
  readonly facts: FactLog;
}

export interface VmPager {
  readonly pager: Pager;
  /** Paging registers of the vcpu whose turn it is. */
  readonly paging: GuestPaging;
}

/**
 * The pager that a vm is under, and with it how its vcpus are to be run. Their registers are as the guest begins. What it throws (OutOfFrames,
 * PagerError), it has given all frames back before.
 */
export function makeVmPager(parts: VmPagerParts): VmPager {
  const { options, processor, frames, memory, set, facts } = parts;
  const { vcpus } = set;
  const views = vcpus.map((vcpu) => pagingView(vcpu, processor.state, processor.features));
  const paging = activePagingView(set, views);
  const kvm = { ...(hasBusMasters(options) && { strictDma: true }), ...options.kvm, listener: facts };
  // kvm has one shadow for all, which is told whose turn it is; the others are TLBs in software, one a processor.
  const shared = options.pager === "kvm" || vcpus.length === 1;
  const make = (context: Pick<PagerContext, "paging" | "tlb" | "number">) =>
    createPager(options.pager, { ...context, memory, frames }, { kvm, vtlb: options.vtlb });
  const pagers: Pager[] = [];
  try {
    if (shared) pagers.push(make({ paging, tlb: tlbOf(processor, () => set.active ?? (vcpus[0] as Vcpu)) }));
    else
      for (const vcpu of vcpus)
        pagers.push(
          make({
            paging: views[vcpu.number] as GuestPaging,
            tlb: tlbOf(processor, () => vcpu),
            number: vcpu.number,
          }),
        );
  } catch (error) {
    for (const pager of pagers) pager.dispose();
    throw error;
  }
  for (const vcpu of vcpus) {
    const own = pagers[shared ? 0 : vcpu.number] as Pager;
    vcpu.controls = own.controls;
    vcpu.hardware = own.hardware;
  }
  const pager = shared ? (pagers[0] as Pager) : new PerVcpuPager(pagers, () => set.active?.number ?? 0);
  return { pager, paging };
}

/** There are devices on the PCI bus that write memory without the guest's stores. */
export const hasBusMasters = (options: VmOptions): boolean => {
  const { disks = [], cdrom, virtioDisks = [], virtioConsole = false } = options;
  return (
    disks.some((disk) => disk !== undefined) || cdrom !== undefined || virtioDisks.length > 0 || virtioConsole
  );
};

/** Loading a vcpu flushes everything, so what is not on the CPU has no cached translations. */
function tlbOf(processor: Processor, whose: () => Vcpu): TlbControl {
  const loaded = () => whose().liveRetired !== undefined;
  return {
    flush: () => {
      if (loaded()) processor.flushTlbAll();
    },
    flushNonGlobal: () => {
      if (loaded()) processor.flushTlb();
    },
    flushPage: (gva: Gva) => {
      if (loaded()) processor.flushTlbPage(gva);
    },
    flushTag: (tag: number) => {
      if (loaded()) processor.flushTlbTag(tag);
    },
    loadRoot: () => {
      if (loaded()) processor.loadRoot(whose().hardware);
    },
    translations: () => (loaded() ? processor.translations() : []),
  };
}
