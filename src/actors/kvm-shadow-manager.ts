import type {
  Message,
  ShadowFact,
  ShadowFault,
  ShadowInvlpg,
  ShadowLoad,
  ShadowWrite,
  VmBudget,
} from "../bus/messages/index.ts";
import { kvmShadowManagerChart } from "../machines/kvm-shadow-manager.ts";
import type { Gfn } from "../mmu/address.ts";
import { OutOfFrames } from "../mmu/frames.ts";
import { PagerError } from "../mmu/pager.ts";
import type { FaultOutcome } from "../mmu/shadow/kvm/fault.ts";
import type { FactLog } from "../mmu/shadow/kvm/listener.ts";
import { SWITCHER, type VmAddresses } from "./addresses.ts";
import type { KvmMechanism } from "./kvm-mechanism.ts";
import type { Stage } from "./stage.ts";

export interface KvmShadowManagerParts {
  readonly addresses: VmAddresses;
  readonly pager: KvmMechanism;
  /** What the pager tells its listener. */
  readonly facts: FactLog;
  /** EIP of the instruction that left. */
  readonly eip: () => number;
}

const RESUME: FaultOutcome = { kind: "resume" };

/** The ShadowManager of one guest under kvm, as an actor: sole owner of the shadow pages, one turn a message. */
export function addKvmShadowManager(stage: Stage, parts: KvmShadowManagerParts) {
  const { addresses, pager, facts } = parts;
  const { shadow } = pager;
  return stage.add(addresses.shadow, kvmShadowManagerChart, (self) => {
    let outcome = RESUME;
    let unsynced = 0;
    let zapped = 0;
    let created = 0;
    let refusal: string | undefined;
    /** Only what the guest is to blame for kills it; anything else is a defect and goes to the bus. */
    const orRefuse = (turn: () => void): void => {
      try {
        turn();
      } catch (error) {
        if (!(error instanceof PagerError || error instanceof OutOfFrames)) throw error;
        refusal = error.message;
      }
    };
    return {
      guards: {
        isShort: () => shadow.isShort,
        lostRoot: () => outcome.kind === "reload" || shadow.requests.reload || !shadow.rootsLoaded,
        refused: () => refusal !== undefined,
        mustEmulate: () => outcome.kind === "emulate",
        mustSync: () => shadow.requests.sync,
        wentUnsync: () => shadow.stats.unsynced !== unsynced,
        zapped: () => shadow.stats.zapped !== zapped,
        isReload: ({ event }) => (event as ShadowLoad).change === "reload",
      },
      actions: {
        evict: () => orRefuse(() => pager.makeRoom()),
        fill: ({ event }) => {
          const { gva, errorCode } = event as ShadowFault;
          unsynced = shadow.stats.unsynced;
          orRefuse(() => {
            outcome = pager.fault(gva, errorCode);
          });
        },
        write: ({ event }) => {
          const { gpa, bytes, value } = event as ShadowWrite;
          zapped = shadow.stats.zapped;
          orRefuse(() => pager.store(gpa, bytes, value));
        },
        release: ({ event }) => {
          created = shadow.stats.created;
          const { change } = event as ShadowLoad;
          if (change !== "reload") orRefuse(() => void pager.changeContext(change));
        },
        takeRoots: ({ event }) => {
          if ((event as ShadowLoad).change === "reload") created = shadow.stats.created;
          orRefuse(() => pager.enter());
        },
        syncRoots: () => orRefuse(() => pager.enter()),
        invalidate: ({ event }) => orRefuse(() => pager.invalidatePage((event as ShadowInvlpg).gva)),
        remap: () => orRefuse(() => pager.remapped()),
        changeBudget: ({ event }) => {
          const { options, pages } = shadow;
          const wanted = Math.floor((event as VmBudget).max);
          pager.changeBudget(Math.min(Math.max(wanted, options.smallestBudget), pages.capacity));
        },
        relieve: () => void pager.shrink(),
        startLog: () => {
          for (const { id } of shadow.slots.all) pager.startDirtyLog(id);
        },
        stopLog: () => {
          for (const { id } of shadow.slots.all) pager.stopDirtyLog(id);
        },
        readLog: () => {
          const gfns: Gfn[] = [];
          for (const { id, baseGfn } of shadow.slots.all) gfnsOf(pager.readDirtyLog(id), baseGfn, gfns);
          self.announce({ type: "dirty.pages", gfns });
        },
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
          outcome = RESUME;
          self.post(addresses.mmu, {
            type: "shadow.resolved",
            gva: (event as ShadowFault).gva,
            outcome: "reload",
          });
        },
        askEmulation: ({ event }) => {
          const { gpa, why } = outcome as Extract<FaultOutcome, { kind: "emulate" }>;
          outcome = RESUME;
          self.post(addresses.mmu, { type: "shadow.emulate", gva: (event as ShadowFault).gva, gpa, why });
        },
        confirmWrite: ({ event }) =>
          self.post(addresses.mmu, { type: "shadow.written", gpa: (event as ShadowWrite).gpa }),
        confirmLoad: () =>
          self.post(addresses.roots, {
            type: "shadow.loaded",
            root: pager.hardware.root,
            created: shadow.stats.created - created,
          }),
        confirmInvalidate: ({ event }) => {
          const { vcpu, gva } = event as ShadowInvlpg;
          self.post(SWITCHER, { type: "shadow.invalidated", vcpu, gva });
        },
        askReload: () => self.post(addresses.roots, { type: "shadow.reload" }),
        killGuest: ({ event }) => {
          const reason = `pager ${pager.name}: ${refusal} (${deedOf(event)}, eip ${hex(parts.eip())})`;
          self.post(addresses.vm, { type: "vm.kill", reason });
        },
      },
    };
  });
}

/** What the guest did. */
function deedOf(message: Message): string {
  switch (message.type) {
    case "shadow.fault":
      return `access to ${hex(message.gva)}`;
    case "shadow.write":
      return `store to its table at ${hex(message.gpa)}`;
    case "shadow.remapped":
      return "another memory map";
    case "shadow.invlpg":
      return `INVLPG of ${hex(message.gva)}`;
    default:
      return "loading its roots";
  }
}

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

/** The pages whose bits are set, in ascending order. */
function gfnsOf(bitmap: Uint32Array, baseGfn: number, into: Gfn[]): void {
  for (let index = 0; index < bitmap.length; index++)
    for (let bits = bitmap[index] as number; bits !== 0; bits &= bits - 1)
      into.push((baseGfn + index * 32 + (31 - Math.clz32(bits & -bits))) as Gfn);
}
