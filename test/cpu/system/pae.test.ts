import { describe, expect, test } from "vitest";
import { Cpu } from "../../../src/cpu/cpu.ts";
import { ExitControl } from "../../../src/cpu/exit.ts";
import * as L from "../../../src/cpu/layout.ts";
import { Cr0, Cr4, Efer } from "../../../src/cpu/state.ts";
import { MachineMemory } from "../../../src/mmu/machine-memory.ts";

const GUEST = 0x100;
const POINTERS = 0x10000;
const OTHER_POINTERS = 0x10020;
const BAD_POINTERS = 0x10040;
const DIRECTORY = 0x11000;
const TABLE = 0x12000;
const OTHER_DIRECTORY = 0x13000;
const OTHER_TABLE = 0x14000;
const CODE = 0x1000;
const DATA = 0x2000;
const PRESENT_WRITABLE = 3;

/** A CPU with PAE paging on: CODE may be executed, DATA may not; CR3 = OTHER_POINTERS swaps DATA's frame for 0x5000. */
function paged(...code: number[]): { cpu: Cpu; u32: Uint32Array; guest: (at: number) => number } {
  const machine = new MachineMemory(0x200);
  const cpu = new Cpu(machine, "max");
  const guest = (at: number) => (GUEST << 12) + at;
  const put = (at: number, low: number, high = 0) => {
    machine.u32[guest(at) >> 2] = low;
    machine.u32[(guest(at) >> 2) + 1] = high;
  };
  put(POINTERS, DIRECTORY | 1);
  put(OTHER_POINTERS, OTHER_DIRECTORY | 1);
  put(BAD_POINTERS, OTHER_DIRECTORY | 3);
  put(DIRECTORY, TABLE | PRESENT_WRITABLE);
  put(OTHER_DIRECTORY, OTHER_TABLE | PRESENT_WRITABLE);
  for (const [table, frame] of [
    [TABLE, DATA],
    [OTHER_TABLE, 0x5000],
  ] as const) {
    put(table + 8, CODE | PRESENT_WRITABLE);
    put(table + 16, frame | PRESENT_WRITABLE, 0x80000000);
  }
  machine.u32[guest(DATA) >> 2] = 0x90909090;
  machine.u32[guest(0x5000) >> 2] = 0x55555555;
  machine.u8.set(code, guest(CODE));
  cpu.setHardwarePaging({ mode: "guest", p2m: Int32Array.from({ length: 0x100 }, (_, gfn) => GUEST + gfn) });
  const { state } = cpu;
  for (const index of [0, 2, 3]) state.setSegment(index, 0x10, 0, 0xffffffff, 0xc093);
  state.setSegment(1, 8, 0, 0xffffffff, 0xc09b);
  state.set(L.CR0, Cr0.PG | Cr0.PE | Cr0.WP);
  state.set(L.CR4, Cr4.PAE);
  state.set(L.CR3, POINTERS);
  state.set(L.EFER, Efer.NXE);
  state.set(L.IDTR_LIMIT, 0);
  state.eip = CODE;
  state.updateMode();
  cpu.walker.latchPdptes(POINTERS);
  return { cpu, u32: machine.u32, guest };
}

/** MOV EAX, [DATA] and a jump there. */
const LOAD = [0xa1, 0x00, 0x20, 0x00, 0x00];
const JUMP = [0xbb, 0x00, 0x20, 0x00, 0x00, 0xff, 0xe3];
const LOAD_CR3 = [0x0f, 0x22, 0xd9];
const HLT = 0xf4;

describe("a CPU with PAE paging on", () => {
  test("reads a page with execute-disable, and faults when it fetches from it, though the TLB has it", () => {
    const { cpu } = paged(...LOAD, ...JUMP);
    cpu.controls = ExitControl.pageFault;
    expect(cpu.run(100)).toMatchObject({ reason: "pageFault", gva: DATA, errorCode: 0x11, access: 2 });
    expect([cpu.state.reg(0), cpu.state.eip, cpu.retired]).toEqual([0x90909090, DATA, 3]);
  });

  test("faults when code runs on into such a page", () => {
    const { cpu } = paged(0xe9, 0xf9, 0x0f, 0x00, 0x00);
    const { u8 } = cpu.state;
    u8.set([0x90, 0x90], L.PHYS_BASE + (GUEST << 12) + DATA - 2);
    cpu.controls = ExitControl.pageFault;
    expect(cpu.run(100)).toMatchObject({ reason: "pageFault", gva: DATA, errorCode: 0x11 });
    expect(cpu.retired).toBe(3);
  });

  test("MOV CR3 latches the PDPTEs: later stores to them count only after the next one", () => {
    const { cpu, u32, guest } = paged(0xb9, 0x20, 0, 1, 0, ...LOAD_CR3, ...LOAD, HLT, ...LOAD_CR3, ...LOAD);
    // MOV ECX, OTHER_POINTERS; MOV CR3, ECX.
    expect(cpu.run(100)).toMatchObject({ reason: "hlt" });
    expect(cpu.state.reg(0)).toBe(0x55555555);
    expect([...cpu.state.u32.subarray(L.PDPTE >> 2, (L.PDPTE >> 2) + 2)]).toEqual([OTHER_DIRECTORY | 1, 0]);
    u32[guest(OTHER_POINTERS) >> 2] = DIRECTORY | 1;
    cpu.flushTlbAll();
    expect(cpu.memory.read32(DATA, true)).toBe(0x55555555);
    cpu.run(2);
    expect(cpu.state.reg(0)).toBe(0x90909090);
  });

  test("MOV CR3 to PDPTEs with reserved bits is #GP: CR3, the latched ones and translations stay", () => {
    const { cpu } = paged(0xb9, 0x40, 0, 1, 0, ...LOAD_CR3);
    // The empty IDT turns the exception into a triple fault.
    expect(cpu.run(100)).toMatchObject({ reason: "tripleFault" });
    expect([cpu.state.get(L.CR3), cpu.state.get(L.PDPTE), cpu.retired]).toEqual([POINTERS, DIRECTORY | 1, 1]);
  });

  test("the latched PDPTEs and EFER travel with the saved state", () => {
    const { cpu } = paged(...LOAD);
    const saved = new Uint8Array(L.STATE_SIZE);
    cpu.saveState(saved);
    cpu.reset();
    expect([cpu.state.efer, cpu.state.get(L.PDPTE)]).toEqual([0, 0]);
    cpu.loadState(saved);
    cpu.run(1);
    expect(cpu.state.reg(0)).toBe(0x90909090);
  });
});
