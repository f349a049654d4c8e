import type { MmioRead } from "../bus/messages/index.ts";
import { DebugConsole } from "../devices/debug-console.ts";
import { DebugExit } from "../devices/debug-exit.ts";
import { allOnes } from "../devices/device.ts";
import { PciNone } from "../devices/pci-none.ts";
import { PortMap } from "../devices/port-map.ts";
import { PostCode } from "../devices/post-code.ts";
import { UnassignedPorts } from "../devices/unassigned.ts";
import { portsChart } from "../machines/ports.ts";
import { type DeviceParts, portActions } from "./device-ports.ts";
import type { Stage } from "./stage.ts";

export interface PortsModels {
  readonly pci: PciNone;
  readonly postCode: PostCode;
  readonly debugConsole: DebugConsole;
  readonly debugExit: DebugExit;
  readonly unassigned: UnassignedPorts;
}

/** The devices of one vm that have no state worth a chart, and what nobody claims, as one actor. Returns the models. */
export function addPorts(stage: Stage, parts: Omit<DeviceParts, "time">): PortsModels {
  const { addresses, vcpu } = parts;
  let models: PortsModels | undefined;
  stage.add(addresses.ports, portsChart, (self) => {
    const pci = new PciNone(() => self.post(addresses.vm, { type: "vm.reset", by: "port 0xcf9" }));
    const postCode = new PostCode();
    const debugConsole = new DebugConsole((byte) =>
      self.post(addresses.vm, { type: "console.output", byte }),
    );
    const debugExit = new DebugExit((code) => self.post(addresses.vm, { type: "vm.exit", code }));
    const unassigned = new UnassignedPorts();
    models = { pci, postCode, debugConsole, debugExit, unassigned };
    const map = new PortMap([pci, postCode, debugConsole, debugExit], unassigned);
    return {
      actions: {
        ...portActions(self, vcpu, (port) => map.deviceAt(port)),
        readMemory: ({ event }) =>
          self.post(addresses.mmu, { type: "mmio.data", value: allOnes((event as MmioRead).size) }),
        writeMemory: () => self.post(addresses.mmu, { type: "mmio.done" }),
      },
    };
  });
  return models as PortsModels;
}
