import type { ShadowCr, ShadowFault, ShadowInvlpg } from "../bus/messages/index.ts";
import { shadowManagerChart } from "../machines/shadow-manager.ts";
import { OutOfFrames } from "../mmu/frames.ts";
import { type Pager, PagerError, type ShadowFill } from "../mmu/pager.ts";
import { SWITCHER, type VmAddresses } from "./addresses.ts";
import type { Stage } from "./stage.ts";

export interface ShadowManagerParts {
  readonly addresses: VmAddresses;
  readonly pager: Pager;
  /** EIP of the instruction that left. */
  readonly eip: () => number;
}

/** The ShadowManager of one guest as an actor: drives the guest's pager. */
export function addShadowManager(stage: Stage, parts: ShadowManagerParts) {
  const { addresses, pager } = parts;
  let filled: ShadowFill | undefined;
  let refusal = "";
  let dropped = 0;
  return stage.add(addresses.shadow, shadowManagerChart, (self) => ({
    guards: { filled: () => filled !== undefined },
    actions: {
      fill: ({ event }) => {
        filled = undefined;
        try {
          filled = pager.fill(event as ShadowFault);
        } catch (error) {
          // Only what the guest is to blame for kills it; anything else is a defect and goes to the bus.
          if (!(error instanceof PagerError || error instanceof OutOfFrames)) throw error;
          refusal = error.message;
        }
      },
      announceFill: () => {
        const { gva, gfn, mfn, writable, user, level, tablesAllocated } = filled as ShadowFill;
        self.announce({ type: "shadow.filled", gva, gfn, mfn, writable, user, level, tablesAllocated });
      },
      resolve: ({ event }) =>
        self.post(addresses.mmu, {
          type: "shadow.resolved",
          gva: (event as ShadowFault).gva,
          outcome: "resume",
        }),
      killGuest: ({ event }) => {
        const gva = (event as ShadowFault).gva >>> 0;
        const eip = parts.eip() >>> 0;
        const reason = `pager ${pager.name}: ${refusal} (access to 0x${gva.toString(16)}, eip 0x${eip.toString(16)})`;
        self.post(addresses.vm, { type: "vm.kill", reason });
      },
      flush: ({ event }) => {
        dropped = pager.contextChanged((event as ShadowCr).change);
      },
      confirmFlush: ({ event }) =>
        self.post(SWITCHER, { type: "shadow.flushed", vcpu: (event as ShadowCr).vcpu, dropped }),
      invalidate: ({ event }) => pager.invalidatePage((event as ShadowInvlpg).gva),
      remap: () => pager.remapped(),
      confirmInvalidate: ({ event }) => {
        const { vcpu, gva } = event as ShadowInvlpg;
        self.post(SWITCHER, { type: "shadow.invalidated", vcpu, gva });
      },
    },
  }));
}
