import type {
  ShadowFact,
  ShadowFault,
  ShadowInvlpg,
  ShadowLoad,
  ShadowLoaded,
  ShadowWrite,
  ShadowWritten,
  VmBudget,
} from "../bus/messages/index.ts";
import { kvmShadowManagerChart } from "../machines/kvm-shadow-manager.ts";
import type { Gfn } from "../mmu/address.ts";
import { OutOfFrames } from "../mmu/frames.ts";
import { PagerError } from "../mmu/pager.ts";
import type { FactLog } from "../mmu/shadow/kvm/listener.ts";
import type { VmAddresses } from "./addresses.ts";
import type { KvmFaultOutcome, KvmPort } from "./kvm-port.ts";
import type { Stage } from "./stage.ts";

export interface KvmShadowManagerParts {
  readonly addresses: VmAddresses;
  readonly pager: KvmPort;
  /** What the pager tells its listener. */
  readonly facts: FactLog;
  /** EIP of the instruction that left. */
  readonly eip: () => number;
}

/** The ShadowManager of one guest under kvm, as an actor: sole owner of the shadow pages, one turn a message. */
export function addKvmShadowManager(stage: Stage, parts: KvmShadowManagerParts) {
  const { addresses, pager, facts } = parts;
  return stage.add(addresses.shadow, kvmShadowManagerChart, (self) => {
    let outcome: KvmFaultOutcome = "resume";
    let zapped = false;
    let loaded: ShadowLoaded | undefined;
    let dirty: readonly Gfn[] = [];
    let refusal: string | undefined;
    /** Only what the guest is to blame for kills it; anything else is a defect and goes to the bus. */
    const orRefuse = (work: () => void): void => {
      refusal = undefined;
      try {
        work();
      } catch (error) {
        if (!(error instanceof PagerError || error instanceof OutOfFrames)) throw error;
        refusal = error.message;
      }
    };
    return {
      guards: {
        isShort: () => pager.isShort,
        lostRoot: () => outcome === "reload" || pager.rootsLost,
        refused: () => refusal !== undefined,
        mustEmulate: () => outcome === "tableWrite" || outcome === "mmio",
        wentUnsync: () => outcome === "unsync",
        zapped: () => zapped,
      },
      actions: {
        evict: () => {
          outcome = "resume";
          pager.reclaim();
        },
        fill: ({ event }) => {
          refusal = undefined;
          try {
            outcome = pager.fault(event as ShadowFault);
          } catch (error) {
            if (!(error instanceof PagerError || error instanceof OutOfFrames)) throw error;
            refusal = error.message;
          }
        },
        write: ({ event }) => {
          const { gpa, bytes, value } = event as ShadowWrite;
          outcome = "resume";
          zapped = pager.write(gpa, bytes, value);
        },
        takeRoots: ({ event }) => {
          outcome = "resume";
          orRefuse(() => {
            loaded = { type: "shadow.loaded", ...pager.takeRoots((event as ShadowLoad).change) };
          });
        },
        syncRoots: () => pager.syncRoots(),
        invalidate: ({ event }) => pager.invalidatePage((event as ShadowInvlpg).gva),
        changeBudget: ({ event }) => {
          outcome = "resume";
          pager.changeBudget((event as VmBudget).max);
        },
        relieve: () => {
          outcome = "resume";
          pager.relieve();
        },
        startLog: () => pager.startDirtyLog(),
        stopLog: () => pager.stopDirtyLog(),
        readLog: () => {
          dirty = pager.readDirtyLog();
        },
        tellDirty: () => self.announce({ type: "dirty.pages", gfns: dirty }),
        // Not before the turn is complete: whoever hears of a change finds the tables consistent.
        announce: () => {
          for (const fact of facts.take())
            if (fact.type !== "shadow.reload") self.announce(fact as ShadowFact);
        },
        resolve: ({ event }) =>
          self.post(addresses.mmu, {
            type: "shadow.resolved",
            gva: (event as ShadowFault).gva,
            outcome: "resume",
          }),
        resolveReload: ({ event }) => {
          outcome = "resume";
          self.post(addresses.mmu, {
            type: "shadow.resolved",
            gva: (event as ShadowFault).gva,
            outcome: "reload",
          });
        },
        askEmulation: ({ event }) => {
          const { gva, walk } = event as ShadowFault;
          const why = outcome === "mmio" ? "mmio" : "tableWrite";
          self.post(addresses.mmu, { type: "shadow.emulate", gva, gpa: walk.gpa, why });
        },
        confirmWrite: ({ event }) => {
          const written: ShadowWritten = { type: "shadow.written", gpa: (event as ShadowWrite).gpa };
          self.post(addresses.mmu, written);
        },
        confirmLoad: () => self.post(addresses.roots, loaded as ShadowLoaded),
        confirmInvalidate: ({ event }) =>
          self.post(addresses.mmu, { type: "shadow.invalidated", gva: (event as ShadowInvlpg).gva }),
        askReload: () => self.post(addresses.roots, { type: "shadow.reload" }),
        killGuest: ({ event }) => {
          const eip = parts.eip() >>> 0;
          const what =
            event.type === "shadow.fault"
              ? `access to 0x${((event as ShadowFault).gva >>> 0).toString(16)}`
              : "loading its roots";
          const reason = `pager ${pager.name}: ${refusal} (${what}, eip 0x${eip.toString(16)})`;
          self.post(addresses.vm, { type: "vm.kill", reason });
        },
      },
    };
  });
}
