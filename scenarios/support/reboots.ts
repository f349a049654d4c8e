import { countOf, type FlagSpecs, type FlagValues } from "./flags.ts";

/** A guest that resets the machine any number of times. */
const ANY = "any";

export const REBOOT_FLAGS = {
  reboots: {
    type: "string",
    value: `N|${ANY}`,
    help: "resets (port 0xcf9, keyboard controller, triple fault) after which the guest begins anew; the next one ends it (default: 0; boot-linux interactively: any)",
  },
} as const satisfies FlagSpecs;

/** @throws UsageError */
export function rebootsOf(flags: FlagValues<typeof REBOOT_FLAGS>, byDefault = 0): number {
  const { reboots } = flags;
  if (reboots === undefined) return byDefault;
  if (reboots === ANY) return Number.POSITIVE_INFINITY;
  return reboots === "0" ? 0 : countOf("reboots", reboots);
}
