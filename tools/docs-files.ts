/** The generated documents, as they should be. */

import { ALL_CHARTS } from "../src/machines/index.ts";
import { describeCharts } from "./docs-charts.ts";
import { describeInstructions } from "./docs-instructions.ts";
import { describeMessages } from "./docs-messages.ts";

export interface GeneratedDoc {
  readonly file: URL;
  readonly text: string;
}

export function generatedDocs(): GeneratedDoc[] {
  return [
    { file: new URL("../docs/charts.md", import.meta.url), text: describeCharts(ALL_CHARTS) },
    { file: new URL("../docs/instructions.md", import.meta.url), text: describeInstructions() },
    {
      file: new URL("../docs/messages.md", import.meta.url),
      text: describeMessages(new URL("../src/bus/messages/index.ts", import.meta.url)),
    },
  ];
}
