import type { ShadowCr, ShadowLoad, ShadowLoaded } from "../bus/messages/index.ts";
import { kvmRootsChart } from "../machines/kvm-roots.ts";
import type { Hpa } from "../mmu/address.ts";
import { SWITCHER, type VmAddresses } from "./addresses.ts";
import type { Stage } from "./stage.ts";

/** The roots of one vcpu, for looking at. */
export interface RootsView {
  /** What the hardware's root register holds; undefined before the first load. */
  root: Hpa | undefined;
  /** Loads so far, and those that needed no new page. */
  loads: number;
  cachedLoads: number;
}

/** The Roots of one vcpu under kvm, as an actor. */
export function addKvmRoots(stage: Stage, addresses: VmAddresses): Readonly<RootsView> {
  const view: RootsView = { root: undefined, loads: 0, cachedLoads: 0 };
  /** Whose registers the last change was of. */
  let vcpu = 0;
  stage.add(addresses.roots, kvmRootsChart, (self) => ({
    actions: {
      askLoad: ({ event }) => {
        let change: ShadowLoad["change"] = "reload";
        if (event.type === "shadow.cr") ({ vcpu, change } = event as ShadowCr);
        self.post(addresses.shadow, { type: "shadow.load", change });
      },
      noteRoot: ({ event }) => {
        const { root, created } = event as ShadowLoaded;
        view.root = root;
        view.loads++;
        if (created === 0) view.cachedLoads++;
      },
      confirm: () => self.post(SWITCHER, { type: "shadow.flushed", vcpu, dropped: 0 }),
    },
  }));
  return view;
}
