/** Runs recorded instruction tests on a bare processor and tells what differs. */
import {
  BareProcessor,
  type BareRun,
  type RegisterSettings,
  type RegisterValues,
} from "../../../src/cpu/bare-processor.ts";
import type { CpuModel } from "../../../src/cpu/system/cpu-models.ts";
import type { RecordedCase, RecordedCpu, RecordedFile, RecordedRegisters } from "./cases.ts";

/** Physical memory as wide as the recorded processor's bus; of an 80386EX, 24 address lines were recorded. */
const MEMORY_MIB: Readonly<Record<RecordedCpu, number>> = { "8086": 1, "80286": 16, "80386": 16 };
/** Bits that the recorded processor has in common with a later one. Registers that are not named count whole. */
const COMMON_BITS: Readonly<Record<RecordedCpu, RecordedRegisters>> = {
  "8086": { eflags: 0x0fd5 },
  "80286": { eflags: 0x0fd5 },
  "80386": { eflags: 0x7fd5, cr0: 0x8000001f, cr3: 0xfffff000, dr6: 0xe00f, dr7: 0xffff23ff },
};
/** Ports 22h and 23h are a register of the 80386EX; no others answer. */
const PORTS_80386: Readonly<Record<number, number>> = { 34: 0x7f, 35: 0x42 };
/** The instruction, its exceptions, HLT: more steps than these are a test that went astray. */
const MOST_STEPS = 16;
const HLT = 0xf4;
const SEGMENTS = ["cs", "ss", "ds", "es", "fs", "gs"] as const;
const IS_SEGMENT: ReadonlySet<string> = new Set(SEGMENTS);
const SHORT: ReadonlySet<string> = new Set("ax bx cx dx sp bp si di ip flags".split(" "));
const FLAGS_WRITABLE = 0x37fd7;

/** What came out otherwise than recorded, in words and hexadecimal; empty: nothing. */
export type Differences = readonly string[];

/** Has a processor for each that was recorded, made when it is needed. */
export class Replay {
  readonly #model: CpuModel | undefined;
  readonly #processors = new Map<RecordedCpu, BareProcessor>();

  /** Default: the model nearest to the recorded processor, i386. */
  constructor(model?: CpuModel) {
    this.#model = model;
  }

  /** `flagsMask`: flags that the instruction defines, where the file itself does not say. */
  run(file: RecordedFile, one: RecordedCase, flagsMask = 0xffffffff): Differences {
    const processor = this.#processorFor(file.cpu);
    const halt = file.untilHalt ? haltBehind(one) : -1;
    for (const [address, byte] of one.before.memory) processor.setByte(address, byte);
    const initial = byOurNames(one.before.registers);
    processor.set(settings(initial));
    const masks = new Masks(file, one, flagsMask);
    const differences: string[] = [];
    if (file.untilHalt) {
      const { end } = runToHalt(processor, halt);
      if (end !== "halted") differences.push(end === "limit" ? `not halted after ${MOST_STEPS} steps` : end);
    } else if (processor.step().end === "shutdown") differences.push("shutdown");
    const expected = { ...initial, ...byOurNames(one.after.registers) };
    for (const [name, value] of Object.entries(expected)) {
      const mask = masks.of(name);
      const now = processor.get(name as keyof RegisterValues);
      if ((now ^ value) & mask)
        differences.push(`${name} ${hex(now & mask)} instead of ${hex(value & mask)}`);
    }
    const memory = new Map(one.before.memory);
    for (const [address, byte] of one.after.memory) memory.set(address, byte);
    for (const [address, byte] of memory) {
      const mask = masks.ofByte(address);
      const now = processor.byte(address);
      if ((now ^ byte) & mask)
        differences.push(`[${hex(address)}] ${hex(now & mask)} instead of ${hex(byte & mask)}`);
      // The next test finds nothing of this one.
      processor.setByte(address, 0);
    }
    return differences;
  }

  #processorFor(cpu: RecordedCpu): BareProcessor {
    const known = this.#processors.get(cpu);
    if (known !== undefined) return known;
    const processor = new BareProcessor({
      cpu: this.#model ?? "i386",
      memoryMiB: MEMORY_MIB[cpu],
      ports: { read: (port, size) => readPorts(cpu, port, size), write: () => {} },
    });
    this.#processors.set(cpu, processor);
    return processor;
  }
}

function readPorts(cpu: RecordedCpu, port: number, sizeBytes: number): number {
  let value = 0;
  for (let k = sizeBytes - 1; k >= 0; k--)
    value = value * 256 + ((cpu === "80386" ? PORTS_80386[port + k] : undefined) ?? 0xff);
  return value;
}

/** EIP of the HLT that the instruction's bytes end with, or -1. */
function haltBehind({ bytes, before }: RecordedCase): number {
  const eip = before.registers["eip"] ?? before.registers["ip"];
  return eip === undefined || bytes.at(-1) !== HLT ? -1 : eip + bytes.length - 1;
}

/** The recorded processor had fetched the HLT before the instruction wrote to where it lies. */
function runToHalt(processor: BareProcessor, halt: number): { readonly end: BareRun["end"] } {
  const first = processor.step();
  if (first.end === "halted" || first.end === "shutdown") return { end: first.end };
  const eip = processor.get("eip");
  if (first.end === "done" && eip === halt && processor.byte(processor.segment("cs").base + eip) !== HLT) {
    processor.set({ eip: eip + 1 });
    return { end: "halted" };
  }
  return processor.run(MOST_STEPS - 1);
}

/** Which bits count. */
class Masks {
  readonly #common: RecordedRegisters;
  readonly #own: RecordedRegisters;
  readonly #flagsMask: number;
  readonly #flagsAddress: number;

  constructor(file: RecordedFile, one: RecordedCase, flagsMask: number) {
    this.#common = COMMON_BITS[file.cpu];
    this.#own = { ...byOurNames(file.masks), ...byOurNames(one.masks ?? {}) };
    this.#flagsMask = flagsMask;
    this.#flagsAddress = one.exception?.flagsAddress ?? -1;
  }

  of(name: string): number {
    const width = IS_SEGMENT.has(name) ? 0xffff : -1;
    const mask = width & (this.#common[name] ?? -1) & (this.#own[name] ?? -1);
    return name === "eflags" && this.#own[name] === undefined ? mask & this.#flagsMask : mask;
  }

  /** The flags on the stack of an exception are as undefined as those in the register. */
  ofByte(address: number): number {
    const high = address - this.#flagsAddress;
    if (this.#flagsAddress < 0 || (high !== 0 && high !== 1)) return 0xff;
    return (this.of("eflags") >> (8 * high)) & 0xff;
  }
}

/** Files of 16-bit processors name halves of our registers. */
function byOurNames(registers: RecordedRegisters): Record<string, number> {
  const ours: Record<string, number> = {};
  for (const [name, value] of Object.entries(registers)) ours[SHORT.has(name) ? `e${name}` : name] = value;
  return ours;
}

/** Segment registers are 16 bits wide, whatever stands above them; flags that no such processor has are left out. */
function settings(registers: Record<string, number>): RegisterSettings {
  const known: Record<string, number> = { ...registers };
  for (const name of SEGMENTS) if (known[name] !== undefined) known[name] = known[name] & 0xffff;
  known["eflags"] = ((known["eflags"] ?? 0) & FLAGS_WRITABLE) | 2;
  return known as RegisterSettings;
}

const hex = (value: number): string => (value >>> 0).toString(16);
