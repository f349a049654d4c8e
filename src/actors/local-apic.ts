import type { ApicDeliver, ApicRead, ApicWrite, MmioRead, MmioWrite } from "../bus/messages/index.ts";
import { LocalApic } from "../devices/local-apic.ts";
import { localApicChart } from "../machines/local-apic.ts";
import { apicAddress, SWITCHER } from "./addresses.ts";
import type { ApicBus } from "./apic-bus.ts";
import { alarmAction, ClockMessages, type DeviceParts } from "./device-ports.ts";
import { readWord, writeWord } from "./mmio-words.ts";
import type { Stage } from "./stage.ts";

/** Of the page at its base. */
const OFFSET_MASK = 0xfff;

export interface LocalApicParts extends DeviceParts {
  /** The processor that it belongs to, by its number on the machine. */
  readonly vcpu: number;
  /** Of the vcpu within its vm; 0 is the bootstrap processor. */
  readonly id: number;
  readonly bus: ApicBus;
}

/** The local APIC of one vcpu as an actor. Returns the model. */
export function addLocalApic(stage: Stage, parts: LocalApicParts): LocalApic {
  const { addresses, vcpu, time, id, bus } = parts;
  let model: LocalApic | undefined;
  const address = apicAddress(addresses, id);
  stage.add(address, localApicChart, (self) => {
    const clock = new ClockMessages(self, addresses.clock, time);
    const apic = new LocalApic({ id, bootstrap: id === 0, tscMHz: time.scale.tscMHz }, clock, {
      send: (message, to) => {
        for (const target of bus.targets(message, to, apic))
          self.post(target, { type: "apic.deliver", ...message });
      },
      ended: (vector) => self.post(addresses.ioapic, { type: "apic.eoi", vector }),
      nmi: () => self.post(SWITCHER, { type: "intr.nmi", vcpu }),
      init: () => self.post(SWITCHER, { type: "ipi.init", vcpu }),
      startup: (vector) => self.post(SWITCHER, { type: "ipi.startup", vcpu, vector }),
    });
    model = apic;
    bus.attach(apic, address);
    return {
      guards: { mustInterrupt: () => apic.intr, needNotInterrupt: () => !apic.intr },
      actions: {
        accept: ({ event }) => apic.accept(event as ApicDeliver),
        raiseExtInt: () => apic.setExtInt(true),
        lowerExtInt: () => apic.setExtInt(false),
        acknowledge: () => {
          const vector = apic.acknowledge();
          if (vector !== "extInt") {
            self.post(SWITCHER, { type: "intr.vector", vcpu, vector, spurious: false });
            return;
          }
          apic.setExtInt(false);
          self.post(addresses.pic, { type: "intr.acknowledge", vcpu });
        },
        readRegister: ({ event }) => {
          const { gpa, size } = event as MmioRead;
          const value = readWord(gpa & OFFSET_MASK, size, (offset) => apic.read(offset));
          self.post(addresses.mmu, { type: "mmio.data", value });
        },
        writeRegister: ({ event }) => {
          const { gpa, size, value } = event as MmioWrite;
          writeWord(gpa & OFFSET_MASK, size, value, (offset, word) => apic.write(offset, word));
          self.post(addresses.mmu, { type: "mmio.done" });
        },
        readMsr: ({ event }) => {
          const { register, offset } = event as ApicRead;
          self.post(SWITCHER, { type: "io.data", vcpu, value: apic.readMsr(register)[offset === 0 ? 0 : 1] });
        },
        writeMsr: ({ event }) => {
          const { register, value, valueHigh } = event as ApicWrite;
          apic.writeMsr(register, value, valueHigh);
          self.post(SWITCHER, { type: "io.done", vcpu });
        },
        alarm: alarmAction(clock, apic),
        request: () => self.post(SWITCHER, { type: "intr.request", vcpu }),
        withdraw: () => self.post(SWITCHER, { type: "intr.withdraw", vcpu }),
      },
    };
  });
  return model as LocalApic;
}
