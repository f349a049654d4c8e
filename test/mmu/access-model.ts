/**
 * What one access must do, written out apart from the walkers (Intel SDM vol. 3, 4.6, 4.7, 4.8), for a two-level walk with CR4.PSE.
 * Bits are booleans here, so that nothing of the walkers' arithmetic is shared.
 */
export interface AccessCase {
  readonly pde: { present: boolean; writable: boolean; user: boolean; large: boolean };
  readonly pte: { present: boolean; writable: boolean; user: boolean };
  readonly writeProtect: boolean;
  readonly user: boolean;
  readonly write: boolean;
}

/** Error code, or "allowed". */
export function expectedOutcome(c: AccessCase): number | "allowed" {
  const kind = c.user ? (c.write ? "user write" : "user read") : c.write ? "system write" : "system read";
  const present = c.pde.present && (c.pde.large || c.pte.present);
  if (!present) return { "system read": 0, "system write": 2, "user read": 4, "user write": 6 }[kind];
  const pageIsUser = c.pde.large ? c.pde.user : c.pde.user && c.pte.user;
  const pageIsWritable = c.pde.large ? c.pde.writable : c.pde.writable && c.pte.writable;
  switch (kind) {
    case "system read":
      return "allowed";
    case "system write":
      return pageIsWritable || !c.writeProtect ? "allowed" : 3;
    case "user read":
      return pageIsUser ? "allowed" : 5;
    case "user write":
      return pageIsUser && pageIsWritable ? "allowed" : 7;
  }
}
