import { at, type GuestBuilder, ref } from "../../../src/guest/builder/index.ts";

/** Selectors that `bootFlat` gives a guest. */
export const CODE = 0x08;
export const DATA = 0x10;

export const CR0_PAGING = 0x80000000;
export const CR0_WRITE_PROTECT = 0x10000;

/** Loads the IDT that `idt` lays down. */
export function loadIdt(g: GuestBuilder): GuestBuilder {
  return g.lidt(at(ref("idtr")));
}

/** An IDT with interrupt gates to labels, and its register image; to be put where no instruction runs into it. */
export function idt(g: GuestBuilder, gates: Readonly<Record<number, string>>, vectors = 256): GuestBuilder {
  g.align(8).label("idt");
  for (let vector = 0; vector < vectors; vector++) {
    const handler = gates[vector];
    if (handler === undefined) g.fill(8);
    else g.gate({ kind: "interrupt", selector: CODE, offset: ref(handler) });
  }
  return g
    .label("idtr")
    .dw(vectors * 8 - 1)
    .dd(ref("idt"));
}

/** Sets CR3 and turns paging on, with CR0.WP. Uses EAX. */
export function enablePaging(g: GuestBuilder, directory: number): GuestBuilder {
  return g
    .mov("eax", directory)
    .mov("cr3", "eax")
    .mov("eax", "cr0")
    .or("eax", CR0_PAGING | CR0_WRITE_PROTECT)
    .mov("cr0", "eax");
}

/** Both interrupt controllers: vectors from 0x20 on, all lines masked but those of `unmasked`. Uses AL. */
export function initialisePics(g: GuestBuilder, unmasked: number): GuestBuilder {
  const writes: [port: number, value: number][] = [
    [0x20, 0x11],
    [0x21, 0x20],
    [0x21, 0x04],
    [0x21, 0x01],
    [0xa0, 0x11],
    [0xa1, 0x28],
    [0xa1, 0x02],
    [0xa1, 0x01],
    [0x21, ~unmasked & 0xff],
    [0xa1, (~unmasked >> 8) & 0xff],
  ];
  for (const [port, value] of writes) g.mov("al", value).out(port, "al");
  return g;
}

/** Counter 0 of the timer in mode 2: a tick every so many pulses of 838 ns. Uses AL. */
export function startTimer(g: GuestBuilder, pulses: number): GuestBuilder {
  return g
    .mov("al", 0x34)
    .out(0x43, "al")
    .mov("al", pulses & 0xff)
    .out(0x40, "al")
    .mov("al", pulses >> 8)
    .out(0x40, "al");
}
