import type { Random } from "../../instructions/support/random.ts";

export const Flags = {
  fixed: 0x002,
  arithmetic: 0x8d5,
  interrupt: 0x200,
  nested: 0x4000,
  virtual: 0x20000,
  ac: 0x40000,
  id: 0x200000,
} as const;

/** Values for EFLAGS that no single step, and no task switch but by NT where it is wanted, comes of. */
export function randomFlags(random: Random, mayNest: boolean): number {
  let flags = (random.word() & (Flags.arithmetic | Flags.id | 0x400)) | Flags.fixed;
  flags |= random.below(4) << 12;
  if (random.below(2)) flags |= Flags.interrupt;
  if (random.below(8) === 0) flags |= Flags.ac;
  if (mayNest && random.below(10) === 0) flags |= Flags.nested;
  return flags;
}
