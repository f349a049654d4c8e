/**
 * What one access must do under PAE, written out apart from the walkers (Intel SDM vol. 3, 4.4.2, 4.6, 4.7, 4.8), in booleans and words:
 * nothing of the walkers' arithmetic is shared.
 */
export interface PaeEntry {
  readonly present: boolean;
  readonly writable: boolean;
  readonly user: boolean;
  readonly noExecute: boolean;
}

export interface PaeCase {
  readonly pde: PaeEntry & { readonly large: boolean; readonly bit13: boolean };
  readonly pte: PaeEntry;
  readonly writeProtect: boolean;
  readonly nxe: boolean;
  readonly user: boolean;
  readonly kind: "read" | "write" | "fetch";
}

/** Why an access is refused, or "allowed". */
function verdict(c: PaeCase): "allowed" | "not present" | "reserved" | "forbidden" {
  const { pde, pte } = c;
  if (!pde.present) return "not present";
  if (pde.noExecute && !c.nxe) return "reserved";
  if (pde.large && pde.bit13) return "reserved";
  if (!pde.large && !pte.present) return "not present";
  if (!pde.large && pte.noExecute && !c.nxe) return "reserved";
  const path = pde.large ? [pde] : [pde, pte];
  const isUserPage = path.every((entry) => entry.user);
  const isWritable = path.every((entry) => entry.writable);
  const isExecutable = path.every((entry) => !entry.noExecute);
  if (c.user && !isUserPage) return "forbidden";
  if (c.kind === "fetch" && !isExecutable) return "forbidden";
  if (c.kind === "write" && !isWritable && (c.user || c.writeProtect)) return "forbidden";
  return "allowed";
}

/** Error code, or "allowed". */
export function expectedPaeOutcome(c: PaeCase): number | "allowed" {
  const outcome = verdict(c);
  if (outcome === "allowed") return "allowed";
  const cause = { "not present": 0, forbidden: 1, reserved: 9 }[outcome];
  const kind = { read: 0, write: 2, fetch: c.nxe ? 16 : 0 }[c.kind];
  return cause + kind + (c.user ? 4 : 0);
}
