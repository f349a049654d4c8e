/**
 * What kvm's shadow MMU does, message by message: a built-in guest goes through the seven flows of such an MMU, and each is printed as a tree
 * of causes. Needs no downloads.
 */
import type { Envelope } from "../src/bus/envelope.ts";
import type { Message } from "../src/bus/messages/index.ts";
import { type CommonSettings, type FlagSpecs, type FlagValues, vmSettings } from "./support/flags.ts";
import { drawBriefly, drawFlow, type Flow, FlowRecorder, typesOf } from "./support/flows.ts";
import { STEP_PORT, STEPS, type Step, tableWriter } from "./support/guests/table-writer.ts";
import { kvmFigures, kvmTable } from "./support/kvm-figures.ts";
import { inspect, scenarioMachine } from "./support/machine.ts";
import { printJson, runScenario } from "./support/scenario.ts";

const FLAGS = {
  full: { type: "boolean", help: "print every fact, however many of a kind there are" },
} as const satisfies FlagSpecs;

const COMMAND = {
  name: "scenarios/kvm-flows.ts",
  summary:
    "A built-in guest goes through the flows of KVM's shadow MMU: a cold fault, a store to a table that is emulated, a table that goes out of\n" +
    "step and is synchronised, INVLPG, MOV CR3, a table that is no longer one, and the want of shadow pages. Each is printed as trees of\n" +
    "causes; then a table of what the shadow came to.",
  flags: FLAGS,
  without: ["pager"] as const,
};

/** So few that the guest's last step runs out of them. */
const SHADOW_PAGES = 64;

type MessageType = Message["type"];

interface Expectation {
  readonly title: string;
  /** Requests that must come in this order. */
  readonly requests: readonly MessageType[];
  /** Facts that must be told. */
  readonly facts: readonly MessageType[];
}

const EMULATED: readonly MessageType[] = ["shadow.fault", "shadow.emulate", "shadow.write", "shadow.written"];
const LOADED: readonly MessageType[] = ["shadow.cr", "shadow.load", "shadow.loaded", "shadow.flushed"];

function expectations(unsync: boolean): Readonly<Record<Step, Expectation>> {
  return {
    cold: {
      title:
        "Cold shadow fault: a page is read for the first time; its page table gets a shadow and loses its right to be written",
      requests: ["cpu.exit", "mmu.fault", "shadow.fault", "shadow.resolved", "mmu.resolved", "cpu.enter"],
      facts: ["shadow.created", "shadow.linked", "shadow.protected", "shadow.filled", "tlb.flush"],
    },
    tableWrite: {
      title: "A store to the page directory, which must stay protected: the monitor does it for the guest",
      requests: [...EMULATED, "mmu.emulated"],
      facts: [],
    },
    unsync: unsync
      ? {
          title:
            "Stores to a page table: the first makes it writable and its shadow unsync, the second does not leave; MOV CR3 synchronises",
          requests: ["shadow.fault", "shadow.resolved", "shadow.cr", "shadow.load", "shadow.loaded"],
          facts: ["shadow.unsynced", "shadow.resynced", "shadow.protected"],
        }
      : {
          title: "Stores to a page table, with unsync off: the monitor does each of them for the guest",
          requests: [...EMULATED, ...EMULATED],
          facts: [],
        },
    invlpg: {
      title: "A changed entry of a page table, and INVLPG for its page",
      requests: ["shadow.invlpg", "shadow.invalidated", "cpu.enter"],
      facts: unsync ? ["shadow.unsynced", "shadow.dropped", "shadow.filled"] : ["shadow.dropped"],
    },
    switch: {
      title: "MOV CR3 to another address space, which is new, and back to the first, whose roots are cached",
      requests: [...LOADED, "cpu.enter", ...LOADED],
      facts: ["shadow.created"],
    },
    flood: {
      title:
        "Five stores to the directory of the other address space: the third gives its shadow up, the fourth makes it writable, the fifth does not leave",
      requests: [...EMULATED, ...EMULATED, ...EMULATED, "shadow.fault", "shadow.resolved"],
      facts: ["shadow.flooded", "shadow.zapped", "shadow.freed", "shadow.created"],
    },
    reclaim: {
      title:
        "The want of shadow pages: the oldest go, the running roots among them, and roots are loaded anew",
      requests: ["shadow.fault", "shadow.reload", "shadow.load", "shadow.loaded"],
      facts: ["shadow.evicted", "shadow.zapped", "shadow.freed"],
    },
  };
}

async function main(common: CommonSettings, flags: FlagValues<typeof FLAGS>): Promise<number> {
  const kvm = { ...common.kvm, budget: common.kvm.budget ?? SHADOW_PAGES };
  const machine = scenarioMachine(common);
  const inspector = await inspect(machine, common);
  const vm = machine.createVm({
    name: "writer",
    ...vmSettings({ ...common, pager: "kvm", kvm }),
    boot: tableWriter(),
    maxInstructions: Math.min(common.maxInstructions, 1_000_000),
  });
  const recorder = new FlowRecorder(machine);
  const result = await vm.runAsync();
  const violations = vm.reason === undefined ? vm.audit() : [];
  const figures = vm.reason === undefined ? kvmFigures(vm) : undefined;
  inspector?.stop();

  const flowsOf = flowsByStep(recorder.flows);
  const expected = expectations(common.kvm.unsync ?? true);
  const missing: string[] = [];
  for (const [at, step] of STEPS.entries()) {
    const flows = (flowsOf.get(step) ?? []).filter((flow) => flow.some(isOfPaging));
    process.stdout.write(`${at + 1}. ${expected[step].title}\n\n`);
    for (const flow of shown(step, flows))
      process.stdout.write(`${flags.full ? drawFlow(flow) : drawBriefly(flow)}\n\n`);
    missing.push(...missingFrom(flows.flat(), expected[step]).map((what) => `${step}: ${what}`));
  }
  if (figures !== undefined) process.stdout.write(`${kvmTable(figures)}\n`);
  const ok = result.status === "waiting" && violations.length === 0 && missing.length === 0;
  if (!ok) {
    process.stderr.write(
      `kvm-flows: the guest ended as ${result.status} (${result.reason ?? "no reason"}); ${violations.length} audit violations\n`,
    );
    for (const what of missing) process.stderr.write(`kvm-flows: did not see ${what}\n`);
    for (const { rule, detail } of violations) process.stderr.write(`kvm-flows: ${rule}: ${detail}\n`);
  }
  if (common.json)
    printJson({
      ok,
      pager: "kvm",
      status: result.status,
      instructions: result.instructions,
      audit: { runs: 1, violations: violations.length },
      missing,
      flows: STEPS.map((name) => ({ name, flows: (flowsOf.get(name) ?? []).map(typesOf) })),
      ...figures,
    });
  return ok ? 0 : 1;
}

const isOfPaging = ({ message }: Envelope<Message>): boolean =>
  message.type.startsWith("shadow.") || message.type.startsWith("mmu.");

/** Each step's flows, by the marks that the guest leaves. */
function flowsByStep(flows: readonly Flow[]): Map<Step, Flow[]> {
  const byStep = new Map<Step, Flow[]>();
  let current: Flow[] = [];
  for (const flow of flows) {
    const mark = flow.map(({ message }) => markOf(message)).find((step) => step !== undefined);
    if (mark === undefined) current.push(flow);
    else {
      current = [];
      byStep.set(mark, current);
    }
  }
  return byStep;
}

function markOf(message: Message): Step | undefined {
  if (message.type !== "io.write" || message.port !== STEP_PORT) return undefined;
  return STEPS[message.value - 1];
}

/** The want of pages comes after many faults like the first one; those are left out. */
function shown(step: Step, flows: readonly Flow[]): readonly Flow[] {
  if (step !== "reclaim") return flows;
  const evicting = flows.filter((flow) => flow.some(({ message }) => message.type === "shadow.evicted"));
  return evicting.slice(0, 1);
}

function missingFrom(envelopes: readonly Envelope<Message>[], expected: Expectation): string[] {
  const types = envelopes.map(({ message }) => message.type);
  const missing: string[] = expected.facts.filter((fact) => !types.includes(fact));
  let from = 0;
  for (const request of expected.requests) {
    const found = types.indexOf(request, from);
    if (found < 0) return [...missing, `${request} (in the order ${expected.requests.join(", ")})`];
    from = found + 1;
  }
  return missing;
}

await runScenario(COMMAND, ({ common, own }) => main(common, own));
