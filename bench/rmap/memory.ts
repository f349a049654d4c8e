import { emptyLists } from "./bed.ts";
import { DESCRIPTORS } from "./designs.ts";
import { grouped, type Ledger } from "./ledger.ts";
import type { Section } from "./section.ts";

/** In index form, and on a 64-bit host. */
const SIZES = { index: { descriptor: 20, link: 2048 }, host64: { descriptor: 40, link: 4096 } };

/** The note's table: bytes per spte on a 64-bit host, to a tenth, and break-even fill of 512. */
const NOTE: readonly (readonly [number, number, number | undefined])[] = [
  [1, 0, undefined],
  [2, 20, 205],
  [3, 13.3, 307],
  [4, 10, 410],
  [5, 16, 256],
  [6, 13.3, 307],
  [7, 11.4, 358],
  [8, 10, 410],
  [9, 13.3, 307],
  [16, 10, 410],
];

/** `pages` shadow pages, each with the same `fill` leaves: each frame is mapped once by every page. Returns descriptors in use. */
function descriptorsOf(pages: number, fill: number): number {
  const lists = emptyLists(DESCRIPTORS, pages * 512, 512);
  for (let page = 1; page <= pages; page++)
    for (let slot = 0; slot < fill; slot++) lists.add(1 + slot, page * 512 + slot, 0);
  return lists.counters.bytesNow / SIZES.index.descriptor;
}

export function breakEvenSection(ledger: Ledger): Section {
  const rows = NOTE.map(([n, perSpte, breakEven]) => {
    const fills = breakEven === undefined ? [512] : [breakEven - 1, breakEven + 1];
    const verdicts = fills.map(
      (fill) => descriptorsOf(n, fill) * SIZES.host64.descriptor > SIZES.host64.link * n,
    );
    const full = descriptorsOf(n, 512);
    const bytes = (full * SIZES.host64.descriptor) / (512 * n);
    const even = bytes === 0 ? undefined : Math.round(SIZES.host64.link / bytes);
    const turns = ledger.check(
      `break-even of lists of ${n}: links are cheaper above`,
      breakEven === undefined ? 0 : 1,
      Number(verdicts.at(-1)),
    );
    if (breakEven !== undefined)
      ledger.check(`break-even of lists of ${n}: links are dearer below`, 0, Number(verdicts[0]));
    return [
      grouped(n),
      ledger.check(`bytes per spte, lists of ${n}`, perSpte, Number(bytes.toFixed(1))),
      (bytes / 2).toFixed(1),
      even === undefined ? "never" : ledger.check(`break-even of lists of ${n}`, breakEven ?? -1, even),
      turns === "1" ? "yes" : "no",
    ];
  });
  return {
    title: "Memory: at what fill do descriptors cost as much as links?",
    text:
      "N pages map the same frames, so each list has N entries. Links cost 4,096 bytes a shadow page on a 64-bit host (2,048 here), whether " +
      "they are used or not; descriptors 40 bytes (20) each, and none for a single entry. Break-even: of 512 entries of each page, how many must " +
      "be present for both to cost the same; measured one below and one above.",
    heading: ["N", "bytes/spte, 64-bit", "here", "break-even fill", "links cheaper above"],
    rows,
    findings: [
      "With single mappings the patch always costs more, as it says itself. Doubly linked lists cost twice the patch's bytes: only pages over " +
        "80 % full of frames mapped exactly twice make descriptors as dear as that.",
    ],
  };
}

export function exampleSection(ledger: Ledger): Section {
  const examples = [
    { what: "1,000 indirect pages, single mappings", pages: 1000, mappings: 1, descriptors: 0 },
    { what: "1,000 full pages, each frame mapped 4 times", pages: 1000, mappings: 4, descriptors: 128_000 },
  ];
  const rows = examples.map(({ what, pages, mappings, descriptors }) => {
    // Pages in groups that map the same frames.
    const measured = descriptorsOf(mappings, 512) * (pages / mappings);
    const old = ledger.check(`${what}: descriptors`, descriptors, measured);
    const bytes = (size: number): string => grouped(size);
    return [
      what,
      old,
      bytes(measured * SIZES.host64.descriptor),
      bytes(pages * SIZES.host64.link),
      bytes(measured * SIZES.index.descriptor),
      bytes(pages * SIZES.index.link),
      bytes(2 * pages * SIZES.index.link),
    ];
  });
  return {
    title: "Memory: two examples, in bytes",
    text: "Of the lists alone, beside 8,192 bytes that every indirect page has on a 64-bit host (4,096 of table, 4,096 of gfns).",
    heading: [
      "",
      "descriptors",
      "old, 64-bit",
      "patch, 64-bit",
      "descriptors here",
      "sibling here",
      "linked here",
    ],
    rows,
    findings: [
      "The budget of shadow pages counts pages, not bytes: the same budget costs 50 % more memory (indirect pages) to 100 % more (direct ones) " +
        "with the patch on a 64-bit host.",
    ],
  };
}
