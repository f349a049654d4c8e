/** Errors of chart compiling, binding and running. */

/** A chart uses something that cannot be compiled (or that a chart of ours must not use). */
export class ChartCompileError extends Error {
  override readonly name = "ChartCompileError";
  readonly chartId: string;
  /** One line per defect, each beginning with the path of its state. */
  readonly defects: readonly string[];
  constructor(chartId: string, defects: readonly string[]) {
    super(`Chart '${chartId}' cannot be compiled:\n${defects.map((defect) => `  ${defect}`).join("\n")}`);
    this.chartId = chartId;
    this.defects = defects;
  }
}

/** The names of a chart and the names of its bindings do not agree. */
export class ChartBindingError extends Error {
  override readonly name = "ChartBindingError";
  readonly missing: readonly string[];
  readonly unknown: readonly string[];
  constructor(chartId: string, missing: readonly string[], unknown: readonly string[]) {
    const parts = [
      ...(missing.length > 0 ? [`no binding for ${missing.join(", ")}`] : []),
      ...(unknown.length > 0 ? [`the chart does not use ${unknown.join(", ")}`] : []),
    ];
    super(`Chart '${chartId}' cannot be bound: ${parts.join("; ")}.`);
    this.missing = missing;
    this.unknown = unknown;
  }
}

/** A chart went round in circles through `always` transitions or raised events. */
export class ChartLoopError extends Error {
  override readonly name = "ChartLoopError";
  constructor(chartId: string, state: string, eventType: string, limit: number) {
    super(
      `Chart '${chartId}' took ${limit} microsteps for one '${eventType}' without coming to rest; it is now in ` +
        `${state}. Look for 'always' transitions or raised events that lead back to where they came from.`,
    );
  }
}

/** A guard threw. */
export class ChartGuardError extends Error {
  override readonly name = "ChartGuardError";
  constructor(chartId: string, guard: string, state: string, eventType: string, cause: unknown) {
    super(
      `Guard '${guard}' of state '${state}' of chart '${chartId}' threw on '${eventType}': ` +
        `${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}
