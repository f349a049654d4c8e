import type { Core, HelperOp } from "../../../src/cpu/core.ts";
import { fpu } from "../../../src/cpu/fpu/index.ts";
import * as L from "../../../src/cpu/layout.ts";
import { ARENA_BASE } from "../../../src/cpu/layout.ts";
import { CpuState } from "../../../src/cpu/state.ts";

/** What a test core throws for a processor exception. */
export class TestFault extends Error {
  readonly vector: number;
  constructor(vector: number) {
    super(`exception ${vector}`);
    this.vector = vector;
  }
}

/** A CPU with flat segments and a little memory of its own, enough for the x87 unit. */
export class FpuBench {
  readonly state: CpuState;
  readonly ram = new Uint8Array(0x2000);
  readonly view = new DataView(this.ram.buffer);
  readonly core: Core;
  /** Linear addresses from here on fault. */
  limit = 0x2000;

  constructor() {
    this.state = new CpuState(new WebAssembly.Memory({ initial: ARENA_BASE / 65536 }));
    for (let segment = 0; segment < 6; segment++)
      this.state.setSegment(segment, 8 * segment + 8, 0, 0xffffffff, segment === 1 ? 0xc09b : 0xc093);
    this.state.set(L.CR0, 0x21); // PE, NE
    this.state.updateMode();
    this.state.eflags = 2;
    const check = (at: number, size: number): number => {
      if (at + size > this.limit) throw new TestFault(14);
      return at;
    };
    const memory = {
      read8: (at: number) => this.view.getUint8(check(at, 1)),
      read16: (at: number) => this.view.getUint16(check(at, 2), true),
      read32: (at: number) => this.view.getUint32(check(at, 4), true),
      write8: (at: number, value: number) => this.view.setUint8(check(at, 1), value),
      write16: (at: number, value: number) => this.view.setUint16(check(at, 2), value, true),
      write32: (at: number, value: number) => this.view.setUint32(check(at, 4), value, true),
      probeWrite: check,
      probeRead: check,
      requireAligned: () => {},
      direct: () => -1,
    };
    const raise = (vector: number): never => {
      throw new TestFault(vector);
    };
    this.core = { state: this.state, memory, raise } as unknown as Core;
    this.register(0xdb, 0xe3); // FNINIT
  }

  private operation(opcode: number, modrm: number, changes: Partial<HelperOp>): HelperOp {
    return {
      opcode,
      modrm,
      prefix: 0,
      reg: (modrm >> 3) & 7,
      rm: modrm & 7,
      memory: modrm < 0xc0,
      segment: 3,
      offset: 0,
      baseIsEsp: false,
      immediate: 0,
      immediate2: 0,
      operandSize: 32,
      addressSize: 32,
      rep: 0,
      length: 2,
      nextEip: 0,
      ...changes,
    };
  }

  /** Executes a form with register operands. */
  register(opcode: number, modrm: number): number {
    return fpu(this.core, this.operation(opcode, modrm, {}));
  }

  /** Executes a form with the memory operand at DS:offset. */
  memory(opcode: number, reg: number, offset: number, changes: Partial<HelperOp> = {}): number {
    return fpu(this.core, this.operation(opcode, (reg << 3) | 2, { offset, ...changes }));
  }

  /** FRSTOR, 32-bit protected-mode format. */
  restore(image: Uint8Array): void {
    this.ram.set(image, 0x1000);
    this.memory(0xdd, 4, 0x1000);
  }

  /** FNSAVE, 32-bit protected-mode format. */
  save(): Uint8Array {
    this.memory(0xdd, 6, 0x1000);
    return this.ram.slice(0x1000, 0x1000 + 108);
  }

  get status(): number {
    return this.state.get(L.FPU_STATUS);
  }
}
