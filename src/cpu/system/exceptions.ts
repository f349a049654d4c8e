import type { GuestFault } from "../core.ts";
import { Vector } from "../core.ts";

/** True for what `Core.raise` and the memory accesses throw when the guest's instruction faults. */
export const isGuestFault = (thrown: unknown): thrown is GuestFault =>
  typeof thrown === "object" && thrown !== null && (thrown as GuestFault).kind === "guest-fault";

function isContributory(vector: number): boolean {
  return (
    vector === Vector.DE ||
    vector === Vector.TS ||
    vector === Vector.NP ||
    vector === Vector.SS ||
    vector === Vector.GP
  );
}

/**
 * What comes of exception `second` raised while exception `first` was being delivered (Intel SDM vol. 3, table 6-5): the second
 * alone is delivered, both become a double fault, or, when the first was itself a double fault, the processor shuts down.
 * `first` is -1 (or any benign vector) when nothing, an external or a software interrupt was being delivered.
 */
export function combineExceptions(first: number, second: number): "second" | "doubleFault" | "tripleFault" {
  const secondIsGrave = isContributory(second) || second === Vector.PF;
  if (first === Vector.DF && secondIsGrave) return "tripleFault";
  if (isContributory(first) && isContributory(second)) return "doubleFault";
  if (first === Vector.PF && secondIsGrave) return "doubleFault";
  return "second";
}
