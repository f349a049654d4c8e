import type { OpcodeLine } from "./line.ts";
export const bcdLines: readonly OpcodeLine[] = [];
