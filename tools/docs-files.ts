/** The generated documents, as they should be. */

import { readFileSync } from "node:fs";
import { ALL_CHARTS } from "../src/machines/index.ts";
import { describeAccuracy } from "../test/cpu/fpu/accuracy/table.ts";
import { describeCharts } from "./docs-charts.ts";
import { describeInstructions } from "./docs-instructions.ts";
import { describeMessages } from "./docs-messages.ts";

export interface GeneratedDoc {
  readonly file: URL;
  readonly text: string;
}

const FPU_README = new URL("../src/cpu/fpu/README.md", import.meta.url);
const ACCURACY = "## How exact transcendentals are";

/** The README of the x87 unit with the section about accuracy, which is its last, made anew. */
function fpuReadme(): string {
  const text = readFileSync(FPU_README, "utf8");
  const end = text.indexOf(ACCURACY);
  return `${text.slice(0, end < 0 ? text.length : end).trimEnd()}\n\n${ACCURACY}\n\n${describeAccuracy()}`;
}

export function generatedDocs(): GeneratedDoc[] {
  return [
    { file: new URL("../docs/charts.md", import.meta.url), text: describeCharts(ALL_CHARTS) },
    { file: new URL("../docs/instructions.md", import.meta.url), text: describeInstructions() },
    { file: FPU_README, text: fpuReadme() },
    {
      file: new URL("../docs/messages.md", import.meta.url),
      text: describeMessages(new URL("../src/bus/messages/index.ts", import.meta.url)),
    },
  ];
}
