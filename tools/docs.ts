/** `npm run docs`: writes docs/charts.md, docs/instructions.md, docs/messages.md and the accuracy table of src/cpu/fpu/README.md from the source. `test/docs.test.ts` checks them. */

import { writeFileSync } from "node:fs";
import { generatedDocs } from "./docs-files.ts";

for (const { file, text } of generatedDocs()) {
  writeFileSync(file, text);
  console.log(`wrote ${file.pathname}`);
}
