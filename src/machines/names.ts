/**
 * Names of actions and guards for a chart. A chart only names them; the functions behind the names are given where the actor
 * is bound (`bindChart`). One that was forgotten there throws rather than doing nothing.
 */

function unbound(kind: string, name: string): () => never {
  return () => {
    throw new Error(`the ${kind} "${name}" of this chart is not bound: give a function for it to bindChart`);
  };
}

export function actions<const Name extends string>(...names: readonly Name[]): Record<Name, () => void> {
  return Object.fromEntries(names.map((name) => [name, unbound("action", name)])) as Record<
    Name,
    () => never
  >;
}

export function guards<const Name extends string>(...names: readonly Name[]): Record<Name, () => boolean> {
  return Object.fromEntries(names.map((name) => [name, unbound("guard", name)])) as Record<Name, () => never>;
}
