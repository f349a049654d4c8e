import { bootProgram, GuestBuilder, type GuestProgram, mem32, ref } from "../../src/guest/index.ts";
import type { Gpa } from "../../src/mmu/address.ts";
import { createMachine, type Machine } from "../../src/vm/machine.ts";
import type { MachineOptions, VmOptions } from "../../src/vm/options.ts";
import type { Vm } from "../../src/vm/vm.ts";

/** Where the second processor is told to start: page 8. */
const START = 0x8000;
const START_PAGE = START >> 12;
/** The loader's table of flat segments, and its selectors. */
const GDT = 0x800;
const GDT_LIMIT = 0x17;
const CODE = 0x08;
const DATA = 0x10;

const LOCAL_APIC = 0xfee00000;
export const ApicRegister = {
  eoi: LOCAL_APIC + 0xb0,
  spurious: LOCAL_APIC + 0xf0,
  commandLow: LOCAL_APIC + 0x300,
  commandHigh: LOCAL_APIC + 0x310,
} as const;
const ENABLE = 0x1ff;
const INIT = 0x4500;
const START_UP = 0x4600;

/** What each processor does, in 32-bit code with flat segments, no paging, and a stack; and what both can use. */
export interface TwoPrograms {
  readonly first: (g: GuestBuilder) => void;
  readonly second: (g: GuestBuilder) => void;
  readonly shared?: (g: GuestBuilder) => void;
  /** Labels of interrupt handlers by vector. */
  readonly handlers?: Readonly<Record<number, string>>;
}

/** Sends `command` to the local APIC `to`. Changes no register. */
export function sendIpi(g: GuestBuilder, to: number, command: number): void {
  g.mov(mem32(ApicRegister.commandHigh), to << 24).mov(mem32(ApicRegister.commandLow), command);
}

export const sendInit = (g: GuestBuilder, to: number): void => sendIpi(g, to, INIT);
/** `page`: below 1 MiB, where it begins. */
export const sendStartUp = (g: GuestBuilder, to: number, page = START_PAGE): void =>
  sendIpi(g, to, START_UP | page);

/** Waits in a loop until the word at `address` is `value`. */
export function awaitWord(g: GuestBuilder, address: number, value: number): void {
  const label = `await${g.here}`;
  g.label(label).cmp(mem32(address), value).jcc("ne", label);
}

/** A program for a vm of two processors: the first starts the second, as firmware and kernels do it, before it does its own. */
export function twoProcessors(programs: TwoPrograms): GuestProgram {
  const handlers = programs.handlers ?? {};
  const vectors = Math.max(-1, ...Object.keys(handlers).map(Number)) + 1;
  const g = new GuestBuilder({ origin: START, bits: 16 });
  g.cli()
    .mov("ax", 0)
    .mov("ds", "ax")
    .lgdt(mem32(ref("gdtr")));
  g.mov("eax", "cr0").or("eax", 1).mov("cr0", "eax").jmpFar(CODE, ref("second")).bits(32);
  const enter = (esp: number) => {
    g.mov("eax", DATA).mov("ds", "eax").mov("es", "eax").mov("ss", "eax").mov("esp", esp);
    g.lidt(mem32(ref("idtr"))).mov(mem32(ApicRegister.spurious), ENABLE);
  };
  g.label("second");
  enter(0x7000);
  programs.second(g);
  g.label("first");
  enter(0x6000);
  sendInit(g, 1);
  sendStartUp(g, 1);
  programs.first(g);
  programs.shared?.(g);
  g.align(8).label("idt");
  for (let vector = 0; vector < vectors; vector++) {
    const handler = handlers[vector];
    if (handler === undefined) g.fill(8);
    else g.gate({ kind: "interrupt", selector: CODE, offset: ref(handler) });
  }
  g.label("gdtr").dw(GDT_LIMIT).dd(GDT);
  g.label("idtr")
    .dw(Math.max(0, 8 * vectors - 1))
    .dd(ref("idt"));
  return g.build();
}

/** A machine with one vm of two processors that runs `program`. `prepare` writes what else is to be in its memory. */
export function bootTwo(
  program: GuestProgram,
  options: Partial<Omit<VmOptions, "boot">> & { readonly prepare?: VmOptions["boot"] } = {},
  machineOptions: MachineOptions = {},
): { readonly machine: Machine; readonly vm: Vm; readonly word: (gpa: number) => number } {
  const { prepare, ...vmOptions } = options;
  const machine = createMachine({ memoryMiB: 32, ...machineOptions });
  const load = bootProgram(program, { entry: program.symbol("first") });
  const vm = machine.createVm({
    name: "g",
    pager: "bare",
    memoryMiB: 8,
    apic: true,
    cpus: 2,
    maxInstructions: 2_000_000,
    ...vmOptions,
    boot: (memory, state) => {
      load(memory, state);
      prepare?.(memory, state);
    },
  });
  return { machine, vm, word: (gpa) => vm.memory.read32(gpa as Gpa) };
}
