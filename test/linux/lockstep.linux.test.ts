import { it } from "vitest";
import { DEBIAN_FLAVOURS } from "../../src/guest/debian/fetch.ts";
import { expectSameBoot } from "./support/same-boot.ts";

it.each(DEBIAN_FLAVOURS)(
  "Debian's %s kernel from reset to user space is the same under bare and vtlb, in registers and in memory",
  (guest) => expectSameBoot(guest, "vtlb"),
);
