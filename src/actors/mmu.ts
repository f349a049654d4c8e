import type { MmioData, MmuContext, MmuFault, MmuInvlpg, MmuUnbacked } from "../bus/messages/index.ts";
import { Vector } from "../cpu/core.ts";
import { Access } from "../cpu/exit.ts";
import { mmuChart } from "../machines/mmu.ts";
import type { Gva } from "../mmu/address.ts";
import { type GuestPaging, type GuestWalk, PageFault } from "../mmu/pager.ts";
import type { GuestAccess, GuestWalker } from "../mmu/walker.ts";
import { SWITCHER, type VmAddresses } from "./addresses.ts";
import type { Stage } from "./stage.ts";

export interface MmuParts {
  readonly addresses: VmAddresses;
  readonly vcpu: number;
  readonly walker: GuestWalker;
  readonly paging: GuestPaging;
}

/** The MMU of one vcpu as an actor: walks the guest's tables, and asks the shadow or a device to act. */
export function addMmu(stage: Stage, parts: MmuParts) {
  const { addresses, vcpu, walker, paging } = parts;
  const access: { -readonly [K in keyof Required<GuestAccess>]: GuestAccess[K] } = {
    gva: 0 as Gva,
    write: false,
    user: false,
    fetch: false,
  };
  let walk: GuestWalk | undefined;

  return stage.add(addresses.mmu, mmuChart, (self) => ({
    guards: { guestForbids: () => walk?.kind === "fault" },
    actions: {
      walkGuest: ({ event }) => {
        const { gva, errorCode } = event as MmuFault;
        access.gva = gva;
        access.write = (errorCode & PageFault.write) !== 0;
        access.user = (errorCode & PageFault.user) !== 0;
        access.fetch = (errorCode & PageFault.fetch) !== 0;
        walk = walker.walk(access as GuestAccess, paging);
      },
      reflect: ({ event }) => {
        const { errorCode } = walk as GuestWalk & { kind: "fault" };
        const cr2 = (event as MmuFault).gva;
        self.post(SWITCHER, {
          type: "trap.inject",
          vcpu,
          vector: Vector.PF,
          kind: "exception",
          errorCode,
          cr2,
        });
      },
      askShadow: ({ event }) => {
        const { gva, errorCode } = event as MmuFault;
        self.post(addresses.shadow, {
          type: "shadow.fault",
          gva,
          errorCode,
          walk: walk as GuestWalk & { kind: "mapped" },
        });
      },
      resolve: () => self.post(SWITCHER, { type: "mmu.resolved", vcpu }),
      askDevice: ({ event }) => {
        const { gpa, size, value, access } = event as MmuUnbacked;
        if (access === Access.write) self.post(addresses.ports, { type: "mmio.write", gpa, size, value });
        else self.post(addresses.ports, { type: "mmio.read", gpa, size });
      },
      emulate: ({ event }) => {
        const value = event.type === "mmio.data" ? (event as MmioData).value : 0;
        self.post(SWITCHER, { type: "mmu.emulated", vcpu, value });
      },
      flushShadow: ({ event }) =>
        self.post(addresses.shadow, { type: "shadow.flush", change: (event as MmuContext).change }),
      invalidateShadow: ({ event }) =>
        self.post(addresses.shadow, { type: "shadow.invalidate", gva: (event as MmuInvlpg).gva }),
      confirm: () => self.post(SWITCHER, { type: "mmu.updated", vcpu }),
    },
  }));
}
