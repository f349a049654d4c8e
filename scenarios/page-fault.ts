/**
 * What the monitor does at page faults, message by message: a built-in guest touches pages, and every flow is printed as a tree of
 * causes. Needs no downloads.
 */
import type { Message } from "../src/bus/messages/index.ts";
import type { Gpa } from "../src/mmu/address.ts";
import type { Vm } from "../src/vm/vm.ts";
import { type CommonSettings, vmSettings } from "./support/flags.ts";
import { drawFlow, type Flow, FlowRecorder, typesOf } from "./support/flows.ts";
import { COLD_GVA, pageToucher, UNMAPPED_GVA } from "./support/guests/page-toucher.ts";
import { inspect, scenarioMachine } from "./support/machine.ts";
import { printJson, runScenario } from "./support/scenario.ts";

const COMMAND = {
  name: "scenarios/page-fault.ts",
  summary:
    "A built-in guest touches pages. Prints the complete message flow of a cold shadow fault, of an A/D update and of a reflected\n" +
    "fault, each as a tree of causes. (Under bare the guest's own tables are walked, and nothing of it leaves the guest.)",
  flags: {},
};

/** What the guest does, in order; each is one page-fault exit under a pager with shadow tables. */
const STEPS = [
  {
    name: "cold",
    gva: COLD_GVA,
    title: "Cold shadow fault: the guest reads a page that it has mapped; the shadow has no entry yet",
  },
  {
    name: "dirty",
    gva: COLD_GVA,
    title:
      "A/D update: the guest writes to that page; the shadow withheld write access until the guest's D is set",
  },
  {
    name: "reflected",
    gva: UNMAPPED_GVA,
    title: "Reflected fault: the guest writes to a page that it has not mapped; the fault is its own",
  },
  {
    name: "retried",
    gva: UNMAPPED_GVA,
    title:
      "The guest's handler has mapped the page and the write is tried again: a cold shadow fault, for a write",
  },
] as const;

interface Seen {
  readonly flow: Flow;
  /** The guest's page-table entry before and after. */
  readonly before: number;
  readonly after: number;
}

async function main(common: CommonSettings): Promise<number> {
  const machine = scenarioMachine(common);
  const inspector = await inspect(machine, common);
  const guest = pageToucher();
  const vm = machine.createVm({
    name: "toucher",
    ...vmSettings(common),
    boot: guest.boot,
    maxInstructions: Math.min(common.maxInstructions, 1_000_000),
  });
  const recorder = new FlowRecorder(machine);
  const entries = new Map<Flow, { before: number; after: number }>();
  machine.bus.tap(({ message }) => {
    const gva = faultAddress(message);
    const pteGpa = gva === undefined ? undefined : guest.pteGpa[gva];
    const flow = recorder.flows.at(-1) as Flow;
    if (pteGpa !== undefined) entries.set(flow, { before: readPte(vm, pteGpa), after: 0 });
    else if (message.type === "cpu.enter") {
      const [exit] = flow.filter((envelope) => faultAddress(envelope.message) !== undefined);
      const entry = entries.get(flow);
      if (entry !== undefined && exit !== undefined)
        entry.after = readPte(vm, guest.pteGpa[faultAddress(exit.message) as number] as number);
    }
  });

  const result = await vm.runAsync();
  const seen: Seen[] = [...entries].map(([flow, { before, after }]) => ({ flow, before, after }));
  const violations = vm.reason === undefined ? vm.audit() : [];
  inspector?.stop();

  const expected = common.pager === "bare" ? [] : STEPS;
  const ok =
    result.status === "waiting" &&
    violations.length === 0 &&
    seen.length === expected.length &&
    seen.every(({ flow }, at) => flow.some(({ message }) => faultAddress(message) === expected[at]?.gva));
  for (const [at, { flow, before, after }] of seen.entries()) {
    const step = STEPS[at];
    process.stdout.write(`${at + 1}. ${step?.title ?? "Another page fault"}\n\n${drawFlow(flow)}\n`);
    process.stdout.write(`\n   guest's page-table entry: ${hex(before)} before, ${hex(after)} after\n\n`);
  }
  if (seen.length === 0)
    process.stdout.write(`Under ${common.pager} none of the guest's accesses left the guest.\n`);
  if (!ok)
    process.stderr.write(
      `page-fault: the guest ended as ${result.status} (${result.reason ?? "no reason"}) with ${seen.length} page faults, ` +
        `${expected.length} were expected; ${violations.length} audit violations\n`,
    );
  if (common.json)
    printJson({
      ok,
      pager: common.pager,
      status: result.status,
      instructions: result.instructions,
      audit: { runs: 1, violations: violations.length },
      flows: seen.map(({ flow, before, after }, at) => ({
        name: STEPS[at]?.name ?? "more",
        types: typesOf(flow),
        pteBefore: before,
        pteAfter: after,
      })),
    });
  return ok ? 0 : 1;
}

/** The page whose fault this exit is, if it is one of those of interest. */
function faultAddress(message: Message): number | undefined {
  if (message.type !== "cpu.exit" || message.reason !== "pageFault") return undefined;
  const page = (message.gva & ~0xfff) >>> 0;
  return page === COLD_GVA || page === UNMAPPED_GVA ? page : undefined;
}

const readPte = (vm: Vm, gpa: number): number => vm.memory.read32(gpa as Gpa);
const hex = (value: number): string => `0x${value.toString(16)}`;

await runScenario(COMMAND, ({ common }) => main(common));
