import type { FrameAllocator } from "../frames.ts";
import type { GuestMemory } from "../guest-memory.ts";
import type { GuestPaging, TlbControl } from "../pager.ts";

/** What a pager is given: the guest that it serves, and the machine's memory to keep its tables in. */
export interface PagerContext {
  readonly paging: GuestPaging;
  /** Knows the machine's memory and the guest's p2m. */
  readonly memory: GuestMemory;
  /** Where frames for tables come from, and who owns which. */
  readonly frames: FrameAllocator;
  readonly tlb: TlbControl;
  /** Which of several shadows of the guest, in the name that its frames are owned under. Default: it is the only one. */
  readonly number?: number;
}
