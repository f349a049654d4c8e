import { describe, expect, it } from "vitest";
import { idt, initialisePics, loadIdt, startTimer } from "../../scenarios/support/guests/prelude.ts";
import { ExitControl } from "../../src/cpu/exit.ts";
import { MemoryDisk } from "../../src/disk/index.ts";
import { bootProgram, GuestBuilder, mem32 } from "../../src/guest/index.ts";
import { createMachine, type PagerName } from "../../src/index.ts";

/** Strings from and to the data port of a disk, with a timer that ticks in the midst of them. */

const BUFFER = 0x20000;
const LOG = 0x40000;
const SECTORS = 2;
/** Some 90 us: two or three ticks a sector, whose words take a microsecond each. */
const PULSES = 107;

/** Reads two sectors and writes them behind. At each tick notes ECX and EDI. */
function copier() {
  const g = new GuestBuilder({ origin: 0x10000 });
  g.mov("esp", 0x9000);
  loadIdt(g);
  initialisePics(g, 1);
  startTimer(g, PULSES);
  g.sti().mov("ebp", LOG);
  const command = (code: number, sector: number) => {
    const registers: [number, number][] = [
      [0x1f6, 0xe0],
      [0x1f2, SECTORS],
      [0x1f3, sector],
      [0x1f4, 0],
      [0x1f5, 0],
      [0x1f7, code],
    ];
    for (const [port, value] of registers) g.mov("edx", port).mov("al", value).out("dx", "al");
  };
  const await_ = (label: string) =>
    g.label(label).mov("edx", 0x1f7).in("al", "dx").and("al", 0x88).cmp("al", 0x08).jcc("ne", label);
  const port = () => g.mov("edx", 0x1f0).mov("ecx", 256);
  command(0x20, 0);
  g.mov("edi", BUFFER + 0xf80)
    .mov("ebx", SECTORS)
    .label("read");
  await_("asked");
  port().string("ins", 16, "rep").dec("ebx").jcc("ne", "read");
  command(0x30, SECTORS);
  g.mov("esi", BUFFER + 0xf80)
    .mov("ebx", SECTORS)
    .label("write");
  await_("wanted");
  port().string("outs", 16, "rep").dec("ebx").jcc("ne", "write");
  g.label("flushed").mov("edx", 0x1f7).in("al", "dx").and("al", 0x80).jcc("ne", "flushed");
  g.cli().mov("al", 0x21).out(0xe9, "al").label("end").jmp("end");

  g.label("timer").push("eax");
  g.mov(mem32("ebp"), "ecx")
    .mov(mem32({ base: "ebp", displacement: 4 }), "edi")
    .add("ebp", 8);
  g.mov("al", 0x20).out(0x20, "al").pop("eax").iret();
  idt(g, { 32: "timer" }, 64);
  return bootProgram(g.build());
}

function run(options: { pager: PagerName; single?: boolean; interpreted?: boolean }) {
  const { pager, single = false, interpreted = false } = options;
  const content = new Uint8Array(2 * SECTORS * 512).map((_, at) => (at < SECTORS * 512 ? at * 7 : 0));
  const machine = createMachine({ memoryMiB: 24, interpreted });
  const vm = machine.createVm({
    name: "g",
    pager,
    memoryMiB: 4,
    disks: [new MemoryDisk(content)],
    boot: copier(),
  });
  if (single) vm.vcpu.controls |= ExitControl.singleIo;
  const interrupts: string[] = [];
  const strings: unknown[] = [];
  machine.bus.tap(({ message, time }) => {
    if (message.type === "trap.inject") interrupts.push(`${time}: ${message.vector}`);
    if (message.type === "io.data" && message.more) strings.push(message.more.length + 1);
    if (message.type === "io.done" && message.count !== undefined) strings.push(message.count);
  });
  const { status, instructions, virtualNs } = vm.run({ until: /!/, maxInstructions: 1e6 });
  const copied = content.subarray(SECTORS * 512).join() === content.subarray(0, SECTORS * 512).join();
  const end = { status, instructions, virtualNs, hash: vm.memoryHash(), copied, interrupts };
  return { end, strings, exits: vm.stats().exits.io };
}

describe.each(["bare", "vtlb", "kvm"] as const)("under %s", (pager) => {
  it("words that leave together do what they do one by one, interrupts in between and all", () => {
    const single = run({ pager, single: true });
    expect(single.end).toMatchObject({ status: "until", copied: true });
    expect(single.end.interrupts.length).toBeGreaterThan(8);
    expect(single.strings).toEqual([]);
    const together = run({ pager });
    expect(together.end).toEqual(single.end);
    expect(together.strings.length).toBeGreaterThan(8);
    expect(Math.max(...(together.strings as number[]))).toBeGreaterThan(60);
    expect(together.exits).toBeLessThan((single.exits as number) / 8);
  });

  it("charts that are interpreted do the same", () => {
    const { end, strings } = run({ pager });
    const interpreted = run({ pager, interpreted: true });
    expect([interpreted.end, interpreted.strings]).toEqual([end, strings]);
  });
});
