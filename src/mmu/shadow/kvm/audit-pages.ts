import type { Complain } from "./audit.ts";
import { SPTES, spteAt } from "./pages.ts";
import { isInvalid } from "./role.ts";
import type { KvmShadow } from "./state.ts";

/** I9 to I17, I20, I21, I29: the pages, their account, hash and marks. */
export function auditPages(s: KvmShadow, complain: Complain): void {
  const live = [...s.pages.active];
  checkAccount(s, live, complain);
  checkHash(s, live, complain);
  checkRoots(s, live, complain);
  for (const sid of live) {
    checkKind(s, sid, complain);
    checkUnsync(s, sid, complain);
  }
  checkWriteCounts(s, live, complain);
}

function checkAccount(s: KvmShadow, live: number[], complain: Complain): void {
  const { pages, context } = s;
  for (const sid of live)
    if (!pages.isLive(sid)) complain("I9", `page ${sid} is on the active list but not in use`);
  if (pages.used !== live.length)
    complain("I11", `${live.length} pages are in use, ${pages.used} are counted`);
  if (pages.used > s.budget) complain("I11", `${pages.used} pages are in use, the budget is ${s.budget}`);
  for (const sid of pages.freeIds()) if (pages.isLive(sid)) complain("I9", `page ${sid} is in use and free`);
  let held = 1;
  for (let sid = 1; sid <= pages.capacity; sid++) {
    const frame = pages.frame[sid] as number;
    if (frame === 0) continue;
    held++;
    if (context.frames.ownerOf(frame) !== pages.owner)
      complain(
        "frame-owner",
        `frame ${frame} of page ${sid} belongs to ${context.frames.ownerOf(frame) ?? "nobody"}`,
      );
  }
  if (held !== context.frames.heldBy(pages.owner))
    complain(
      "frame-owner",
      `${context.frames.heldBy(pages.owner)} frames are booked on the pager, it knows ${held}`,
    );
  let large = 0;
  for (const sid of live)
    if (pages.level(sid) > 1)
      for (let slot = 0; slot < SPTES; slot++) if ((pages.lo(spteAt(sid, slot)) & 0x81) === 0x81) large++;
  if (large !== s.stats.largeLeaves)
    complain("I21", `there are ${large} large leaves, ${s.stats.largeLeaves} are counted`);
  const { spte } = s.last;
  if (spte !== 0 && !pages.isLive(spte >>> 9))
    complain("I29", `the last spte updated is of page ${spte >>> 9}, not in use`);
}

function checkHash(s: KvmShadow, live: number[], complain: Complain): void {
  const { pages } = s;
  const seen = new Map<number, number>();
  for (const [bucket, sids] of pages.hash.buckets().entries())
    for (const sid of sids) {
      seen.set(sid, (seen.get(sid) ?? 0) + 1);
      if (!pages.isLive(sid)) complain("I9", `page ${sid} is in the hash but not in use`);
      if (((pages.gfn[sid] as number) & 1023) !== bucket)
        complain("I10", `page ${sid} is in bucket ${bucket}`);
    }
  const names = new Set<string>();
  for (const sid of live) {
    if (seen.get(sid) !== 1) complain("I10", `page ${sid} is in the hash ${seen.get(sid) ?? 0} times`);
    const role = pages.role[sid] as number;
    if (isInvalid(role)) continue;
    const name = `${pages.generation[sid]} ${pages.gfn[sid]} ${role}`;
    if (names.has(name))
      complain("I10", `two pages have gfn 0x${(pages.gfn[sid] as number).toString(16)} and role ${role}`);
    names.add(name);
  }
}

function checkRoots(s: KvmShadow, live: number[], complain: Complain): void {
  const { pages } = s;
  const counts = new Map<number, number>();
  for (const sid of s.roots) if (sid !== 0) counts.set(sid, (counts.get(sid) ?? 0) + 1);
  for (const sid of counts.keys()) if (!pages.isLive(sid)) complain("I9", `root ${sid} is not in use`);
  for (const sid of live) {
    const expected = counts.get(sid) ?? 0;
    if (pages.rootCount[sid] !== expected)
      complain("I12", `page ${sid} is ${expected} roots, ${pages.rootCount[sid]} are counted`);
    if (expected === 0 && isInvalid(pages.role[sid] as number))
      complain("I12", `page ${sid} is invalid but no root`);
  }
}

function checkKind(s: KvmShadow, sid: number, complain: Complain): void {
  const { pages } = s;
  const direct = pages.isDirect(sid);
  if (direct && (pages.gfn[sid] as number) % 2 ** (9 * (pages.level(sid) - 1)) !== 0)
    complain("I13", `direct page ${sid} begins at gfn ${pages.gfn[sid]}`);
  if (pages.isUnsync(sid)) {
    if (direct) complain("I13", `direct page ${sid} is unsync`);
    if (pages.level(sid) !== 1 || direct || isInvalid(pages.role[sid] as number))
      complain("I15", `page ${sid} is unsync but no valid shadow of a page table`);
  }
  if (pages.level(sid) === 1) return;
  for (let slot = 0; slot < SPTES; slot++) {
    const child = pages.child(spteAt(sid, slot));
    if (child === 0) continue;
    if (pages.level(child) !== pages.level(sid) - 1)
      complain(
        "I14",
        `page ${sid} of level ${pages.level(sid)} leads to page ${child} of level ${pages.level(child)}`,
      );
    if (direct && !pages.isDirect(child))
      complain("I14", `direct page ${sid} leads to page ${child}, which is not`);
  }
}

function checkUnsync(s: KvmShadow, sid: number, complain: Complain): void {
  const { pages } = s;
  let bits = 0;
  for (let slot = 0; slot < SPTES; slot++) if (pages.testUnsyncBit(spteAt(sid, slot))) bits++;
  if (bits !== pages.unsyncChildren[sid])
    complain("I16", `page ${sid} has ${bits} unsync bits, ${pages.unsyncChildren[sid]} are counted`);
  if (!pages.isUnsync(sid) && bits === 0) return;
  s.lists.filter(s.cells.parents(sid), (g) => {
    if (!pages.testUnsyncBit(g))
      complain("I17", `page ${g >>> 9} does not know that ${sid} below it has unsync pages`);
    return true;
  });
}

function checkWriteCounts(s: KvmShadow, live: number[], complain: Complain): void {
  const { pages, slots } = s;
  const tables = live.filter((sid) => !pages.isDirect(sid) && !isInvalid(pages.role[sid] as number));
  if (tables.length !== pages.indirect)
    complain("I20", `${tables.length} pages shadow tables, ${pages.indirect} are counted`);
  for (const level of [2, 3] as const) {
    const counts = new Map<number, number>();
    for (const sid of tables) {
      const gfn = pages.gfn[sid] as number;
      if (gfn < slots.limit)
        counts.set(gfn >>> (9 * (level - 1)), (counts.get(gfn >>> (9 * (level - 1))) ?? 0) + 1);
    }
    for (let first = 0; first < slots.limit; first += 2 ** (9 * (level - 1))) {
      const expected = slots.baseCount(first, level) + (counts.get(first >>> (9 * (level - 1))) ?? 0);
      if (slots.writeCount(first, level) !== expected)
        complain(
          "I20",
          `write count of gfn 0x${first.toString(16)}, level ${level}: ${slots.writeCount(first, level)}, not ${expected}`,
        );
    }
  }
}
