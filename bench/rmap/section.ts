import type { Cell } from "../support/table.ts";

/** One table of the report, with what has to be said about it. */
export interface Section {
  readonly title: string;
  /** What was done, and what the columns are. */
  readonly text: string;
  readonly heading: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** What follows from the table; printed below it. */
  readonly findings: readonly string[];
}
