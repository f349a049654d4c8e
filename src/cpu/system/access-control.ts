import type { Helper } from "../core.ts";
import { Outcome, Vector } from "../core.ts";
import * as L from "../layout.ts";
import { Flag } from "../state.ts";
import { StructuredFeature } from "./cpu-models.ts";

const CLAC = 2;
const STAC = 3;

/** CLAC and STAC (0F 01 CA, CB): clear and set EFLAGS.AC, which lifts SMAP. #UD outside ring 0, for other r/m, and without SMAP. */
export const setAccessControl: Helper = (core, op) => {
  const { state } = core;
  const exists = (core.cpuid.structuredFeatures & StructuredFeature.SMAP) !== 0;
  if (!exists || (op.rm !== CLAC && op.rm !== STAC) || state.cpl !== 0) core.raise(Vector.UD);
  const flags = state.get(L.EFLAGS_REST);
  state.set(L.EFLAGS_REST, op.rm === STAC ? flags | Flag.AC : flags & ~Flag.AC);
  return Outcome.next;
};
