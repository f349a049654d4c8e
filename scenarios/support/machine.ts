import { describeEnvelope } from "../../src/bus/cause-tree.ts";
import { attachInspector, type InspectorHandle } from "../../src/inspect/attach.ts";
import { createMachine, type Machine } from "../../src/vm/machine.ts";
import type { MachineOptions } from "../../src/vm/options.ts";
import { type CommonSettings, UsageError } from "./flags.ts";

/** Beside the guests' memory: frames for the monitor's tables, and room to align a guest's run of frames. */
const MONITOR_MIB = 16;

/** A machine with room for `guests` guests of --memory each, traced as the flags say. @throws UsageError */
export function scenarioMachine(
  settings: Pick<CommonSettings, "memoryMiB" | "trace" | "cpu">,
  guests = 1,
  options: Omit<MachineOptions, "memoryMiB"> = {},
): Machine {
  let machine: Machine;
  try {
    machine = createMachine({
      ...options,
      ...(settings.cpu !== undefined && { cpu: settings.cpu }),
      memoryMiB: guests * (settings.memoryMiB + 4) + MONITOR_MIB,
    });
  } catch (error) {
    if (error instanceof RangeError)
      throw new UsageError(`--memory: the host has no room for ${settings.memoryMiB} MiB (${error.message})`);
    throw error;
  }
  if (settings.trace !== undefined) traceMessages(machine, settings.trace);
  return machine;
}

/** Prints messages on stderr, one line each with its virtual time. No families named: all of them. */
export function traceMessages(machine: Machine, families: readonly string[], label = ""): void {
  machine.bus.tap(
    (envelope) => {
      const { time, cause } = envelope;
      const from = cause === null ? "" : ` ← #${cause}`;
      process.stderr.write(
        `${label}${(time / 1e6).toFixed(6).padStart(13)} ms  ${describeEnvelope(envelope)}${from}\n`,
      );
    },
    families.length === 0 ? {} : { families },
  );
}

/** Attaches the inspector if --inspect is given, and says where it is. */
export async function inspect(
  machine: Machine,
  settings: Pick<CommonSettings, "inspect">,
): Promise<InspectorHandle | undefined> {
  if (settings.inspect === undefined) return undefined;
  const inspector = await attachInspector(machine, { port: settings.inspect });
  process.stderr.write(`inspector: open ${inspector.url}\n`);
  return inspector;
}
