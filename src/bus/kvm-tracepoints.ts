import type { MessageType } from "./messages/index.ts";

/**
 * Tracepoints of Linux's KVM (arch/x86/kvm/trace.h and mmutrace.h, 2.6.35 to 3.11) that tell what these messages tell: for whoever comes
 * from `trace-cmd record -e kvm -e kvmmmu`.
 */
export const KVM_TRACEPOINTS: Readonly<Partial<Record<MessageType, string>>> = {
  "cpu.exit": "kvm_exit",
  "cpu.enter": "kvm_entry",
  "trap.inject": "kvm_inj_exception, kvm_inj_virq",
  "io.read": "kvm_pio",
  "io.write": "kvm_pio",
  "mmio.read": "kvm_mmio",
  "mmio.write": "kvm_mmio",
  "mmu.fault": "kvm_page_fault",
  "shadow.cr": "kvm_cr",
  "shadow.emulate": "kvm_emulate_insn",
  "shadow.created": "kvm_mmu_get_page",
  "shadow.unsynced": "kvm_mmu_unsync_page",
  "shadow.resynced": "kvm_mmu_sync_page",
  "shadow.zapped": "kvm_mmu_prepare_zap_page",
};
