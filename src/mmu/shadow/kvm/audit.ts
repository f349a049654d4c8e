import type { Hpa } from "../../address.ts";
import type { AuditViolation, HardwarePaging } from "../../pager.ts";
import type { KvmShadow } from "./state.ts";
export function auditKvm(_s: KvmShadow, _hardware: HardwarePaging, _paeRoot: Hpa): AuditViolation[] {
  return [];
}
