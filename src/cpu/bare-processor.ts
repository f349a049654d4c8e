import { PAGE_SIZE } from "../mmu/address.ts";
import { MachineMemory } from "../mmu/machine-memory.ts";
import { Cpu } from "./cpu.ts";
import { Access, ExitReason } from "./exit.ts";
import * as L from "./layout.ts";
import type { InjectedEvent } from "./processor.ts";
import { Cr0, Cr4, Flag } from "./state.ts";
import type { CpuModel } from "./system/index.ts";

/** Registers by name. Selectors are among them; what is behind a selector is a SegmentRegister. */
const WORDS = {
  eax: L.EAX,
  ecx: L.ECX,
  edx: L.EDX,
  ebx: L.EBX,
  esp: L.ESP,
  ebp: L.EBP,
  esi: L.ESI,
  edi: L.EDI,
  eip: L.EIP,
  cr0: L.CR0,
  cr2: L.CR2,
  cr3: L.CR3,
  cr4: L.CR4,
  dr0: L.DR0,
  dr1: L.DR0 + 4,
  dr2: L.DR0 + 8,
  dr3: L.DR0 + 12,
  dr6: L.DR6,
  dr7: L.DR7,
  gdtrBase: L.GDTR_BASE,
  gdtrLimit: L.GDTR_LIMIT,
  idtrBase: L.IDTR_BASE,
  idtrLimit: L.IDTR_LIMIT,
} as const;
const SEGMENTS = { es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5, ldtr: 6, tr: 7 } as const;
const WORD_ENTRIES = Object.entries(WORDS) as [keyof typeof WORDS, number][];
const SEGMENT_ENTRIES = Object.entries(SEGMENTS) as [SegmentName, number][];

/** ES, CS, SS, DS, FS, GS, LDTR, TR. */
export type SegmentName = keyof typeof SEGMENTS;
/** All registers that are one number: EFLAGS with all of its flags, a segment register as its selector. */
export type RegisterValues = Record<keyof typeof WORDS | "eflags" | SegmentName, number>;

/** A segment register with its hidden part. */
export interface SegmentRegister {
  readonly selector: number;
  readonly base: number;
  /** In bytes, the granularity applied. */
  readonly limit: number;
  /** Bits 0 to 3 type, 4 S, 5 and 6 DPL, 7 P, 14 D/B, 15 G, as in the descriptor's high word from bit 8 on; 0: unusable. */
  readonly attributes: number;
}

/** What `set` takes: of a segment, a selector (in real and virtual-8086 mode, where base and limit follow) or all of it. */
export type RegisterSettings = Partial<
  Record<Exclude<keyof RegisterValues, SegmentName>, number> & Record<SegmentName, number | SegmentRegister>
>;

/** The other end of IN and OUT; sizes are 1, 2 or 4 bytes. */
export interface BarePorts {
  read(port: number, sizeBytes: number): number;
  write(port: number, sizeBytes: number, value: number): void;
}

export interface BareProcessorOptions {
  /** i386, i486, p6 (default), pentium4 or max. */
  readonly cpu?: CpuModel;
  /**
   * Physical memory, a power of two from 1 to 2048; default 16. It repeats beyond its end, as on a bus with so many address lines: 1 is
   * an 8088's bus, or a PC's whose A20 gate is shut, 16 that of an 80286.
   */
  readonly memoryMiB?: number;
  /** Default: reads give all ones, and writes go nowhere. */
  readonly ports?: BarePorts;
}

/** An exception that the processor has raised. */
export interface RaisedException {
  readonly vector: number;
  /** Pushed, in protected mode; undefined where the exception has none. */
  readonly errorCode?: number;
  /** Linear address, of a page fault. */
  readonly address?: number;
}

/** How a step has ended. */
export interface Step {
  /**
   * done: one instruction is through (a repeated string instruction with all of its iterations). halted: it was HLT, and EIP is behind
   * it. exception: one was raised and delivered, and EIP is at its handler. shutdown: it could not be delivered (a triple fault).
   */
  readonly end: "done" | "halted" | "exception" | "shutdown";
  /** Of `exception` and `shutdown`: the first one raised. */
  readonly exception?: RaisedException;
}

/** How a run has ended: as its last step, or because all steps allowed were taken. */
export interface BareRun {
  readonly end: "halted" | "shutdown" | "limit";
  readonly steps: number;
  /** Those delivered on the way, in their order. */
  readonly exceptions: readonly RaisedException[];
}

/** Thrown for registers and memory that cannot be. */
export class BareProcessorError extends Error {
  override readonly name = "BareProcessorError";
}

const REAL_LIMIT = 0xffff;
const REAL_ATTRIBUTES = 0x93;
const VIRTUAL_ATTRIBUTES = 0xf3;
const ALL_EXCEPTIONS = -1;
/** Pages of the 4 GiB that physical addresses without PSE-36 or PAE can name. */
const PHYSICAL_PAGES = 1 << 20;
const PAGES_PER_MIB = 256;
const DONE: Step = { end: "done" };
const HALTED: Step = { end: "halted" };

/**
 * A processor with nothing but memory around it, for tests of single instructions: no monitor, no devices, no messages, no time.
 *
 *     const processor = new BareProcessor();
 *     processor.write(0x1000, [0x01, 0xd8]); // ADD AX, BX
 *     processor.set({ cs: 0x100, eip: 0, eax: 2, ebx: 3, eflags: 2 });
 *     processor.step(); // { end: "done" }
 *     processor.get("eax"); // 5
 *
 * It begins as after a reset. Making one takes some 100 ms; use it for all tests.
 */
export class BareProcessor {
  readonly cpu: Cpu;
  readonly memoryBytes: number;
  readonly #machine: MachineMemory;
  readonly #ports: BarePorts;

  /** @throws BareProcessorError for a memory that is no power of two, RangeError for a model that is not known */
  constructor(options: BareProcessorOptions = {}) {
    const { cpu = "p6", memoryMiB = 16, ports = NO_PORTS } = options;
    if (!Number.isInteger(Math.log2(memoryMiB)) || memoryMiB < 1 || memoryMiB > 2048)
      throw new BareProcessorError(`memoryMiB is a power of two from 1 to 2048, not ${memoryMiB}`);
    const pages = memoryMiB * PAGES_PER_MIB;
    this.memoryBytes = pages * PAGE_SIZE;
    this.#machine = new MachineMemory(pages);
    this.#ports = ports;
    this.cpu = new Cpu(this.#machine, cpu);
    const p2m = Int32Array.from({ length: PHYSICAL_PAGES }, (_, gfn) => gfn % pages);
    this.cpu.setHardwarePaging({ mode: "guest", p2m });
    this.reset();
  }

  /** Registers as after power-on. Memory stays. */
  reset(): void {
    const { cpu } = this;
    cpu.reset();
    cpu.controls = 0;
    cpu.intercepts.exceptions = ALL_EXCEPTIONS;
  }

  get(name: keyof RegisterValues): number {
    const { state } = this.cpu;
    if (name === "eflags") return state.eflags;
    if (name === "cr0") return (state.cr0 | state.get(L.CR0_ABSENT)) >>> 0;
    if (name in SEGMENTS) return state.selector(SEGMENTS[name as SegmentName]);
    return state.get(WORDS[name as keyof typeof WORDS]);
  }

  /** All of them. */
  registers(): RegisterValues {
    const { state } = this.cpu;
    const values: Partial<RegisterValues> = { eflags: state.eflags };
    for (const [name] of WORD_ENTRIES) values[name] = this.get(name);
    for (const [name, index] of SEGMENT_ENTRIES) values[name] = state.selector(index);
    return values as RegisterValues;
  }

  segment(name: SegmentName): SegmentRegister {
    const { state } = this.cpu;
    const index = SEGMENTS[name];
    return {
      selector: state.selector(index),
      base: state.segBase(index),
      limit: state.segLimit(index),
      attributes: state.segAttr(index),
    };
  }

  /**
   * Sets those that are given, to whatever is given: nothing is checked as a load by the guest would be. CPL follows from CR0.PE, EFLAGS.VM
   * and the selector of CS; pending traps, interrupt shadows and cached translations are gone. A segment's selector alone makes it
   * what loading it in real or virtual-8086 mode makes of it, with a limit of 64 KiB.
   *
   * @throws BareProcessorError for a selector alone in protected mode, and for a table at CR3 that PAE could not load
   */
  set(values: RegisterSettings): void {
    const { cpu } = this;
    const { state } = cpu;
    for (const [name, at] of WORD_ENTRIES) {
      const value = values[name];
      if (value !== undefined) state.set(at, value);
    }
    const { cr0Ones } = cpu.cpuid;
    if (values.cr0 !== undefined && cr0Ones !== 0) {
      state.set(L.CR0, values.cr0 & ~cr0Ones);
      state.set(L.CR0_ABSENT, values.cr0 & cr0Ones);
    }
    if (values.eflags !== undefined) state.eflags = values.eflags;
    const isVirtual = (state.eflags & Flag.VM) !== 0;
    const isProtected = (state.cr0 & Cr0.PE) !== 0;
    for (const [name, index] of SEGMENT_ENTRIES) {
      const value = values[name];
      if (value === undefined) continue;
      if (typeof value !== "number") {
        state.setSegment(index, value.selector, value.base, value.limit, value.attributes);
      } else if (isProtected && (!isVirtual || index > SEGMENTS.gs)) {
        throw new BareProcessorError(
          `in protected mode a selector says nothing of its segment: give ${name} as { selector, base, limit, attributes }`,
        );
      } else {
        const attributes = isProtected ? VIRTUAL_ATTRIBUTES : REAL_ATTRIBUTES;
        state.setSegment(index, value & 0xffff, (value & 0xffff) << 4, REAL_LIMIT, attributes);
      }
    }
    // What is run from there can be read and written there, whatever its type.
    if (!isProtected || isVirtual) state.set(L.SEG_CS + L.SEG_PERM, 7);
    state.set(L.CPL, isVirtual ? 3 : isProtected ? state.selector(SEGMENTS.cs) & 3 : 0);
    cpu.settle();
    if (state.cr0 & Cr0.PG && state.cr4 & Cr4.PAE && !cpu.core.latchPdptes(state.get(L.CR3)))
      throw new BareProcessorError("the page-directory-pointer table at CR3 has reserved bits set");
  }

  /** Physical memory, a copy. Addresses wrap at its end. */
  read(address: number, length: number): Uint8Array {
    return Uint8Array.from({ length }, (_, k) => this.byte(address + k));
  }

  byte(address: number): number {
    return this.#machine.u8[address % this.memoryBytes] as number;
  }

  /** Puts bytes into physical memory; code that was decoded from there is forgotten. Addresses wrap at its end. */
  write(address: number, bytes: Uint8Array | readonly number[]): void {
    for (let k = 0; k < bytes.length; k++) this.setByte(address + k, bytes[k] as number);
  }

  setByte(address: number, value: number): void {
    const at = address % this.memoryBytes;
    this.#machine.u8[at] = value;
    this.cpu.memoryWritten(at, 1);
  }

  /** Delivered before the instruction of the next step. */
  inject(event: InjectedEvent): void {
    this.cpu.inject(event);
  }

  /** Executes exactly one instruction, or delivers the exception that it raises instead. */
  step(): Step {
    const { cpu } = this;
    const start = cpu.retired;
    for (;;) {
      const exit = cpu.run(1);
      switch (exit.reason) {
        case ExitReason.budget:
          if (cpu.retired !== start) return DONE;
          // A repeated instruction that goes on.
          break;
        case ExitReason.hlt:
          return HALTED;
        case ExitReason.io:
          cpu.answer(this.#access(exit.access === Access.write, exit.port, exit.size, exit.value));
          break;
        case ExitReason.mmio:
          // An address of more than 32 bits.
          cpu.answer(0xffffffff);
          break;
        case ExitReason.tripleFault:
          return { end: "shutdown" };
        case ExitReason.exception: {
          const exception = {
            vector: exit.vector,
            ...(exit.errorCode >= 0 && { errorCode: exit.errorCode }),
            ...(exit.vector === PAGE_FAULT && { address: exit.gva as number }),
          };
          return { end: this.#deliver() ? "exception" : "shutdown", exception };
        }
        default:
          throw new Error(`the processor left with ${exit.reason}, which no control asks for`);
      }
    }
  }

  /** Steps until HLT, or shutdown, or until `most` steps are done. */
  run(most: number): BareRun {
    const exceptions: RaisedException[] = [];
    for (let steps = 1; steps <= most; steps++) {
      const { end, exception } = this.step();
      if (exception !== undefined) exceptions.push(exception);
      if (end === "halted" || end === "shutdown") return { end, steps, exceptions };
    }
    return { end: "limit", steps: most, exceptions };
  }

  /** False when it ends in a triple fault. */
  #deliver(): boolean {
    const { cpu } = this;
    do {
      cpu.perform();
      if (cpu.exitRecord.reason === ExitReason.tripleFault) return false;
      if (cpu.exitRecord.reason === ExitReason.mmio) cpu.answer(0xffffffff);
    } while (cpu.pending !== undefined);
    return true;
  }

  #access(write: boolean, port: number, sizeBytes: number, value: number): number {
    if (!write) return this.#ports.read(port, sizeBytes) >>> 0;
    this.#ports.write(port, sizeBytes, value);
    return 0;
  }
}

const PAGE_FAULT = 14;
const NO_PORTS: BarePorts = {
  read: (_, sizeBytes) => 2 ** (8 * sizeBytes) - 1,
  write: () => {},
};
