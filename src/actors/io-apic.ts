import type { ApicEoi, IrqAssert, IrqDeassert, MmioRead, MmioWrite } from "../bus/messages/index.ts";
import { IoApic, pinOfLine } from "../devices/io-apic.ts";
import { ioApicChart } from "../machines/io-apic.ts";
import type { VmAddresses } from "./addresses.ts";
import type { ApicBus } from "./apic-bus.ts";
import { readWord, writeWord } from "./mmio-words.ts";
import type { Stage } from "./stage.ts";

const OFFSET_MASK = 0xff;

/** The I/O APIC of one vm as an actor; `bus` leads to the local APICs. Returns the model. */
export function addIoApic(stage: Stage, parts: { addresses: VmAddresses; id: number; bus: ApicBus }): IoApic {
  const { addresses, bus } = parts;
  let model: IoApic | undefined;
  stage.add(addresses.ioapic, ioApicChart, (self) => {
    const ioapic = new IoApic(parts.id, (message, to) => {
      for (const target of bus.targets(message, to)) self.post(target, { type: "apic.deliver", ...message });
    });
    model = ioapic;
    return {
      actions: {
        raisePin: ({ event }) => ioapic.setPin(pinOfLine((event as IrqAssert).line), true),
        lowerPin: ({ event }) => ioapic.setPin(pinOfLine((event as IrqDeassert).line), false),
        endOfInterrupt: ({ event }) => ioapic.endOfInterrupt((event as ApicEoi).vector),
        readRegister: ({ event }) => {
          const { gpa, size } = event as MmioRead;
          const value = readWord(gpa & OFFSET_MASK, size, (offset) => ioapic.read(offset));
          self.post(addresses.mmu, { type: "mmio.data", value });
        },
        writeRegister: ({ event }) => {
          const { gpa, size, value } = event as MmioWrite;
          writeWord(gpa & OFFSET_MASK, size, value, (offset, word) => ioapic.write(offset, word));
          self.post(addresses.mmu, { type: "mmio.done" });
        },
      },
    };
  });
  return model as IoApic;
}
