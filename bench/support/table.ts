/** What a cell shows: nothing is shown as a dash. */
export type Cell = string | number | undefined;

/** A table in plain text: first column to the left, the others to the right, a rule below the heading. */
export function renderTable(heading: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const lines = [heading, ...rows.map((row) => row.map((cell) => (cell === undefined ? "-" : String(cell))))];
  const widths = heading.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  const render = (line: readonly string[]): string =>
    widths
      .map((width, column) => {
        const text = line[column] ?? "";
        return column === 0 ? text.padEnd(width) : text.padStart(width);
      })
      .join("  ")
      .trimEnd();
  const [first, ...rest] = lines.map(render);
  return [first, widths.map((width) => "-".repeat(width)).join("  "), ...rest].join("\n");
}
