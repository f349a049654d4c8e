/** Just enough of SVG to draw log-log plots that can be read on light and on dark ground. */

export interface PlotSeries {
  readonly name: string;
  /** Class of the colour, and shape of the marks: a series must be told from others without colour, too. */
  readonly mark: "disc" | "square" | "ring";
  /** Filled marks were measured, hollow ones calculated. */
  readonly points: readonly { readonly x: number; readonly y: number; readonly hollow: boolean }[];
}

export interface Plot {
  readonly title: string;
  readonly xLabel: string;
  readonly series: readonly PlotSeries[];
  /** Text of a tick of the vertical axis. */
  readonly yTick: (exponent: number) => string;
}

/** Colours of ground, ink, grid and up to three series. No custom properties: not every viewer knows them. */
function colours(ground: string, ink: string, grid: string, ...series: readonly string[]): string {
  const own = series.map(
    (colour, index) =>
      `.s${index} .line, .s${index} .mark { stroke: ${colour}; } .s${index} .mark, .s${index} .label { fill: ${colour}; }`,
  );
  return [
    `.ground { fill: ${ground}; } text { fill: ${ink}; } .grid { stroke: ${grid}; }`,
    ...own,
    `g .line, g .mark.ring { fill: none; } g .mark.hollow { fill: ${ground}; }`,
  ].join("\n");
}

const STYLE = `
svg { font: 12px system-ui, sans-serif; }
.title { font-size: 14px; font-weight: 600; }
.label { font-weight: 600; }
.line { stroke-width: 2; } .mark { stroke-width: 1.5; }
.s2 .line { stroke-dasharray: 2 5; }
${colours("#ffffff", "#1f2328", "#d8dee4", "#b3400b", "#0550ae", "#116329")}
@media (prefers-color-scheme: dark) {
${colours("#0d1117", "#e6edf3", "#30363d", "#ff9e64", "#79c0ff", "#7ee787")}
}
`;

const WIDTH = 460;
const HEIGHT = 400;
const INSET = { left: 62, right: 20, top: 64, bottom: 50 };

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
const place = (value: number): string => value.toFixed(1);

function shape(mark: PlotSeries["mark"], x: number, y: number, hollow: boolean): string {
  const look = `class="mark${hollow ? " hollow" : ""}"`;
  if (mark === "square")
    return `<rect ${look} x="${place(x - 3.5)}" y="${place(y - 3.5)}" width="7" height="7"/>`;
  return mark === "ring"
    ? `<circle class="mark ring" cx="${place(x)}" cy="${place(y)}" r="6.5"/>`
    : `<circle ${look} cx="${place(x)}" cy="${place(y)}" r="4"/>`;
}

function renderPlot(plot: Plot, left: number): string {
  const all = plot.series.flatMap(({ points }) => points);
  const decade = (
    pick: (point: { x: number; y: number }) => number,
    round: (value: number) => number,
    most: boolean,
  ) => {
    const logs = all.map((point) => Math.log10(pick(point)));
    return round(most ? Math.max(...logs) : Math.min(...logs));
  };
  const x0 = decade(({ x }) => x, Math.floor, false);
  const x1 = decade(({ x }) => x, Math.ceil, true);
  const y0 = decade(({ y }) => y, Math.floor, false);
  const y1 = decade(({ y }) => y, Math.ceil, true);
  const right = left + WIDTH - INSET.right;
  const bottom = HEIGHT - INSET.bottom;
  const inner = left + INSET.left;
  const px = (log: number): number => inner + ((log - x0) / (x1 - x0)) * (right - inner);
  const py = (log: number): number => bottom - ((log - y0) / (y1 - y0)) * (bottom - INSET.top);
  const lines: string[] = [`<text class="title" x="${inner}" y="26">${escaped(plot.title)}</text>`];
  for (let log = x0; log <= x1; log++) {
    lines.push(
      `<line class="grid" x1="${place(px(log))}" y1="${INSET.top}" x2="${place(px(log))}" y2="${bottom}"/>`,
    );
    const text = (10 ** log).toLocaleString("en-US", { notation: "compact" });
    lines.push(`<text x="${place(px(log))}" y="${bottom + 18}" text-anchor="middle">${text}</text>`);
  }
  const step = y1 - y0 > 7 ? 2 : 1;
  for (let log = y0; log <= y1; log += step) {
    lines.push(
      `<line class="grid" x1="${inner}" y1="${place(py(log))}" x2="${right}" y2="${place(py(log))}"/>`,
    );
    lines.push(
      `<text x="${inner - 8}" y="${place(py(log) + 4)}" text-anchor="end">${escaped(plot.yTick(log))}</text>`,
    );
  }
  lines.push(
    `<text x="${place((inner + right) / 2)}" y="${HEIGHT - 12}" text-anchor="middle">${escaped(plot.xLabel)}</text>`,
  );
  for (const [index, { name, mark, points }] of plot.series.entries()) {
    const places = points.map(({ x, y, hollow }) => ({ x: px(Math.log10(x)), y: py(Math.log10(y)), hollow }));
    lines.push(`<g class="s${index}">`);
    lines.push(
      `<polyline class="line" points="${places.map(({ x, y }) => `${place(x)},${place(y)}`).join(" ")}"/>`,
    );
    for (const { x, y, hollow } of places) lines.push(shape(mark, x, y, hollow));
    const keyX = inner + index * 122;
    lines.push(shape(mark, keyX + 5, 46, false));
    lines.push(`<text class="label" x="${keyX + 17}" y="50">${escaped(name)}</text></g>`);
  }
  return lines.join("\n");
}

/** Plots side by side, as one file. `summary` is for those who cannot see it. */
export function renderPlots(plots: readonly Plot[], summary: string): string {
  const width = WIDTH * plots.length;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${HEIGHT}" width="${width}" height="${HEIGHT}" role="img">`,
    `<title>${escaped(summary)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="ground" width="${width}" height="${HEIGHT}"/>`,
    ...plots.map((plot, index) => renderPlot(plot, index * WIDTH)),
    "</svg>",
    "",
  ].join("\n");
}
