/**
 * How a timer's tick reaches a guest, message by message: device, interrupt controller, injection, acknowledge, end of interrupt.
 * Needs no downloads.
 */
import type { Message } from "../src/bus/messages/index.ts";
import {
  type CommonSettings,
  countOf,
  type FlagSpecs,
  type FlagValues,
  vmSettings,
} from "./support/flags.ts";
import { drawFlow, type Flow, FlowRecorder, typesOf } from "./support/flows.ts";
import { ticker } from "./support/guests/ticker.ts";
import { inspect, scenarioMachine } from "./support/machine.ts";
import { printJson, runScenario } from "./support/scenario.ts";

const FLAGS = {
  ticks: {
    type: "string",
    value: "N",
    help: "how many ticks the guest waits for; the last is printed (default: 3)",
  },
} as const satisfies FlagSpecs;

const COMMAND = {
  name: "scenarios/timer-interrupt.ts",
  summary:
    "A built-in guest waits in HLT for ticks of its timer. Prints the complete message flow of one tick as trees of causes, from the\n" +
    "timer's alarm to the end of interrupt.",
  flags: FLAGS,
};

const DEFAULT_TICKS = 3;

async function main(common: CommonSettings, flags: FlagValues<typeof FLAGS>): Promise<number> {
  const ticks = flags.ticks === undefined ? DEFAULT_TICKS : countOf("ticks", flags.ticks);
  const machine = scenarioMachine(common);
  const inspector = await inspect(machine, common);
  const vm = machine.createVm({
    name: "ticker",
    ...vmSettings(common),
    boot: ticker(ticks),
    maxInstructions: Math.min(common.maxInstructions, 1_000_000 + 1000 * ticks),
  });
  const recorder = new FlowRecorder(machine);
  const result = await vm.runAsync();
  inspector?.stop();

  const injections = recorder.having(isTick);
  const flow = tickFlow(recorder.flows);
  const ok = result.status === "waiting" && injections.length === ticks && flow.length > 0;
  process.stdout.write(`Tick ${ticks} of the timer, from its alarm to the end of interrupt:\n\n`);
  for (const part of flow) process.stdout.write(`${drawFlow(part)}\n\n`);
  if (!ok)
    process.stderr.write(
      `timer-interrupt: the guest ended as ${result.status} (${result.reason ?? "no reason"}) after ${injections.length} of ${ticks} ticks\n`,
    );
  if (common.json)
    printJson({
      ok,
      pager: common.pager,
      status: result.status,
      ticks: injections.length,
      instructions: result.instructions,
      virtualMs: result.virtualNs / 1e6,
      flow: flow.map(typesOf),
    });
  return ok ? 0 : 1;
}

const isTick = (message: Message): boolean => message.type === "trap.inject" && message.kind === "external";

/** The flows of the last tick: from the one in which the timer raised its line, to the one in which the guest ended the interrupt. */
function tickFlow(flows: readonly Flow[]): readonly Flow[] {
  const has = (flow: Flow, type: Message["type"]) => flow.some(({ message }) => message.type === type);
  const last = flows.findLastIndex((flow) => has(flow, "intr.eoi"));
  const first = flows.findLastIndex(
    (flow, at) => at <= last && has(flow, "irq.assert") && has(flow, "clock.alarm"),
  );
  return last < 0 || first < 0 ? [] : flows.slice(first, last + 1);
}

await runScenario(COMMAND, ({ common, own }) => main(common, own));
