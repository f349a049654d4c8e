import { DescriptorLists } from "../../src/mmu/shadow/kvm/descriptors.ts";
import { LinkedLists } from "../../src/mmu/shadow/kvm/linked.ts";
import type { ListSizes } from "../../src/mmu/shadow/kvm/list-sizes.ts";
import type { PteListKind, PteLists } from "../../src/mmu/shadow/kvm/pte-lists.ts";
import { SiblingLists } from "../../src/mmu/shadow/kvm/sibling.ts";

/** Where the count that `add` returns may stop: one more than the length at which a reverse map is recycled. */
export const COUNT_CAP = 1001;

/** Dependent loads of one hop along sibling links in the kernel: struct page, shadow page, array, entry. */
export const KERNEL_LOADS_PER_HOP = 4;

/** A design of lists, and how far its `add` is asked to count. */
export interface Design {
  readonly name: PteListKind | "sibling-posted" | "sibling-capped";
  readonly title: string;
  make(sizes: ListSizes): PteLists;
  /** Infinity: exactly. */
  readonly cap: number;
}

const EXACTLY = Number.POSITIVE_INFINITY;

export const DESCRIPTORS: Design = {
  name: "descriptors",
  title: "descriptors",
  make: (sizes) => new DescriptorLists(sizes),
  cap: EXACTLY,
};
export const SIBLING: Design = {
  name: "sibling",
  title: "sibling",
  make: (sizes) => new SiblingLists(sizes),
  cap: EXACTLY,
};
export const LINKED: Design = {
  name: "linked",
  title: "linked",
  make: (sizes) => new LinkedLists(sizes),
  cap: EXACTLY,
};
export const SIBLING_POSTED: Design = {
  name: "sibling-posted",
  title: "sibling as posted",
  make: (sizes) => new SiblingLists(sizes, "walk"),
  cap: EXACTLY,
};
export const SIBLING_CAPPED: Design = {
  name: "sibling-capped",
  title: "sibling, count capped",
  make: (sizes) => new SiblingLists(sizes, "walk"),
  cap: COUNT_CAP,
};

/** The backends of the pager. */
export const DESIGNS: readonly Design[] = [DESCRIPTORS, SIBLING, LINKED];
/** And two ways of counting that the pager does not use. */
export const ADDING_DESIGNS: readonly Design[] = [
  DESCRIPTORS,
  SIBLING_POSTED,
  SIBLING_CAPPED,
  SIBLING,
  LINKED,
];
