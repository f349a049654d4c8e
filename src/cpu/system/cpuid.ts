import type { Helper } from "../core.ts";
import { Outcome } from "../core.ts";
import { ExitControl, ExitReason } from "../exit.ts";
import * as L from "../layout.ts";
import { Feature, Feature2 } from "./cpu-models.ts";

const APIC_ENABLED = 1 << 11;

/** CPUID. What the local APIC adds to leaf 1: that there is one, and its id. */
export const cpuid: Helper = (core, op) => {
  if (core.controls & ExitControl.cpuid) {
    core.beginExit(ExitReason.cpuid, op);
    return Outcome.exit;
  }
  const { state } = core;
  const leaf = state.reg(0);
  let [eax, ebx, ecx, edx] = core.cpuid.leaf(leaf, state.reg(1));
  if (leaf === 1) {
    const base = state.get(L.APIC_BASE);
    if (base & APIC_ENABLED) edx |= Feature.APIC;
    if (base === 0) ecx &= ~Feature2.TSC_DEADLINE;
    else ebx |= state.get(L.APIC_ID) << 24;
  }
  state.setReg(0, eax);
  state.setReg(1, ecx);
  state.setReg(2, edx);
  state.setReg(3, ebx);
  return Outcome.next;
};
