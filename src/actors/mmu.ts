import type {
  MmioData,
  MmuA20,
  MmuFault,
  MmuUnbacked,
  MmuUpper,
  ShadowEmulate,
} from "../bus/messages/index.ts";
import { Vector } from "../cpu/core.ts";
import { Access } from "../cpu/exit.ts";
import { mmuChart } from "../machines/mmu.ts";
import type { Gpa, Gva } from "../mmu/address.ts";
import type { GuestMemory } from "../mmu/guest-memory.ts";
import { type GuestPaging, type GuestWalk, PageFault } from "../mmu/pager.ts";
import type { UpperMemory } from "../mmu/upper-memory.ts";
import type { GuestAccess, GuestWalker } from "../mmu/walker.ts";
import { SWITCHER, type VmAddresses } from "./addresses.ts";
import type { Stage } from "./stage.ts";

export interface MmuParts {
  readonly addresses: VmAddresses;
  /** Whose access or change is being looked into. */
  readonly vcpu: number;
  readonly walker: GuestWalker;
  readonly paging: GuestPaging;
  readonly memory: GuestMemory;
  /** C0000 to FFFFF, where there is RAM behind ROM. */
  readonly upper?: UpperMemory | undefined;
  /** Who answers at a guest-physical address that no frame backs. Default: the vm's ports actor. */
  readonly deviceAt?: (gpa: Gpa) => string;
  /** The ShadowManager does stores for the guest (`shadow.write`). */
  readonly emulatesStores: boolean;
  /** Told of each fault that is the guest's own, of which the ShadowManager hears nothing. */
  readonly reflected?: () => void;
}

/** The MMU of a vm, for the vcpu whose turn it is, as an actor: walks the guest's tables, and asks the shadow or a device to act. */
export function addMmu(stage: Stage, parts: MmuParts) {
  const { addresses, walker, paging, memory } = parts;
  const deviceAt = parts.deviceAt ?? (() => addresses.ports);
  const access: { -readonly [K in keyof Required<GuestAccess>]: GuestAccess[K] } = {
    gva: 0 as Gva,
    write: false,
    user: false,
    fetch: false,
    guarded: false,
  };
  let walk: GuestWalk | undefined;
  /** The access that may have to be done for the guest. */
  let tried: Pick<MmuUnbacked, "access" | "size" | "value"> = { access: Access.read, size: 0, value: 0 };
  let gpa = 0 as Gpa;
  let why: ShadowEmulate["why"] = "mmio";

  return stage.add(addresses.mmu, mmuChart, (self) => ({
    guards: {
      guestForbids: () => walk?.kind === "fault",
      // If the shadow now let the guest do the rest itself, the instruction would find in memory what it has already done.
      isBegun: ({ event }) =>
        parts.emulatesStores &&
        (event as MmuFault).begun &&
        ((event as MmuFault).errorCode & PageFault.write) !== 0,
      isFetch: () => tried.access === Access.execute,
      // The stores that it is for will come, one by one, when it is answered.
      isProbe: () => tried.size === 0,
      isDevice: () => why === "mmio",
      // The first half of a read-modify-write.
      isRead: () => tried.access === Access.read,
    },
    actions: {
      walkGuest: ({ event }) => {
        const fault = event as MmuFault;
        const { gva, errorCode } = fault;
        tried = fault;
        access.gva = gva;
        access.write = (errorCode & PageFault.write) !== 0;
        access.user = (errorCode & PageFault.user) !== 0;
        access.fetch = (errorCode & PageFault.fetch) !== 0;
        access.guarded = (errorCode & PageFault.guarded) !== 0;
        walk = walker.walk(access as GuestAccess, paging);
      },
      reflect: ({ event }) => {
        const { errorCode } = walk as GuestWalk & { kind: "fault" };
        const cr2 = (event as MmuFault).gva;
        parts.reflected?.();
        self.post(SWITCHER, {
          type: "trap.inject",
          vcpu: parts.vcpu,
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
      resolve: () => self.post(SWITCHER, { type: "mmu.resolved", vcpu: parts.vcpu }),
      locate: ({ event }) => {
        ({ gpa, why } = event as ShadowEmulate);
      },
      locateWalked: () => {
        ({ gpa } = walk as GuestWalk & { kind: "mapped" });
        why = memory.isBacked(gpa) ? "tableWrite" : "mmio";
      },
      askDevice: ({ event }) => {
        if (event.type === "mmu.unbacked") {
          tried = event as MmuUnbacked;
          gpa = (event as MmuUnbacked).gpa;
        }
        const { size, value } = tried;
        if (tried.access === Access.write) self.post(deviceAt(gpa), { type: "mmio.write", gpa, size, value });
        else self.post(deviceAt(gpa), { type: "mmio.read", gpa, size });
      },
      askStore: () =>
        self.post(addresses.shadow, { type: "shadow.write", gpa, bytes: tried.size, value: tried.value }),
      answerStore: () => self.post(SWITCHER, { type: "mmu.emulated", vcpu: parts.vcpu, value: 0 }),
      answerRead: () =>
        self.post(SWITCHER, {
          type: "mmu.emulated",
          vcpu: parts.vcpu,
          value: readMemory(memory, gpa, tried.size),
        }),
      answerProbe: () => self.post(SWITCHER, { type: "mmu.emulated", vcpu: parts.vcpu, value: 0 }),
      // What nobody answers reads as ones, and FF FF is no instruction.
      refuseFetch: () =>
        self.post(SWITCHER, {
          type: "trap.inject",
          vcpu: parts.vcpu,
          vector: Vector.UD,
          kind: "exception",
          errorCode: -1,
        }),
      emulate: ({ event }) => {
        const value = event.type === "mmio.data" ? (event as MmioData).value : 0;
        self.post(SWITCHER, { type: "mmu.emulated", vcpu: parts.vcpu, value });
      },
      moveA20: ({ event }) => {
        if ((event as MmuA20).open) memory.p2m.openA20();
        else memory.p2m.closeA20();
      },
      showUpper: ({ event }) => {
        const { gpa, sizeBytes, readsRam, writesRam } = event as MmuUpper;
        parts.upper?.set(gpa, sizeBytes, { readsRam, writesRam });
      },
      remapShadow: () => self.post(addresses.shadow, { type: "shadow.remapped" }),
    },
  }));
}

function readMemory(memory: GuestMemory, gpa: Gpa, sizeBytes: number): number {
  return sizeBytes === 4 ? memory.read32(gpa) : sizeBytes === 2 ? memory.read16(gpa) : memory.read8(gpa);
}
