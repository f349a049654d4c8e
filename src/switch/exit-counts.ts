import { ExitReason } from "../cpu/exit.ts";

/** Why a vcpu left the guest: the CPU's reasons, and the monitor's own. */
export type ExitName = ExitReason | "kicked" | "asleep";

export type ExitCounts = Record<ExitName, number>;

export function noExits(): ExitCounts {
  return {
    [ExitReason.budget]: 0,
    [ExitReason.interruptWindow]: 0,
    [ExitReason.pageFault]: 0,
    [ExitReason.mmio]: 0,
    [ExitReason.io]: 0,
    [ExitReason.apic]: 0,
    [ExitReason.hlt]: 0,
    [ExitReason.cpuid]: 0,
    [ExitReason.msr]: 0,
    [ExitReason.controlRegister]: 0,
    [ExitReason.taskSwitch]: 0,
    [ExitReason.taskSwitchAttempt]: 0,
    [ExitReason.exception]: 0,
    [ExitReason.nmiWindow]: 0,
    [ExitReason.rdtsc]: 0,
    [ExitReason.rdpmc]: 0,
    [ExitReason.debugRegister]: 0,
    [ExitReason.descriptorTable]: 0,
    [ExitReason.pause]: 0,
    [ExitReason.wbinvd]: 0,
    [ExitReason.invlpg]: 0,
    [ExitReason.coprocessorError]: 0,
    [ExitReason.tripleFault]: 0,
    kicked: 0,
    asleep: 0,
  };
}

export function totalExits(counts: readonly ExitCounts[]): ExitCounts {
  const total = noExits();
  for (const count of counts)
    for (const reason of Object.keys(total) as ExitName[]) total[reason] += count[reason];
  return total;
}
