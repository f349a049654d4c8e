import { expect, test } from "vitest";
import { runBoot } from "../../scenarios/support/boot.ts";
import { LiveScreen } from "../../scenarios/support/live-screen.ts";
import { sendsOf } from "../../scenarios/support/sends.ts";
import { bootProgram, GuestBuilder, mem16, mem32, ref } from "../../src/guest/index.ts";
import { createMachine } from "../../src/vm/machine.ts";

const TEXT_MEMORY = 0xb8000;

/** Writes "A" in the second row and puts the cursor behind it; then the characters of the keys typed, as scan codes, without a word on the console. */
function guest() {
  const g = new GuestBuilder({ origin: 0x100000 });
  g.mov(mem16(TEXT_MEMORY + 160), 0x0741).mov("edx", 0x3d4);
  for (const [register, value] of [
    [0x0e, 0],
    [0x0f, 81],
  ])
    g.mov("eax", (register as number) | ((value as number) << 8)).out("dx", "ax");
  g.mov("edi", TEXT_MEMORY + 162);
  g.label("wait").in("al", 0x64).test("al", 1).jcc("e", "wait");
  g.in("al", 0x60).test("al", 0x80).jcc("ne", "wait");
  g.mov("ah", 7).mov(mem16("edi"), "ax").add("edi", 2).jmp("wait");
  const machine = createMachine({ memoryMiB: 32 });
  return machine.createVm({
    name: "g",
    pager: "kvm",
    memoryMiB: 8,
    vga: true,
    keyboard: true,
    boot: bootProgram(g.build()),
  });
}

test("what a guest shows on the screen alone is waited for, and typed after", async () => {
  const sends = sendsOf([
    { name: "type-after", value: "A" },
    { name: "type", value: "\\x1b2" },
  ]);
  const vm = guest();
  // Escape and 2 have the scan codes 1 and 3.
  const outcome = await runBoot(vm, { until: /A\u263a\u2665/, sends, auditExits: 0, maxInstructions: 5e6 });
  expect([outcome.reached, outcome.result.status, vm.console.text]).toEqual([true, "until", ""]);
});

/** Writes "A" on the screen at the 20th tick of 55 ms, and idles before and after. */
function idleGuest() {
  const g = new GuestBuilder({ origin: 0x100000 });
  g.mov("esp", 0x9000).lidt(mem32(ref("idtr")));
  for (const [port, value] of [
    [0x20, 0x11],
    [0x21, 0x20],
    [0x21, 0x04],
    [0x21, 0x01],
    [0x21, 0xfe],
    [0x43, 0x34],
    [0x40, 0x00],
    [0x40, 0x00],
  ] as const)
    g.mov("al", value).out(port, "al");
  g.mov("esi", 20).sti();
  g.label("idle").hlt().dec("esi").jcc("ne", "idle").mov(mem16(TEXT_MEMORY), 0x0741).jmp("idle");
  g.label("tick").mov("al", 0x20).out(0x20, "al").iret();
  g.align(8)
    .label("idt")
    .fill(0x20 * 8)
    .gate({ kind: "interrupt", selector: 0x08, offset: ref("tick") });
  g.label("idtr").dw(0x107).dd(ref("idt"));
  const machine = createMachine({ memoryMiB: 32 });
  return machine.createVm({
    name: "g",
    pager: "bare",
    memoryMiB: 8,
    vga: true,
    boot: bootProgram(g.build()),
  });
}

test("what an idle guest shows is seen within 200 ms of its time", async () => {
  const outcome = await runBoot(idleGuest(), { until: /A/, auditExits: 0, maxInstructions: 1e6 });
  expect(outcome.reached).toBe(true);
  expect(outcome.result.virtualNs / 1e6).toBeLessThan(20 * 54.93 + 200);
});

test("what is never shown is not reached", async () => {
  const outcome = await runBoot(guest(), { until: /AB/, auditExits: 0, maxInstructions: 1e6 });
  expect([outcome.reached, outcome.result.status]).toEqual([false, "budget"]);
});

test("a live screen draws what has changed, and the cursor", () => {
  const vm = guest();
  const drawn: string[] = [];
  const live = new LiveScreen(vm, (text) => drawn.push(JSON.stringify(text).replaceAll("\\u001b", "^")));
  vm.run({ budget: 1000 });
  live.refresh();
  live.refresh();
  vm.keyboard.type("\x1b");
  vm.run({ budget: 1000 });
  live.refresh();
  live.tell("one\nline");
  live.stop();
  expect(drawn).toEqual([
    '"^[?1049h^[2J"',
    '"^[?25l^[2;1HA^[K^[?25h^[2;2H"',
    '"^[?25l^[2;1HA\u263a^[K^[?25h^[2;2H"',
    '"^[26;1Hone line^[K^[?25h^[2;2H"',
    '"^[?25h^[?1049l"',
  ]);
});
