import type { Helper } from "../core.ts";
import { Outcome } from "../core.ts";
import { ExitControl, ExitReason } from "../exit.ts";
import * as L from "../layout.ts";
import { ExtendedFeature, Feature, Feature2 } from "./cpu-models.ts";
import { DISABLE_XD_HIGH } from "./msr.ts";

const APIC_ENABLED = 1 << 11;

/** IA32_MISC_ENABLE: the highest basic leaf is 3, for old software. */
const LIMIT_CPUID = 1 << 22;
const LIMIT = 3;
const EXTENDED = 0x80000000;

/** CPUID. What the local APIC adds to leaf 1: that there is one, and its id. */
export const cpuid: Helper = (core, op) => {
  if (core.controls & ExitControl.cpuid) {
    core.beginExit(ExitReason.cpuid, op);
    return Outcome.exit;
  }
  const { state } = core;
  const leaf = state.reg(0);
  const limited = (state.get(L.MISC_ENABLE) & LIMIT_CPUID) !== 0;
  const asked = limited && leaf < EXTENDED ? Math.min(leaf, LIMIT) : leaf;
  let [eax, ebx, ecx, edx] = core.cpuid.leaf(asked, state.reg(1));
  if (limited && leaf === 0) eax = Math.min(eax, LIMIT);
  if (leaf === EXTENDED + 1 && state.get(L.MISC_ENABLE + 4) & DISABLE_XD_HIGH) edx &= ~ExtendedFeature.NX;
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
