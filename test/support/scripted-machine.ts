import { EBX } from "../../src/cpu/layout.ts";
import type { Envelope, Message } from "../../src/index.ts";
import { createMachine, type Machine } from "../../src/vm/machine.ts";
import type { MachineOptions, VmOptions } from "../../src/vm/options.ts";
import type { Vm } from "../../src/vm/vm.ts";
import { ScriptedProcessor, type ScriptStep } from "./scripted-processor.ts";

export interface ScriptedMachine {
  readonly machine: Machine;
  readonly processor: ScriptedProcessor;
  readonly vms: readonly Vm[];
  /** Everything that was delivered or announced. */
  readonly envelopes: Envelope<Message>[];
  /** "type sender -> receiver" of what came since the last call. */
  flow(): string[];
}

/** A machine with one vm for each script, named a, b, c … */
export function scriptedMachine(
  scripts: readonly (readonly ScriptStep[])[],
  vmOptions: Partial<VmOptions> = {},
  machineOptions: Partial<MachineOptions> = {},
): ScriptedMachine {
  let processor: ScriptedProcessor | undefined;
  const machine = createMachine({
    memoryMiB: 64,
    ...machineOptions,
    processor: (memory) => {
      processor = new ScriptedProcessor(memory, scripts);
      return processor;
    },
  });
  const envelopes: Envelope<Message>[] = [];
  machine.bus.tap((envelope) => envelopes.push(envelope));
  const vms = scripts.map((_, index) =>
    machine.createVm({
      name: String.fromCharCode(97 + index),
      pager: "vtlb",
      memoryMiB: 4,
      time: { nsPerInstruction: 1, ioNs: 1000, tscMHz: 1000 },
      ...vmOptions,
      boot: (memory, state) => {
        state.set(EBX, index);
        vmOptions.boot?.(memory, state);
      },
    }),
  );
  let told = 0;
  return {
    machine,
    processor: processor as ScriptedProcessor,
    vms,
    envelopes,
    flow: () => {
      const lines = envelopes.slice(told).map(describe);
      told = envelopes.length;
      return lines;
    },
  };
}

export const describe = ({ sender, receiver, message }: Envelope<Message>): string =>
  `${message.type} ${sender} -> ${receiver ?? "*"}`;
