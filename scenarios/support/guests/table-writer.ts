import { bootProgram, type GuestBoot, memoryPort } from "../../../src/guest/boots.ts";
import { at, GuestBuilder, mem32, PageTables } from "../../../src/guest/builder/index.ts";
import { enablePaging } from "./prelude.ts";

/** Where the guest tells which step begins: a port that does nothing else. */
export const STEP_PORT = 0x80;

/** What the guest does, in order; a step's number is its place here, from 1 on. */
export const STEPS = ["cold", "tableWrite", "unsync", "invlpg", "switch", "flood", "reclaim"] as const;
export type Step = (typeof STEPS)[number];

const PAGE = 0x1000;
const PAGES_4M = 0x400;
const WINDOW = 0x400000;
const FAR = 0x10000000;
const PRESENT_WRITABLE_USER = 7;
const PRESENT_ACCESSED = 0x21;

/** Tables of two address spaces, both with the first 4 MiB one to one, so that the guest can write all of them. */
const FIRST_SPACE = 0x200000;
const SECOND_SPACE = 0x300000;
/** Page tables of the first space that map a page each, for the want of shadow pages. */
const FAR_TABLES = 72;
const FLOOD_STORES = 5;

/** A guest that does, one after the other, what a shadow of cached pages has to be told apart by. Then it waits for ever. */
export function tableWriter(): GuestBoot {
  const low = { writable: true, pages: PAGES_4M };
  const first = new PageTables(FIRST_SPACE)
    .map(0, 0, low)
    .map(WINDOW, 0x100000, { writable: true, pages: 16 });
  for (let n = 0; n < FAR_TABLES; n++)
    first.map(FAR + n * PAGES_4M * PAGE, 0x110000 + n * PAGE, { writable: true });
  const second = new PageTables(SECOND_SPACE).map(0, 0, low).map(WINDOW, 0x180000, { writable: true });
  const pte = (page: number) => mem32(first.entryGpa(WINDOW + page * PAGE));
  const windowTable = (first.entryGpa(WINDOW) & -PAGE) | PRESENT_WRITABLE_USER;

  const g = new GuestBuilder({ origin: 0x10000 });
  const step = (name: Step) => g.mov("al", STEPS.indexOf(name) + 1).out(STEP_PORT, "al");
  const switchTo = (directory: number) => g.mov("ebx", directory).mov("cr3", "ebx");
  g.mov("esp", 0x9000);
  enablePaging(g, first.gpa);
  // Its page table has been written to, so that the shadow must take the right to write it away when it begins to rely on it.
  g.mov(mem32(first.entryGpa(WINDOW) + 4 * 100), 0);

  step("cold").mov("eax", mem32(WINDOW));
  // A second place for the window, by way of the directory.
  step("tableWrite").mov(mem32(first.gpa + 4 * 3), windowTable);
  step("unsync");
  g.mov(pte(1), 0x108000 | PRESENT_WRITABLE_USER).mov(pte(2), 0x109000 | PRESENT_WRITABLE_USER);
  switchTo(first.gpa);
  step("invlpg")
    .mov(pte(0), 0x100000 | PRESENT_ACCESSED)
    .invlpg(at(WINDOW));
  step("switch");
  switchTo(second.gpa).mov("eax", mem32(WINDOW));
  switchTo(first.gpa);
  step("flood").mov("ecx", FLOOD_STORES);
  g.label("store")
    .mov(mem32(second.gpa + 4 * 0x80), 0)
    .dec("ecx")
    .jcc("ne", "store");
  switchTo(second.gpa);
  switchTo(first.gpa);
  step("reclaim").mov("esi", FAR).mov("ecx", FAR_TABLES);
  g.label("touch")
    .mov("eax", mem32("esi"))
    .add("esi", PAGES_4M * PAGE)
    .dec("ecx")
    .jcc("ne", "touch");
  g.sti().label("rest").hlt().jmp("rest");

  const bootCode = bootProgram(g.build());
  return (memory, state) => {
    bootCode(memory, state);
    first.writeTo(memoryPort(memory));
    second.writeTo(memoryPort(memory));
  };
}
