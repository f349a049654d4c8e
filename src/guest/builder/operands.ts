import { Register } from "iced-x86";

export type Register8 = "al" | "cl" | "dl" | "bl" | "ah" | "ch" | "dh" | "bh";
export type Register16 = "ax" | "cx" | "dx" | "bx" | "sp" | "bp" | "si" | "di";
export type Register32 = "eax" | "ecx" | "edx" | "ebx" | "esp" | "ebp" | "esi" | "edi";
export type GeneralRegister = Register8 | Register16 | Register32;
export type SegmentRegister = "es" | "cs" | "ss" | "ds" | "fs" | "gs";
export type ControlRegister = "cr0" | "cr2" | "cr3" | "cr4";
export type DebugRegister = "dr0" | "dr1" | "dr2" | "dr3" | "dr6" | "dr7";

/** Operand width, bits. */
export type Width = 8 | 16 | 32;

/** The address of a label, plus `addend`; known when the program is built. */
export interface LabelReference {
  readonly kind: "label";
  readonly name: string;
  readonly addend: number;
}

/** The address of label `name` as an immediate, a displacement or a datum. */
export function ref(name: string, addend = 0): LabelReference {
  return { kind: "label", name, addend };
}

export type Immediate = number | LabelReference;

export interface MemoryOptions {
  readonly base?: Register16 | Register32;
  readonly index?: Register16 | Register32;
  readonly scale?: 1 | 2 | 4 | 8;
  readonly displacement?: Immediate;
  /** Segment override. */
  readonly segment?: SegmentRegister;
}

/** A memory operand; `width` is undefined where only the address matters (LEA, LGDT, INVLPG). */
export interface MemoryReference extends MemoryOptions {
  readonly kind: "memory";
  readonly width: Width | undefined;
}

type Where = Immediate | Register16 | Register32 | MemoryOptions;

function memory(width: Width | undefined, where: Where): MemoryReference {
  if (typeof where === "string") return { kind: "memory", width, base: where };
  if (typeof where === "number" || "kind" in where) return { kind: "memory", width, displacement: where };
  return { kind: "memory", width, ...where };
}

/** `mem32("ebx")`, `mem32(0xb8000)`, `mem32(ref("table"))`, `mem32({ base: "ebx", index: "esi", scale: 4, displacement: 8 })`. */
export const mem32 = (where: Where): MemoryReference => memory(32, where);
export const mem16 = (where: Where): MemoryReference => memory(16, where);
export const mem8 = (where: Where): MemoryReference => memory(8, where);
/** An address without a width: for LEA, LGDT, LIDT, INVLPG. */
export const at = (where: Where): MemoryReference => memory(undefined, where);

export type Operand = GeneralRegister | MemoryReference | Immediate;

const REGISTERS8 = new Set(["al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"]);
const REGISTERS16 = new Set(["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"]);
const REGISTERS32 = new Set(["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"]);
const SEGMENTS = new Set(["es", "cs", "ss", "ds", "fs", "gs"]);

export function registerWidth(register: GeneralRegister): Width {
  return REGISTERS8.has(register) ? 8 : REGISTERS32.has(register) ? 32 : 16;
}

export function isGeneralRegister(name: string): name is GeneralRegister {
  return REGISTERS8.has(name) || REGISTERS16.has(name) || REGISTERS32.has(name);
}

export function isSegmentRegister(operand: unknown): operand is SegmentRegister {
  return typeof operand === "string" && SEGMENTS.has(operand);
}

export function isMemory(operand: unknown): operand is MemoryReference {
  return typeof operand === "object" && operand !== null && (operand as MemoryReference).kind === "memory";
}

export function isImmediate(operand: unknown): operand is Immediate {
  if (typeof operand === "number") return true;
  return typeof operand === "object" && operand !== null && (operand as LabelReference).kind === "label";
}

/** iced's number for a register. */
export function icedRegister(name: string): Register {
  return Register[name.toUpperCase() as keyof typeof Register];
}
