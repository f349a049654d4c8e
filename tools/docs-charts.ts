/** Draws charts: a mermaid state diagram and a table of transitions for each. */

import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition, StateValue } from "xstate";
import { allNodes, type Builtin, nameOf, pathOf } from "../src/machines/compile/collect.ts";

const HEAD = `# Charts

Generated from \`src/machines\` by \`npm run docs\`; do not edit.

An arrow reads \`event [guard] / actions\`. A chart names its actions and guards; the functions behind the names are
given where its actor is bound (\`src/actors\`). \`always\` is taken as soon as its guard allows, without an event.
`;

export function describeCharts(charts: Readonly<Record<string, AnyStateMachine>>): string {
  const sections = Object.entries(charts).map(([name, chart]) => describeChart(name, chart));
  const contents = Object.keys(charts).map((name) => `- [${name}](#${name})`);
  return `${[HEAD.trimEnd(), contents.join("\n"), ...sections].join("\n\n").trimEnd()}\n`;
}

function describeChart(name: string, chart: AnyStateMachine): string {
  return [`## ${name}`, `\`\`\`mermaid\n${diagram(chart)}\n\`\`\``, table(chart)].join("\n\n");
}

// -------------------------------------------------------------------- diagram

const mermaidId = (node: AnyStateNode) => (node.path.length === 0 ? node.key : node.path.join("_"));

function diagram(chart: AnyStateMachine): string {
  const root = chart.root as AnyStateNode;
  const lines = ["stateDiagram-v2"];
  if (root.type === "parallel") drawState(root, "  ", lines);
  else drawChildren(root, "  ", lines);
  for (const node of allNodes(chart))
    for (const transition of transitionsOf(node))
      for (const target of (transition.target ?? []) as AnyStateNode[])
        lines.push(`  ${sourceId(node)} --> ${mermaidId(target)}: ${label(transition)}`);
  return lines.join("\n");
}

/** Mermaid has no state for a chart as a whole: what leaves from there starts at the initial marker. */
const sourceId = (node: AnyStateNode) =>
  node.parent === undefined && node.type !== "parallel" ? "[*]" : mermaidId(node);

function drawState(node: AnyStateNode, indent: string, lines: string[]): void {
  const id = mermaidId(node);
  if (node.type === "history")
    lines.push(`${indent}state "${node.history === "deep" ? "H*" : "H"}" as ${id}`);
  else if (node.type === "compound" || node.type === "parallel") {
    lines.push(`${indent}state "${node.key}" as ${id} {`);
    drawChildren(node, `${indent}  `, lines);
    lines.push(`${indent}}`);
  } else {
    lines.push(`${indent}state "${node.key}" as ${id}`);
    for (const text of inner(node)) lines.push(`${indent}${id}: ${text}`);
  }
  if (node.type === "final") lines.push(`${indent}${id} --> [*]`);
}

function drawChildren(node: AnyStateNode, indent: string, lines: string[]): void {
  if (node.type === "compound")
    lines.push(`${indent}[*] --> ${mermaidId(node.initial.target[0] as AnyStateNode)}`);
  (Object.values(node.states) as AnyStateNode[]).forEach((child, at) => {
    if (node.type === "parallel" && at > 0) lines.push(`${indent}--`);
    drawState(child, indent, lines);
  });
}

/** What happens in a state without leaving it. */
function inner(node: AnyStateNode): string[] {
  return [
    ...(node.entry.length > 0 ? [`entry / ${actionNames(node.entry)}`] : []),
    ...(node.exit.length > 0 ? [`exit / ${actionNames(node.exit)}`] : []),
    ...transitionsOf(node)
      .filter((transition) => transition.target === undefined)
      .map(label),
  ];
}

function label(transition: AnyTransitionDefinition): string {
  const guard = transition.guard === undefined ? "" : ` [${guardText(transition.guard)}]`;
  const actions = transition.actions.length === 0 ? "" : ` / ${actionNames(transition.actions)}`;
  return `${eventText(transition)}${guard}${actions}`;
}

// ---------------------------------------------------------------------- table

function table(chart: AnyStateMachine): string {
  const rows: string[][] = [];
  for (const node of allNodes(chart)) {
    const state = node.parent === undefined ? "(any)" : pathOf(node);
    if (node.entry.length > 0) rows.push([state, "entry", "", "", actionNames(node.entry)]);
    if (node.exit.length > 0) rows.push([state, "exit", "", "", actionNames(node.exit)]);
    for (const transition of transitionsOf(node))
      rows.push([
        state,
        eventText(transition),
        transition.guard === undefined ? "" : guardText(transition.guard),
        ((transition.target ?? []) as AnyStateNode[]).map(pathOf).join(", "),
        actionNames(transition.actions),
      ]);
  }
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    line(["state", "event", "guard", "target", "actions"]),
    line(["---", "---", "---", "---", "---"]),
    ...rows.map((cells) => line(cells.map((cell) => cell.replaceAll("|", "\\|")))),
  ].join("\n");
}

// ----------------------------------------------------------------------- text

function transitionsOf(node: AnyStateNode): AnyTransitionDefinition[] {
  return [...[...node.transitions.values()].flat(), ...(node.always ?? [])];
}

function eventText(transition: AnyTransitionDefinition): string {
  const { eventType } = transition;
  if (eventType === "") return "always";
  return eventType.startsWith("xstate.done.state.") ? "done" : eventType;
}

function actionNames(actions: readonly unknown[]): string {
  return actions
    .map((action) => withParams(action) ?? `(${(action as Builtin).type ?? "inline"})`)
    .join(", ");
}

function withParams(reference: unknown): string | undefined {
  const name = nameOf(reference);
  const params = typeof reference === "object" ? (reference as { params?: unknown }).params : undefined;
  if (name === undefined || params === undefined) return name;
  return `${name}(${typeof params === "function" ? "…" : JSON.stringify(params)})`;
}

function guardText(guard: unknown): string {
  const named = withParams(guard);
  if (named !== undefined) return named;
  const { name, guards = [], stateValue } = guard as Builtin & { name: string; stateValue?: StateValue };
  if (name === "stateIn")
    return `in ${typeof stateValue === "string" ? stateValue : JSON.stringify(stateValue)}`;
  const parts = guards.map(guardText);
  return name === "not" ? `not ${parts[0]}` : `(${parts.join(` ${name} `)})`;
}
