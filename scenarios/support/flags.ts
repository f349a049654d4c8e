/** The flags of all scenarios, from one place. */
import { type ParseArgsConfig, parseArgs } from "node:util";
import type { MessageFamily } from "../../src/bus/messages/index.ts";
import { CPU_MODELS, type CpuModel } from "../../src/cpu/system/cpu-models.ts";
import { PAGER_NAMES, type PagerName } from "../../src/mmu/pager.ts";
import { type FloodPolicy, type KvmOptions, MINIMUM_BUDGET } from "../../src/mmu/shadow/kvm/options.ts";
import { PTE_LIST_KINDS } from "../../src/mmu/shadow/kvm/pte-lists.ts";
import type { VtlbOptions } from "../../src/mmu/shadow/vtlb/pager.ts";
import { MOST_CPUS } from "../../src/switch/vcpu-set.ts";
import type { VmOptions } from "../../src/vm/options.ts";

/** The command line is wrong. The message is one line; the scenario exits with code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A flag as the help shows it and as `parseArgs` takes it. */
export interface FlagSpec {
  readonly type: "string" | "boolean";
  /** What stands for the value in the help. */
  readonly value?: string;
  /** The value may be left out, and is then this text (`--trace`, `--trace=cpu`). */
  readonly bare?: string;
  /** May be given several times. */
  readonly multiple?: boolean;
  readonly help: string;
}

export type FlagSpecs = Readonly<Record<string, FlagSpec>>;
type ValueOf<Spec extends FlagSpec> = Spec["type"] extends "boolean"
  ? boolean
  : Spec extends { readonly multiple: true }
    ? readonly string[]
    : string;
export type FlagValues<Specs extends FlagSpecs> = { readonly [Name in keyof Specs]?: ValueOf<Specs[Name]> };

const FLOOD_POLICIES: readonly FloodPolicy[] = ["page", "vcpu"];

export const COMMON_FLAGS = {
  pager: {
    type: "string",
    value: "NAME",
    help: `how the guest's memory is virtualised: ${PAGER_NAMES.join(", ")} (default: vtlb)`,
  },
  rmap: {
    type: "string",
    value: "DESIGN",
    help: `kvm: how reverse maps are kept: ${PTE_LIST_KINDS.join(", ")} (default: sibling)`,
  },
  unsync: {
    type: "string",
    value: "on|off",
    help: "kvm: let the guest write page tables of last level without leaving, and synchronise later (default: on)",
  },
  flood: {
    type: "string",
    value: "POLICY",
    help: `kvm: how frames that are no longer tables are found: ${FLOOD_POLICIES.join(", ")} (default: page)`,
  },
  "shadow-pages": {
    type: "string",
    value: "N",
    help: "kvm: most shadow pages, at least 64 (default: 2 % of the guest's pages)",
  },
  "vtlb-global": {
    type: "string",
    value: "on|off",
    help: "vtlb: keep what the guest marked global over loads of CR3, as a TLB does; off drops everything (default: on)",
  },
  apic: {
    type: "string",
    value: "on|off",
    help: "local APIC, I/O APIC and the firmware's tables for them (default: on)",
  },
  cpus: {
    type: "string",
    value: "N",
    help: `processors of the guest, 1 to ${MOST_CPUS}; more than one need --apic on (default: 1)`,
  },
  cpu: {
    type: "string",
    value: "NAME",
    help: `what the processor is: ${CPU_MODELS.join(", ")} (default: p6; for run-guest and for --guest 686-pae max)`,
  },
  memory: {
    type: "string",
    value: "MIB",
    help: "guest memory in MiB, or with a unit: 96M, 1G (default: 128)",
  },
  "max-instructions": {
    type: "string",
    value: "N",
    help: "stop after so many guest instructions; 60e6 is understood",
  },
  trace: {
    type: "string",
    value: "FAMILY,…",
    bare: "",
    help: "print messages on stderr, of these families only if any are named (--trace=cpu,shadow)",
  },
  inspect: {
    type: "string",
    value: "PORT",
    bare: "8080",
    help: "show the live charts in a browser, at this port of the loopback interface (default: 8080)",
  },
  json: { type: "boolean", help: "print one JSON object on the last line of stdout" },
  help: { type: "boolean", help: "this text" },
} as const satisfies FlagSpecs;

export interface CommonSettings {
  readonly pager: PagerName;
  readonly kvm: KvmOptions;
  readonly vtlb: VtlbOptions;
  readonly memoryMiB: number;
  readonly apic: boolean;
  readonly cpus: number;
  /** undefined: the scenario's own choice. */
  readonly cpu: CpuModel | undefined;
  readonly maxInstructions: number;
  /** undefined: no trace; empty: every family. */
  readonly trace: readonly string[] | undefined;
  /** Port, if the inspector is wanted. */
  readonly inspect: number | undefined;
  readonly json: boolean;
}

export interface ScenarioCommand<Specs extends FlagSpecs> {
  /** As it is typed: `scenarios/boot-linux.ts`. */
  readonly name: string;
  readonly summary: string;
  /** Of its own, beside the common ones. */
  readonly flags: Specs;
  /** How operands are called in the help; absent when there are none. */
  readonly operands?: string;
  /** Common flags that mean nothing to it. */
  readonly without?: readonly (keyof typeof COMMON_FLAGS)[];
}

/** A flag with a value, as it was given. */
export interface GivenFlag {
  readonly name: string;
  readonly value: string;
}

export interface ParsedCommand<Specs extends FlagSpecs> {
  readonly common: CommonSettings;
  readonly own: FlagValues<Specs>;
  /** All flags with values in the order in which they were given, for those to which it matters. */
  readonly given: readonly GivenFlag[];
  readonly operands: readonly string[];
  readonly wantsHelp: boolean;
}

/** Of parseArgs: a flag, if it has a name. */
interface Token {
  readonly name?: string;
  readonly value?: string;
}

/** @throws UsageError for flags and values that nobody knows */
export function parseCommand<Specs extends FlagSpecs>(
  command: ScenarioCommand<Specs>,
  args: readonly string[],
): ParsedCommand<Specs> {
  const specs = specsOf(command);
  const options: NonNullable<ParseArgsConfig["options"]> = {};
  for (const [name, spec] of Object.entries(specs))
    options[name] = { type: spec.type, multiple: spec.multiple ?? false };
  let parsed: { values: Record<string, unknown>; positionals: string[]; tokens: Token[] };
  try {
    parsed = parseArgs({
      args: withBareValues(args, specs),
      options,
      allowPositionals: command.operands !== undefined,
      strict: true,
      tokens: true,
    }) as typeof parsed;
  } catch (error) {
    const [why] = (error as Error).message.split(/\. |\n/);
    throw new UsageError(`${why?.replace(/\.$/, "")} (--help lists the flags)`);
  }
  const { values } = parsed;
  return {
    common: commonSettings(values),
    own: values as FlagValues<Specs>,
    given: parsed.tokens.flatMap(({ name, value }) =>
      name !== undefined && value !== undefined ? [{ name, value }] : [],
    ),
    operands: parsed.positionals,
    wantsHelp: values["help"] === true,
  };
}

export function helpText<Specs extends FlagSpecs>(command: ScenarioCommand<Specs>): string {
  const rows = Object.entries(specsOf(command)).map(([name, spec]) => {
    const value = spec.value ?? "VALUE";
    const shown = spec.type === "boolean" ? "" : spec.bare === undefined ? ` ${value}` : `[=${value}]`;
    return [`--${name}${shown}`, spec.help] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  const lines = rows.map(([left, help]) => `  ${left.padEnd(width)}${help}`);
  const operands = command.operands === undefined ? "" : ` ${command.operands}`;
  return `Usage: npx tsx ${command.name} [FLAGS]${operands}\n\n${command.summary}\n\n${lines.join("\n")}\n`;
}

function specsOf(command: ScenarioCommand<FlagSpecs>): FlagSpecs {
  const common = Object.entries(COMMON_FLAGS).filter(
    ([name]) => !command.without?.includes(name as keyof typeof COMMON_FLAGS),
  );
  return { ...command.flags, ...Object.fromEntries(common) };
}

/** parseArgs knows no optional values: `--trace` becomes `--trace=`. */
function withBareValues(args: readonly string[], specs: FlagSpecs): string[] {
  const end = args.indexOf("--");
  return args.map((arg, at) => {
    if ((end >= 0 && at > end) || !arg.startsWith("--")) return arg;
    const bare = specs[arg.slice(2)]?.bare;
    return bare === undefined ? arg : `${arg}=${bare}`;
  });
}

const DEFAULT_MEMORY_MIB = 128;

function commonSettings(values: Readonly<Record<string, unknown>>): CommonSettings {
  const text = (name: string) => values[name] as string | undefined;
  const limit = text("max-instructions");
  const inspect = text("inspect");
  return {
    pager: pagerNamed(text("pager") ?? "vtlb"),
    kvm: kvmOptions(text),
    vtlb: { keepGlobal: onOff("vtlb-global", text("vtlb-global"), true) },
    memoryMiB: memoryOf(text("memory")),
    apic: onOff("apic", text("apic"), true),
    cpus: cpusOf(text("cpus")),
    cpu: text("cpu") === undefined ? undefined : oneOf("cpu", text("cpu") as string, CPU_MODELS),
    maxInstructions: limit === undefined ? Number.POSITIVE_INFINITY : countOf("max-instructions", limit),
    trace: familiesOf(text("trace")),
    inspect: inspect === undefined ? undefined : portOf(inspect),
    json: values["json"] === true,
  };
}

/** @throws UsageError */
export function pagerNamed(name: string): PagerName {
  if ((PAGER_NAMES as readonly string[]).includes(name)) return name as PagerName;
  throw new UsageError(`unknown pager "${name}"; there are: ${PAGER_NAMES.join(", ")}`);
}

/** A whole number above 0; exponents are allowed. @throws UsageError */
export function countOf(flag: string, text: string): number {
  const count = /^\d+(\.\d+)?(e\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(count) || count < 1)
    throw new UsageError(`--${flag} takes a whole number above 0, not "${text}"`);
  return count;
}

/** Settings that are named alike here and in VmOptions. */
type PagerSettings = "pager" | "kvm" | "vtlb" | "memoryMiB" | "apic" | "cpus";

/** What a vm is created with, as the flags say. */
export function vmSettings(settings: Pick<CommonSettings, PagerSettings>): Pick<VmOptions, PagerSettings> {
  const { pager, kvm, vtlb, memoryMiB, apic, cpus } = settings;
  if (cpus > 1 && !apic)
    throw new UsageError("--cpus above 1 needs --apic on: processors start each other by it");
  return { pager, kvm, vtlb, memoryMiB, apic, cpus };
}

function kvmOptions(text: (name: string) => string | undefined): KvmOptions {
  const [rmap, unsync, flood, pages] = ["rmap", "unsync", "flood", "shadow-pages"].map(text);
  return {
    ...(rmap !== undefined && { rmap: oneOf("rmap", rmap, PTE_LIST_KINDS) }),
    ...(unsync !== undefined && { unsync: onOff("unsync", unsync, true) }),
    ...(flood !== undefined && { flood: oneOf("flood", flood, FLOOD_POLICIES) }),
    ...(pages !== undefined && { budget: shadowPagesOf(pages) }),
  };
}

function shadowPagesOf(text: string): number {
  const pages = countOf("shadow-pages", text);
  if (pages < MINIMUM_BUDGET)
    throw new UsageError(
      `--shadow-pages takes at least ${MINIMUM_BUDGET}, or nothing could run, not "${text}"`,
    );
  return pages;
}

function onOff(flag: string, text: string | undefined, otherwise: boolean): boolean {
  return text === undefined ? otherwise : oneOf(flag, text, ["on", "off"]) === "on";
}

/** @throws UsageError */
export function oneOf<const Word extends string>(flag: string, text: string, words: readonly Word[]): Word {
  const word = words.find((known) => known === text);
  if (word === undefined) throw new UsageError(`--${flag} takes ${words.join(", ")}, not "${text}"`);
  return word;
}

/** Every family of messages; the compiler sees to it that none is missing. */
const FAMILIES: Readonly<Record<MessageFamily, true>> = {
  apic: true,
  clock: true,
  console: true,
  cpu: true,
  dirty: true,
  fpu: true,
  host: true,
  intr: true,
  ipi: true,
  io: true,
  irq: true,
  mmio: true,
  mmu: true,
  sched: true,
  shadow: true,
  tlb: true,
  trap: true,
  vm: true,
};

function familiesOf(text: string | undefined): readonly string[] | undefined {
  return text
    ?.split(",")
    .filter((family) => family !== "")
    .map((family) => oneOf("trace", family, Object.keys(FAMILIES)));
}

function cpusOf(text: string | undefined): number {
  if (text === undefined) return 1;
  const count = countOf("cpus", text);
  if (count > MOST_CPUS) throw new UsageError(`--cpus takes 1 to ${MOST_CPUS}, not "${text}"`);
  return count;
}

function memoryOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_MEMORY_MIB;
  const match = /^(\d+)([MG]?)$/i.exec(text);
  const mib = match === null ? 0 : Number(match[1]) * (match[2]?.toUpperCase() === "G" ? 1024 : 1);
  if (mib < 1 || mib > 3072)
    throw new UsageError(`--memory takes MiB from 1 to 3072 (96, 96M, 1G), not "${text}"`);
  return mib;
}

function portOf(text: string): number {
  const port = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(port >= 1 && port <= 65535))
    throw new UsageError(`--inspect takes a port from 1 to 65535, not "${text}"`);
  return port;
}

/** @throws UsageError */
export function patternOf(flag: string, text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new UsageError(`--${flag}: ${(error as Error).message}`);
  }
}
