/**
 * What one exit costs: the whole flow of messages from guest code back to guest code, with compiled and with interpreted charts.
 *
 *     npm run bench:exits [-- --help]
 */
import { type ExitContestant, machineContestant, plainContestant } from "./exits/contestants.ts";
import { EXIT_GUESTS, type ExitGuest } from "./exits/guests.ts";
import { benchOptions, chosenFrom, countOption, runBench } from "./support/options.ts";
import { progress, Report } from "./support/report.ts";
import { median, rounded } from "./support/statistics.ts";
import { renderTable } from "./support/table.ts";

const USAGE = `Usage: npm run bench:exits [-- OPTIONS]

Microseconds for one exit flow under the vtlb pager: CPUID, port input and output, cold shadow fault; and under the kvm pager: cold
shadow fault, MOV CR3 between address spaces whose roots are cached.
"compiled" and "interpreted" are the machine with its charts compiled, and run by XState; "plain loop" is the same mechanism with no
bus and no actors: what is left is the engine's and the pager's. A cold fault includes its share of the CR3 loads that make pages cold.
On a busy machine look at the columns of CPU time rather than at those of the wall clock.

  --exits N    exits in one measurement (default 100000; a tenth of it for interpreted charts)
  --rounds N   measurements of each; the median counts (default 5)
  --only LIST  some of: ${EXIT_GUESTS.map((guest) => guest.name).join(", ")}
  --out FILE   write the JSON there, too
  --help       this text
`;

/** Medians, in µs. */
interface Cost {
  readonly wallUs: number;
  readonly cpuUs: number;
}

interface ExitCost {
  readonly flow: string;
  readonly compiled: Cost;
  readonly interpreted: Cost;
  readonly plain: Cost;
  readonly messagesPerExit: number;
  readonly barUs: number | undefined;
  readonly withinBar: boolean | undefined;
}

interface Entry {
  readonly contestant: ExitContestant;
  readonly exits: number;
  readonly wallUs: number[];
  readonly cpuUs: number[];
}

const medians = ({ wallUs, cpuUs }: Entry): Cost => ({
  wallUs: rounded(median(wallUs), 3),
  cpuUs: rounded(median(cpuUs), 3),
});

function costOf(guest: ExitGuest, exits: number, rounds: number): ExitCost {
  const entry = (contestant: ExitContestant, count: number): Entry => ({
    contestant,
    exits: count,
    wallUs: [],
    cpuUs: [],
  });
  const fewer = Math.max(1000, Math.round(exits / 10));
  const compiled = entry(machineContestant(guest, false), exits);
  const interpreted = entry(machineContestant(guest, true), fewer);
  const plain = entry(plainContestant(guest), exits);
  let messagesPerExit = 0;
  for (let round = 0; round <= rounds; round++) {
    for (const entrant of [compiled, interpreted, plain]) {
      const sample = entrant.contestant.measure(entrant.exits);
      if (entrant === compiled) messagesPerExit = sample.messages / sample.exits;
      // The first round is for the compiler of the host.
      if (round === 0) continue;
      entrant.wallUs.push(sample.wallUs / sample.exits);
      entrant.cpuUs.push(sample.cpuUs / sample.exits);
    }
  }
  const cost = medians(compiled);
  return {
    flow: guest.name,
    compiled: cost,
    interpreted: medians(interpreted),
    plain: medians(plain),
    messagesPerExit: rounded(messagesPerExit),
    barUs: guest.barUs,
    withinBar: guest.barUs === undefined ? undefined : cost.wallUs <= guest.barUs,
  };
}

function main(): number {
  const options = benchOptions({
    usage: USAGE,
    values: { exits: "100000", rounds: "5", only: undefined, out: undefined },
  });
  if (options === undefined) return 0;
  const exits = countOption("exits", options.exits);
  const rounds = countOption("rounds", options.rounds);
  const names = chosenFrom(
    "only",
    options.only,
    EXIT_GUESTS.map((guest) => guest.name),
  );
  const report = new Report("exits", "Cost of one exit flow, in µs (medians)");
  const costs = EXIT_GUESTS.filter((guest) => names.includes(guest.name)).map((guest) => {
    progress(guest.title);
    return costOf(guest, exits, rounds);
  });
  report.text(
    renderTable(
      [
        "exit",
        "compiled",
        "CPU time",
        "interpreted",
        "CPU time",
        "plain loop",
        "CPU time",
        "messages",
        "bar",
        "",
      ],
      costs.map((cost) => [
        EXIT_GUESTS.find((guest) => guest.name === cost.flow)?.title,
        ...[cost.compiled, cost.interpreted, cost.plain].flatMap(({ wallUs, cpuUs }) => [
          wallUs.toFixed(2),
          cpuUs.toFixed(2),
        ]),
        cost.messagesPerExit,
        cost.barUs,
        cost.withinBar === undefined ? "" : cost.withinBar ? "met" : "MISSED",
      ]),
    ),
  );
  report.finish({ exits, rounds, costs }, options.out);
  return 0;
}

await runBench(main);
