import { spteName } from "./list-counters.ts";
import { FIRST_SPTE } from "./list-sizes.ts";
import { NIL, POISON } from "./pte-lists.ts";

/** What is wrong with one array of links, beside sptes: an entry has a link exactly while it is listed. One line each. */
export function checkPoison(links: Uint32Array, listed: ReadonlySet<number>): string[] {
  const found: string[] = [];
  for (let g = FIRST_SPTE; g < links.length; g++)
    if ((links[g] !== POISON) !== listed.has(g))
      found.push(
        `${spteName(g)} ${listed.has(g) ? "is listed but poisoned" : "has a link but is in no list"}`,
      );
  return found;
}

/** What is wrong with the counters of the lists that begin at `heads`. One line each; a list that bites its tail is too long. */
export function checkLengths(heads: Uint32Array, lengths: Uint32Array, links: Uint32Array): string[] {
  const found: string[] = [];
  for (let cell = 1; cell < heads.length; cell++) {
    let length = 0;
    for (let c = heads[cell] as number; c !== NIL && length <= links.length; c = links[c] as number) length++;
    if (length !== lengths[cell])
      found.push(`list ${cell} has ${length} entries, its counter says ${lengths[cell]}`);
  }
  return found;
}
