import type { IntrAcknowledge, IrqAssert, IrqDeassert } from "../bus/messages/index.ts";
import { PicPair } from "../devices/pic-pair.ts";
import { interruptControllerChart } from "../machines/interrupt-controller.ts";
import { SWITCHER } from "./addresses.ts";
import { type DeviceParts, portActions } from "./device-ports.ts";
import type { Stage } from "./stage.ts";

/** The interrupt controller of one vm as an actor: the two 8259A. Returns the model. */
export function addInterruptController(
  stage: Stage,
  parts: Pick<DeviceParts, "addresses"> & {
    /** Whose INTR pin it is. */
    readonly vcpu: number;
    /** Where its INTR pin goes: the Switcher (the default), or the local APIC that it passes through. */
    readonly pin?: string;
  },
): PicPair {
  const { addresses, vcpu, pin = SWITCHER } = parts;
  let ended = 0;
  const pic = new PicPair({
    intr: () => {},
    ended: (line) => {
      ended |= 1 << line;
    },
  });
  stage.add(addresses.pic, interruptControllerChart, (self) => {
    const ports = portActions(self, () => pic);
    const announceEoi = () => {
      if (ended === 0) return;
      self.announce({ type: "intr.eoi", lines: ended });
      ended = 0;
    };
    return {
      guards: { pinHigh: () => pic.intr, pinLow: () => !pic.intr },
      actions: {
        raiseLine: ({ event }) => pic.setLine((event as IrqAssert).line, true),
        lowerLine: ({ event }) => pic.setLine((event as IrqDeassert).line, false),
        readPort: ports.readPort,
        writePort: (args) => {
          ports.writePort(args);
          announceEoi();
        },
        acknowledge: ({ event }) => {
          const { vector, spurious } = pic.acknowledge();
          self.post(SWITCHER, {
            type: "intr.vector",
            vcpu: (event as IntrAcknowledge).vcpu,
            vector,
            spurious,
          });
          announceEoi();
        },
        request: () => self.post(pin, { type: "intr.request", vcpu }),
        withdraw: () => self.post(pin, { type: "intr.withdraw", vcpu }),
      },
    };
  });
  return pic;
}
