import type { FpuError, IoWrite } from "../bus/messages/index.ts";
import { CLEAR_BUSY, CoprocessorPort } from "../devices/coprocessor-port.ts";
import { coprocessorChart } from "../machines/coprocessor.ts";
import { SWITCHER } from "./addresses.ts";
import { type DeviceParts, IrqMessages, linesOf, portActions } from "./device-ports.ts";
import type { Stage } from "./stage.ts";

const COPROCESSOR_LINE = 13;

/** What a PC does about x87 errors while CR0.NE is clear, as an actor; one for all processors of a vm. Returns its ports. */
export function addCoprocessor(stage: Stage, parts: DeviceParts): CoprocessorPort {
  const port = new CoprocessorPort();
  stage.add(parts.addresses.coprocessor, coprocessorChart, (self) => {
    const irq = new IrqMessages(self, linesOf(parts), COPROCESSOR_LINE);
    const answer =
      (type: "fpu.frozen" | "fpu.ignored") =>
      ({ event }: { readonly event: unknown }) =>
        self.post(SWITCHER, { type, vcpu: (event as FpuError).vcpu });
    return {
      guards: {
        isFresh: ({ event }) => (event as FpuError).fresh,
        clearsBusy: ({ event }) => (event as IoWrite).port === CLEAR_BUSY,
      },
      actions: {
        ...portActions(self, () => port),
        assertLine: () => irq.set(true),
        deassertLine: () => irq.set(false),
        freeze: answer("fpu.frozen"),
        ignore: answer("fpu.ignored"),
      },
    };
  });
  return port;
}
