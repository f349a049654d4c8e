import type {
  Core,
  CpuIdentity,
  ExitSignal,
  GuestFault,
  HelperOp,
  LinearMemory,
} from "../../../src/cpu/core.ts";
import { Outcome, Vector } from "../../../src/cpu/core.ts";
import { createExitRecord, type ExitRecord, noIntercepts } from "../../../src/cpu/exit.ts";
import * as L from "../../../src/cpu/layout.ts";
import { CpuState } from "../../../src/cpu/state.ts";
import { type CpuModel, cpuIdentity, HELPERS } from "../../../src/cpu/system/index.ts";

/** Linear address 0 is at this byte of the memory that also holds the register file. */
const LINEAR_BASE = 0x10000;
const LINEAR_BYTES = 0x200000;

/** A page fault, or an exit in its stead, is what an access to such a page ends in. */
type PageRule = "absent" | "readOnly" | "intercepted";

/** Linear memory without paging, but with pages that fault or leave as the test says. */
class FakeMemory implements LinearMemory {
  readonly pages = new Map<number, PageRule>();
  /** Pages that `direct` refuses, as if they held decoded code. */
  readonly indirect = new Set<number>();
  /** Accesses done one by one, to see whether a fast path was taken. */
  singles = 0;
  private readonly core: FakeCore;
  private readonly view: DataView;

  constructor(core: FakeCore, memory: WebAssembly.Memory) {
    this.core = core;
    this.view = new DataView(memory.buffer, LINEAR_BASE, LINEAR_BYTES);
  }

  private check(linear: number, size: number, write: boolean, supervisor: boolean): void {
    for (const address of [linear, linear + size - 1]) {
      const rule = this.pages.get(address >>> 12);
      if (rule === "intercepted") this.core.leave();
      if (rule === "absent" || (rule === "readOnly" && write)) {
        const user = !supervisor && this.core.state.cpl === 3;
        const errorCode = (rule === "absent" ? 0 : 1) | (write ? 2 : 0) | (user ? 4 : 0);
        this.core.throwFault(Vector.PF, errorCode, address === linear ? linear : address & ~4095);
      }
    }
  }

  read8(linear: number, supervisor: boolean): number {
    this.check(linear, 1, false, supervisor);
    this.singles++;
    return this.view.getUint8(linear);
  }
  read16(linear: number, supervisor: boolean): number {
    this.check(linear, 2, false, supervisor);
    this.singles++;
    return this.view.getUint16(linear, true);
  }
  read32(linear: number, supervisor: boolean): number {
    this.check(linear, 4, false, supervisor);
    this.singles++;
    return this.view.getUint32(linear, true);
  }
  write8(linear: number, value: number, supervisor: boolean): void {
    this.check(linear, 1, true, supervisor);
    this.singles++;
    this.view.setUint8(linear, value);
  }
  write16(linear: number, value: number, supervisor: boolean): void {
    this.check(linear, 2, true, supervisor);
    this.singles++;
    this.view.setUint16(linear, value, true);
  }
  write32(linear: number, value: number, supervisor: boolean): void {
    this.check(linear, 4, true, supervisor);
    this.singles++;
    this.view.setUint32(linear, value, true);
  }
  probeWrite(linear: number, size: number, supervisor: boolean): void {
    this.check(linear, size, true, supervisor);
  }
  probeRead(linear: number, size: number, supervisor: boolean): void {
    this.check(linear, size, false, supervisor);
  }
  /** There is no alignment check here. */
  requireAligned(): void {}
  direct(linear: number, write: boolean, supervisor: boolean): number {
    this.check(linear, 1, write, supervisor);
    return this.indirect.has(linear >>> 12) ? -1 : LINEAR_BASE + linear;
  }

  /** Bytes from `linear` on, past all rules. */
  bytes(linear: number, count: number): number[] {
    return Array.from({ length: count }, (_, i) => this.view.getUint8(linear + i));
  }
  words(linear: number, count: number): number[] {
    return Array.from({ length: count }, (_, i) => this.view.getUint16(linear + 2 * i, true));
  }
  dwords(linear: number, count: number): number[] {
    return Array.from({ length: count }, (_, i) => this.view.getUint32(linear + 4 * i, true));
  }
  fill(linear: number, values: readonly number[]): void {
    for (const [i, value] of values.entries()) this.view.setUint8(linear + i, value);
  }
  fill16(linear: number, values: readonly number[]): void {
    for (const [i, value] of values.entries()) this.view.setUint16(linear + 2 * i, value, true);
  }
  fill32(linear: number, values: readonly number[]): void {
    for (const [i, value] of values.entries()) this.view.setUint32(linear + 4 * i, value, true);
  }
}

interface PortRecord {
  readonly port: number;
  readonly size: number;
  readonly write: boolean;
  readonly value: number;
}

export class FakeCore implements Core {
  readonly state: CpuState;
  readonly memory: FakeMemory;
  readonly exitRecord: ExitRecord = createExitRecord();
  readonly cpuid: CpuIdentity;
  /** What the PDPTEs at an address are worth: addresses whose load is refused. */
  readonly badPdptes = new Set<number>();
  controls = 0;
  answerRead = 0;
  breaksOnCode = false;
  taskSwitchAllowed = false;
  readonly intercepts = noIntercepts();
  breakpointMet = false;
  time: [number, number] = [0, 0];
  /** What was told to the CPU about translations, in order. */
  readonly notices: string[] = [];
  readonly ports: PortRecord[] = [];
  /** Answers to come; a port access without one leaves. */
  answers: number[] = [];

  private readonly fault: GuestFault = { kind: "guest-fault", vector: 0, errorCode: -1, address: 0 };
  private readonly signal: ExitSignal = { kind: "exit-signal" };

  breakpointsChanged(): void {}

  constructor(model: CpuModel = "p6") {
    this.cpuid = cpuIdentity(model);
    const memory = new WebAssembly.Memory({ initial: (LINEAR_BASE + LINEAR_BYTES) >> 16 });
    this.state = new CpuState(memory);
    this.memory = new FakeMemory(this, memory);
    this.state.eflags = 2;
    for (let i = 0; i < 6; i++) this.state.setSegment(i, 0, 0, 0xffff, 0x93);
    this.state.set(L.SEG_CS + L.SEG_PERM, 7);
    this.state.set(L.IDTR_LIMIT, 0x3ff);
    this.state.updateMode();
  }

  throwFault(vector: number, errorCode: number, address: number): never {
    Object.assign(this.fault, { vector, errorCode, address });
    throw this.fault;
  }
  raise(vector: number, errorCode = -1): never {
    this.throwFault(vector, errorCode, 0);
  }
  beginExit(reason: ExitRecord["reason"], op: HelperOp): ExitRecord {
    Object.assign(this.exitRecord, { reason, eip: this.state.eip, length: op.length });
    return this.exitRecord;
  }
  leave(): never {
    throw this.signal;
  }
  retiredBefore(): number {
    return 0;
  }
  timestamp(): readonly [number, number] {
    return this.time;
  }
  setTimestamp(low: number, high: number): void {
    this.time = [low, high];
  }
  flushTlbAll(): void {
    this.notices.push("flushAll");
  }
  invalidatePage(linear: number): void {
    this.notices.push(`invalidate ${linear.toString(16)}`);
  }
  directoryLoaded(): void {
    this.notices.push("directoryLoaded");
  }
  latchPdptes(cr3: number): boolean {
    if (this.badPdptes.has(cr3)) return false;
    this.notices.push(`latch ${cr3.toString(16)}`);
    return true;
  }
  portAccess(_op: HelperOp, port: number, size: number, write: boolean, value: number): boolean {
    const answer = this.answers.shift();
    if (answer === undefined) return false;
    this.ports.push({ port, size, write, value });
    this.answerRead = answer;
    return true;
  }
  readonly portRunsAllowed = false;
  offerPortRun(): void {}
  timestampOffset(): readonly [number, number] {
    return [this.time[0] as number, this.time[1] as number];
  }
  apicRead(_op: HelperOp, register: number): readonly [number, number] {
    this.notices.push(`read MSR ${register.toString(16)} of the APIC`);
    return [0x11111111, 0x22222222];
  }
  apicWrite(_op: HelperOp, register: number, low: number, high: number): void {
    this.notices.push(
      `write MSR ${register.toString(16)} of the APIC: ${high.toString(16)}:${low.toString(16)}`,
    );
  }
  iterationDone(): void {
    this.notices.push("iteration");
  }

  /** Runs the helper of that name at the current EIP. Operands not given are those of a 32-bit register form. */
  run(name: string, fields: Partial<HelperOp> = {}): Outcome {
    const helper = HELPERS[name];
    if (helper === undefined) throw new Error(`no helper is called ${name}`);
    const length = fields.length ?? 2;
    return helper(this, {
      opcode: 0,
      modrm: -1,
      prefix: 0,
      reg: 0,
      rm: 0,
      memory: false,
      segment: 3,
      offset: 0,
      baseIsEsp: false,
      immediate: 0,
      immediate2: 0,
      operandSize: 32,
      addressSize: 32,
      rep: 0,
      length,
      nextEip: this.state.eip + length,
      ...fields,
    });
  }

  /** What `action` throws: "exit", or the fault as vector and error code (and address for a page fault). */
  thrown(action: () => unknown): unknown {
    try {
      action();
    } catch (caught) {
      if (caught === this.signal) return "exit";
      if (caught !== this.fault) throw caught;
      const { vector, errorCode, address } = this.fault;
      if (vector === Vector.PF) return { vector, errorCode, address };
      return { vector, errorCode };
    }
    return "nothing";
  }

  /** Like `thrown`, of a helper. */
  faultOf(name: string, fields: Partial<HelperOp> = {}): unknown {
    return this.thrown(() => this.run(name, fields));
  }

  /** Where the guest is: selectors, privilege, EIP, ESP. */
  where(): Record<string, number> {
    const { state } = this;
    return {
      cs: state.selector(1),
      eip: state.eip,
      ss: state.selector(2),
      esp: state.reg(4),
      cpl: state.cpl,
    };
  }

  /** The register file, to see that nothing changed. */
  registers(): number[] {
    return Array.from(this.state.u32.subarray(0, L.STATE_SIZE >> 2));
  }
}

export { Outcome, Vector };
