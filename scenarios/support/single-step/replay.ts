/** Runs recorded instruction tests on a bare processor and tells what differs. */
import {
  BareProcessor,
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
  "80386": { eflags: 0x7fd5, cr0: 0x8000001f },
};
/** The instruction, its exceptions, HLT: more steps than these are a test that went astray. */
const MOST_STEPS = 16;
const SEGMENTS = ["cs", "ss", "ds", "es", "fs", "gs"] as const;
const IS_SEGMENT: ReadonlySet<string> = new Set(SEGMENTS);
const SHORT: ReadonlySet<string> = new Set("ax bx cx dx sp bp si di ip flags".split(" "));
const FLAGS_WRITABLE = 0x37fd7;

/** What came out otherwise than recorded, in words and hexadecimal; empty: nothing. */
export type Differences = readonly string[];

/** One for each width of the bus, made when it is needed. */
export class Replay {
  readonly #model: CpuModel | undefined;
  readonly #processors = new Map<number, BareProcessor>();

  /** Default: the model nearest to the recorded processor, i386. */
  constructor(model?: CpuModel) {
    this.#model = model;
  }

  /** `flagsMask`: flags that the instruction defines, where the file itself does not say. */
  run(file: RecordedFile, one: RecordedCase, flagsMask = 0xffffffff): Differences {
    const processor = this.#processorFor(file.cpu);
    for (const [address, byte] of one.before.memory) processor.setByte(address, byte);
    const initial = byOurNames(one.before.registers);
    processor.set(settings(initial));
    const masks = new Masks(file, one, flagsMask);
    const differences: string[] = [];
    if (file.untilHalt) {
      const { end } = processor.run(MOST_STEPS);
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
    const memoryMiB = MEMORY_MIB[cpu];
    const processor =
      this.#processors.get(memoryMiB) ?? new BareProcessor({ cpu: this.#model ?? "i386", memoryMiB });
    this.#processors.set(memoryMiB, processor);
    return processor;
  }
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
    return name === "eflags" ? mask & this.#flagsMask : mask;
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
