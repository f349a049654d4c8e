/**
 * What lists of sptes cost in each design: the claims of the patch of 2010 that brought sibling links, and what it does not say.
 *
 *     npm run bench:rmap [-- --help]
 */
import { writeFileSync } from "node:fs";
import { addSection, allocationSection, buildSection } from "./rmap/building.ts";
import { codeSizeSection } from "./rmap/code-size.ts";
import { writeDocs } from "./rmap/document.ts";
import { grouped, Ledger } from "./rmap/ledger.ts";
import { breakEvenSection, exampleSection } from "./rmap/memory.ts";
import { removalSection, writeProtectSection, zapSection } from "./rmap/removing.ts";
import type { Section } from "./rmap/section.ts";
import type { Patience } from "./rmap/timing.ts";
import { nextSection, passSection, walkSection } from "./rmap/walk.ts";
import { machineInfo } from "./support/machine-info.ts";
import { benchOptions, countOption, runBench } from "./support/options.ts";
import { progress, Report } from "./support/report.ts";
import { renderTable } from "./support/table.ts";

const USAGE = `Usage: npm run bench:rmap [-- OPTIONS]

Walks, builds, removes from and drains lists of sptes in the three designs of the kvm pager (descriptors, as before the patch;
sibling links, as in the patch; links both ways), counts what is read and taken, and compares the counts with the figures that the
design note derives: one that differs makes the exit code 1. Times are medians and say nothing exactly. Recycling is off: lists
are longer than the kernel would let them become (1,000).

  --rounds N   measurements of each time; the median counts (default 9)
  --full       count what takes more than a thousand million reads, too (some minutes); otherwise such figures are calculated,
               and marked with *
  --docs       write docs/rmap-walk.svg and the figures in docs/rmap.md
  --json       print nothing but one JSON object
  --out FILE   write the JSON there, too
  --help       this text
`;

const FLAGS = ["--full", "--docs", "--json"];

function verdictOf(ledger: Ledger): string {
  const left = ledger.claims.length - ledger.counted;
  const calculated = left === 0 ? "" : `; ${left} marked with * were calculated, not counted`;
  const failures = ledger.failures;
  return failures.length === 0
    ? `${ledger.counted} counts are exactly what they must be${calculated}. Lists are not recycled.`
    : `${failures.length} of ${ledger.counted} counts are NOT what they must be:\n${failures
        .map(
          ({ what, expected, measured }) =>
            `  ${what}: ${grouped(measured ?? 0)}, expected ${grouped(expected)}`,
        )
        .join("\n")}`;
}

function main(): number {
  const argv = process.argv.slice(2);
  const [full, docs, json] = FLAGS.map((flag) => argv.includes(flag));
  const options = benchOptions(
    { usage: USAGE, values: { rounds: "9", out: undefined } },
    argv.filter((argument) => !FLAGS.includes(argument)),
  );
  if (options === undefined) return 0;
  const patience: Patience = {
    rounds: countOption("rounds", options.rounds),
    once: 1e8,
    most: full ? Number.POSITIVE_INFINITY : 1e9,
  };
  const machine = machineInfo();
  const report = json ? undefined : new Report("rmap", "Lists of sptes: what each design costs");
  const ledger = new Ledger();
  const sections: Section[] = [];
  const show = (section: Section): void => {
    sections.push(section);
    const findings = section.findings.map((finding) => `${finding}\n`).join("");
    report?.text(
      `${section.title}\n${section.text}\n\n${renderTable(section.heading, section.rows)}\n${findings}`,
    );
  };
  progress("walks");
  const { section, series } = walkSection(ledger, patience);
  show(section);
  show(nextSection(ledger, patience));
  show(passSection(ledger, patience));
  progress("adds");
  show(addSection(ledger));
  show(buildSection(ledger, patience));
  show(allocationSection(ledger, patience));
  progress("removals");
  show(removalSection(ledger, patience));
  show(zapSection(ledger, patience));
  show(writeProtectSection(ledger));
  progress("memory");
  show(breakEvenSection(ledger));
  show(exampleSection(ledger));
  show(codeSizeSection());
  const verdict = verdictOf(ledger);
  report?.text(verdict);
  if (docs) writeDocs(machine, verdict, sections, series);
  const results = {
    rounds: patience.rounds,
    verdict,
    claims: ledger.claims,
    walk: series,
    sections: sections.map(({ title, heading, rows }) => ({ title, heading, rows })),
  };
  if (report !== undefined) report.finish(results, options.out);
  else {
    const text = JSON.stringify({ bench: "rmap", machine, ...results });
    if (options.out !== undefined) writeFileSync(options.out, `${text}\n`);
    process.stdout.write(`${text}\n`);
  }
  return ledger.failures.length === 0 ? 0 : 1;
}

await runBench(main);
