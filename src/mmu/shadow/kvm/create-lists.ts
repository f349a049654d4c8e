import { DescriptorLists } from "./descriptors.ts";
import { LinkedLists } from "./linked.ts";
import type { ListSizes } from "./list-sizes.ts";
import type { PteListKind, PteLists } from "./pte-lists.ts";
import { SiblingLists } from "./sibling.ts";

/** Empty lists of that design. */
export function createPteLists(kind: PteListKind, sizes: ListSizes): PteLists {
  switch (kind) {
    case "sibling":
      return new SiblingLists(sizes);
    case "descriptors":
      return new DescriptorLists(sizes);
    case "linked":
      return new LinkedLists(sizes);
  }
}
