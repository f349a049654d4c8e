/**
 * Questions about a chart's tree of states, and the sets of states that transitions leave and enter: the SCXML
 * algorithm (W3C "State Chart XML", appendix D) with XState v5's answers where the two differ. Only compiling asks
 * them; nothing here runs per event.
 */

import type { AnyStateNode, AnyTransitionDefinition } from "xstate";

/** The active states of each left history's parent, keyed by the history state's id. */
export type History = Readonly<Record<string, readonly AnyStateNode[]>>;

export const isAtomic = (node: AnyStateNode) => node.type === "atomic" || node.type === "final";

/** The states below a node, without history pseudo-states. */
export function realChildren(node: AnyStateNode): AnyStateNode[] {
  return Object.values(node.states).filter((child) => child.type !== "history");
}

/** True exactly when `node` lies below `ancestor`; everything, the root too, lies below `null`. */
export function isBelow(node: AnyStateNode, ancestor: AnyStateNode | null): boolean {
  if (ancestor === null) return true;
  for (let up = node.parent; up !== undefined; up = up.parent) if (up === ancestor) return true;
  return false;
}

/** The ancestors of a node, nearest first, up to but without `end`. */
export function ancestorsBelow(node: AnyStateNode, end: AnyStateNode | null): AnyStateNode[] {
  const ancestors: AnyStateNode[] = [];
  if (node === end) return ancestors;
  for (let up = node.parent; up !== undefined && up !== end; up = up.parent) ancestors.push(up);
  return ancestors;
}

/** True when a compound state has a final child active, or a parallel state is final in every region. */
export function isFinished(node: AnyStateNode, active: ReadonlySet<AnyStateNode>): boolean {
  if (node.type === "compound")
    return realChildren(node).some((child) => child.type === "final" && active.has(child));
  if (node.type === "parallel") return realChildren(node).every((child) => isFinished(child, active));
  return node.type === "final";
}

/** The node and the states that its initial transitions lead to. */
export function initialTree(node: AnyStateNode): AnyStateNode[] {
  if (node.type === "compound") return [node, ...initialTree(node.initial.target[0] as AnyStateNode)];
  if (node.type === "parallel") return [node, ...realChildren(node).flatMap(initialTree)];
  return [node];
}

/** Where a history state leads that remembers nothing. */
function historyDefault(node: AnyStateNode): { targets: readonly AnyStateNode[]; isParentsInitial: boolean } {
  const parent = node.parent!;
  const target = (node.config as { target?: string | readonly string[] }).target;
  if (target !== undefined && target !== "") {
    const paths = typeof target === "string" ? [target] : target;
    return { targets: paths.map((path) => resolvePath(parent, path)), isParentsInitial: false };
  }
  if (parent.type === "parallel") return { targets: [parent], isParentsInitial: false };
  return { targets: parent.initial.target as readonly AnyStateNode[], isParentsInitial: true };
}

function resolvePath(from: AnyStateNode, path: string): AnyStateNode {
  if (path.startsWith("#")) return from.machine.getStateNodeById(path) as AnyStateNode;
  return path.split(".").reduce((node, key) => node.states[key] as AnyStateNode, from);
}

/** The targets of a transition with history states replaced by what they remember. */
export function effectiveTargets(
  targets: readonly AnyStateNode[] | undefined,
  history: History,
): AnyStateNode[] {
  const found = new Set<AnyStateNode>();
  for (const target of targets ?? []) {
    if (target.type !== "history") found.add(target);
    else
      for (const node of history[target.id] ?? effectiveTargets(historyDefault(target).targets, history))
        found.add(node);
  }
  return [...found];
}

/** The state within which a transition moves: what lies below it is left and entered; null: the root itself is. */
export function domainOf(transition: AnyTransitionDefinition, history: History): AnyStateNode | null {
  const source = transition.source as AnyStateNode;
  const targets = effectiveTargets(transition.target as AnyStateNode[] | undefined, history);
  if (!transition.reenter && targets.every((target) => target === source || isBelow(target, source)))
    return source;
  const [first, ...others] = [...targets, source];
  const common = ancestorsBelow(first!, null).find((ancestor) =>
    others.every((node) => isBelow(node, ancestor)),
  );
  if (common !== undefined) return common;
  return transition.reenter ? null : source.machine.root;
}

/** The active states that the transitions leave, in the order of `active`. */
export function exitSet(
  transitions: readonly AnyTransitionDefinition[],
  active: ReadonlySet<AnyStateNode>,
  history: History,
): AnyStateNode[] {
  const left = new Set<AnyStateNode>();
  for (const transition of transitions) {
    if (!transition.target?.length) continue;
    const domain = domainOf(transition, history);
    if (transition.reenter && transition.source === domain) left.add(domain);
    for (const node of active) if (isBelow(node, domain)) left.add(node);
  }
  return [...left];
}

/** Of transitions that would leave the same state, the one from the deeper source; else the earlier. */
export function withoutConflicts(
  transitions: readonly AnyTransitionDefinition[],
  active: ReadonlySet<AnyStateNode>,
  history: History,
): AnyTransitionDefinition[] {
  const kept = new Set<AnyTransitionDefinition>();
  for (const transition of new Set(transitions)) {
    const exits = new Set(exitSet([transition], active, history));
    const rivals = [...kept].filter((other) =>
      exitSet([other], active, history).some((node) => exits.has(node)),
    );
    const deeper = (other: AnyTransitionDefinition) =>
      isBelow(transition.source as AnyStateNode, other.source as AnyStateNode);
    if (!rivals.every(deeper)) continue;
    for (const rival of rivals) kept.delete(rival);
    kept.add(transition);
  }
  return [...kept];
}

/** What a set of transitions enters. */
export interface EntrySet {
  readonly states: ReadonlySet<AnyStateNode>;
  /** Those of them whose initial transition runs, so that its actions do. */
  readonly byDefault: ReadonlySet<AnyStateNode>;
}

export function entrySet(transitions: readonly AnyTransitionDefinition[], history: History): EntrySet {
  const states = new Set<AnyStateNode>();
  const byDefault = new Set<AnyStateNode>();
  const enterByDefault = (node: AnyStateNode) => {
    states.add(node);
    byDefault.add(node);
  };
  const isEntered = (region: AnyStateNode) => [...states].some((node) => isBelow(node, region));

  /** Ancestors on the way to a target, and the regions of the parallel ones that nothing enters explicitly. */
  const enterAncestors = (ancestors: readonly AnyStateNode[], domain: AnyStateNode | null) => {
    for (const ancestor of ancestors) {
      if (isBelow(ancestor, domain)) states.add(ancestor);
      if (ancestor.type !== "parallel") continue;
      for (const region of realChildren(ancestor)) {
        if (isEntered(region)) continue;
        states.add(region);
        enterBelow(region);
      }
    }
  };

  /** What entering a node brings in below it. */
  const enterBelow = (node: AnyStateNode) => {
    if (node.type === "history") {
      const remembered = history[node.id];
      const fallback = remembered === undefined ? historyDefault(node) : undefined;
      const targets = remembered ?? fallback!.targets;
      for (const target of targets) {
        states.add(target);
        if (fallback?.isParentsInitial) byDefault.add(node.parent!);
        enterBelow(target);
      }
      for (const target of targets) enterAncestors(ancestorsBelow(target, node.parent!), null);
    } else if (node.type === "compound") {
      const initial = node.initial.target[0] as AnyStateNode;
      if (initial.type !== "history") enterByDefault(initial);
      enterBelow(initial);
      enterAncestors(ancestorsBelow(initial, node), null);
    } else if (node.type === "parallel") {
      for (const region of realChildren(node)) {
        if (isEntered(region)) continue;
        enterByDefault(region);
        enterBelow(region);
      }
    }
  };

  for (const transition of transitions) {
    const source = transition.source as AnyStateNode;
    const domain = domainOf(transition, history);
    const targets = (transition.target ?? []) as readonly AnyStateNode[];
    for (const target of targets) {
      // Only a transition from a state to itself that does not re-enter leaves its target where it is.
      const stays = target === source && source === domain && !transition.reenter;
      if (target.type !== "history" && !stays) enterByDefault(target);
      enterBelow(target);
    }
    for (const target of effectiveTargets(targets, history)) {
      const ancestors = ancestorsBelow(target, domain);
      if (domain?.type === "parallel") ancestors.push(domain);
      enterAncestors(ancestors, source.parent === undefined && transition.reenter ? null : domain);
    }
  }
  return { states, byDefault };
}

/** XState's order within a step: ancestors before descendants, then as written. */
export const inDocumentOrder = (nodes: Iterable<AnyStateNode>) =>
  [...nodes].sort((a, b) => a.order - b.order);
