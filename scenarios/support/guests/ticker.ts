import { bootProgram, type GuestBoot } from "../../../src/guest/boots.ts";
import { GuestBuilder, mem32, ref } from "../../../src/guest/builder/index.ts";
import { idt, initialisePics, loadIdt, startTimer } from "./prelude.ts";

const TIMER_VECTOR = 0x20;
const TIMER_LINE = 1 << 0;
/** Some 1 ms. */
const PULSES = 1193;

/** Counts `ticks` ticks of its timer in HLT, then masks it and waits for ever. */
export function ticker(ticks: number): GuestBoot {
  const g = new GuestBuilder({ origin: 0x10000 });
  g.mov("esp", 0x9000);
  loadIdt(g);
  initialisePics(g, TIMER_LINE);
  startTimer(g, PULSES);
  g.sti()
    .label("idle")
    .hlt()
    .cmp(mem32(ref("ticks")), ticks)
    .jcc("b", "idle");
  g.mov("al", 0xff).out(0x21, "al").label("done").hlt().jmp("done");

  g.label("timer")
    .push("eax")
    .inc(mem32(ref("ticks")));
  g.mov("al", 0x20).out(0x20, "al").pop("eax").iret();
  g.align(4).label("ticks").dd(0);
  idt(g, { [TIMER_VECTOR]: "timer" }, 64);
  return bootProgram(g.build());
}
