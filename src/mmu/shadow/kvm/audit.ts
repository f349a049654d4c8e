import type { Hpa } from "../../address.ts";
import type { AuditViolation, HardwarePaging } from "../../pager.ts";
import { auditLeaves } from "./audit-leaves.ts";
import { auditLists } from "./audit-lists.ts";
import { auditPages } from "./audit-pages.ts";
import { auditReach } from "./audit-reach.ts";
import { auditTlb } from "./audit-tlb.ts";
import type { KvmShadow } from "./state.ts";

/** Reports a violation of an invariant: its number in README.md, and a sentence. */
export type Complain = (rule: string, detail: string) => void;

/** What the hardware has been told. */
export interface HardwareView {
  readonly hardware: Extract<HardwarePaging, { mode: "shadow" }>;
  /** Where the four pointers of PAE tables are. */
  readonly pointers: Hpa;
}

/** Checks every invariant of README.md. Changes nothing, counters of the lists included. */
export function auditKvm(s: KvmShadow, view: HardwareView): AuditViolation[] {
  const violations: AuditViolation[] = [];
  const complain: Complain = (rule, detail) => violations.push({ rule, detail });
  const counters = { ...s.lists.counters };
  auditLists(s, complain);
  auditPages(s, complain);
  auditLeaves(s, complain);
  auditReach(s, view, complain);
  auditTlb(s, complain);
  Object.assign(s.lists.counters, counters);
  return violations;
}
