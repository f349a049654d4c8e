import { frameOf } from "../../format.ts";
import { isWide, quadrantOf } from "./role.ts";
import type { KvmShadow } from "./state.ts";

/** gfn in the entry of a page table. */
export const gpteGfn = (lo: number, hi: number): number => frameOf(lo, hi, 12);

/** Guest-physical address of the gpte that a slot of an indirect level-1 page stands for. */
export function gpteAddress(s: KvmShadow, sid: number, slot: number): number {
  const role = s.pages.role[sid] as number;
  const table = (s.pages.gfn[sid] as number) * 4096;
  return isWide(role) ? table + slot * 8 : table + quadrantOf(role) * 2048 + slot * 4;
}
