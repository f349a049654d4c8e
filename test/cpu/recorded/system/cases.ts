import { tssSegment } from "../../../../src/guest/builder/index.ts";
import { Random } from "../../instructions/support/random.ts";
import { seedOf } from "../cases.ts";
import { type Encoding, encode, type MemoryForm } from "../encoding.ts";
import { type Form, mandatoryOf } from "../forms.ts";
import { putFloatingState } from "../operands.ts";
import { FIRST_RANDOM, putTables, randomSelector, randomVector, Sel, userPlace } from "./descriptors.ts";
import type { Draft } from "./draft.ts";
import { Flags, randomFlags } from "./eflags.ts";
import { farTarget, putReturnFrame, segmentOf } from "./far-target.ts";
import { placeFor } from "./place.ts";
import {
  At,
  CODE,
  CODE_ROOM,
  GDT_ENTRIES,
  IDT,
  KERNEL_CODE,
  Option,
  STACK,
  STACK_BYTES,
  SystemRecord,
  TABLES,
  TSS,
  WINDOW,
  WINDOW_BYTES,
  WINDOW_MIDDLE,
} from "./record.ts";

/** Cases of instructions whose outcome depends on the system around the program: random rings, modes, tables, stacks and operands. */

/** Raise it when the same form no longer gives the same cases: all are to be recorded anew then. */
export const GENERATOR_VERSION = 1;
export const CASES_A_FORM = 200;

const ESP = 4;
const [CS, SS] = [1, 2] as const;
const INT3 = 0xcc;
const DS_PREFIX = 0x3e;
/** PE, MP, NE, WP and PG; PSE, OSFXSR and OSXMMEXCPT. */
const CR0 = 0x80010033;
const CR4 = 0x610;
const [CR4_UMIP, CR4_SMAP] = [1 << 11, 1 << 21] as const;
const [PRESENT, WRITABLE, USER] = [1, 2, 4] as const;
const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65] as const;

/** Transfers that load CS. */
const FAR = /^(call_far|jmp_far|ret_far|iret|int_n|int1|sysenter|sysexit)$/;

/** Of those, what reaches its stack with the supervisor's rights in QEMU: the page is then always there. */
const STACK_FAR = /^(call_far|ret_far|iret|int_n)$/;

/** Linear address of an operand of so many bytes: anywhere in the window, often across its pages. */
function operandAt(size: number, random: Random): number {
  if (random.below(3) === 0 && size > 1 && size < 512) return WINDOW_MIDDLE - 1 - random.below(size - 1);
  return WINDOW + random.below(WINDOW_BYTES - size + 1);
}

/** Of an FXSAVE image: aligned to 16 bytes, mostly. Registers lie in both pages, so that neither may be missing. */
function imageAt(random: Random): number {
  const linear = WINDOW + 0x70 + random.below(0x90);
  return random.below(8) ? linear & ~15 : linear;
}

/** An address form for a linear address in the data segment; may set EBX. */
function memoryAt({ record, random, place }: Draft, linear: number): MemoryForm {
  const offset = linear - place.dataBase;
  const none = { size: place.bits, index: -1, scale: 0, offset } as const;
  if (random.below(2))
    return { ...none, base: -1, rm16: 6, displacement: offset, displacementBytes: place.bits === 16 ? 2 : 4 };
  const displacement = random.below(256) - 128;
  const upper = place.bits === 16 ? random.word() & 0xffff0000 : 0;
  const pointer = offset - displacement;
  record.setReg(3, place.bits === 16 ? upper | (pointer & 0xffff) : pointer);
  return { ...none, base: 3, rm16: 7, displacement, displacementBytes: 1 };
}

/** Bytes that a memory operand has. */
function sizeOf({ line, operandSize }: Form): number {
  if (/^fx/.test(line.mnemonic)) return 512;
  const code = line.operands.map((one) => one.code as string).find((one) => /^[EM]/.test(one)) ?? "";
  if (code === "Ms") return 6;
  if (code === "Mp") return 2 + operandSize / 8;
  return 2;
}

/** What a selector operand is, or a value of another kind. */
function operandWord(draft: Draft): number {
  const { form, random, record } = draft;
  const { helper = "" } = form.line;
  // Breakpoints are others' tests: none is enabled, nor general detect. Reserved bits, which QEMU keeps, are 0.
  if (helper === "mov_to_dr") return random.word() & 0x0700;
  if (helper === "lmsw") return random.below(2) ? (random.word() & 0xfffe) | 1 : random.below(16);
  if (helper === "lldt" && random.below(2))
    return random.pick([Sel.ldt, Sel.ldt, Sel.tss, Sel.ldt | 4, 0, 3]);
  if (helper === "ltr" && random.below(2)) {
    const entry = FIRST_RANDOM + random.below(GDT_ENTRIES - FIRST_RANDOM);
    const descriptor = tssSegment(TSS, 0x67 + random.below(64), random.below(4));
    descriptor[5] = ((descriptor[5] as number) & ~(random.below(6) ? 0 : 0x80)) | (random.below(6) ? 0 : 2);
    record.bytes.set(descriptor, At.tables + entry * 8);
    return (entry << 3) | (random.below(8) ? 0 : 4) | random.below(4);
  }
  // A null selector for LTR is #GP(0) by the manual, and taken by QEMU.
  draft.selector = randomSelector(random) | (helper === "ltr" ? 8 : 0);
  return draft.selector;
}

/** Puts what a memory operand holds at its place. */
function putOperand(draft: Draft, linear: number): void {
  const { form, random, record, place } = draft;
  const { helper = "" } = form.line;
  switch (helper) {
    case "lgdt":
      // What follows needs both tables: only their limits vary.
      record.put(linear, 2, GDT_ENTRIES * 8 - 1 + random.below(0xfe00));
      record.put(linear + 2, 4, form.operandSize === 16 ? TABLES | (random.word() & 0xff000000) : TABLES);
      return;
    case "lidt":
      record.put(linear, 2, 0x1ff + random.below(0xfe00));
      record.put(linear + 2, 4, form.operandSize === 16 ? IDT | (random.word() & 0xff000000) : IDT);
      return;
    case "fxrstor": {
      const fx = new Uint8Array(512);
      putFloatingState(fx, random.below(2) ? "x87" : "sse", random);
      if (random.below(6) === 0) new DataView(fx.buffer).setUint32(24, random.word() & 0xffff, true);
      const at = SystemRecord.at(linear);
      record.bytes.set(fx.subarray(0, 288), at);
      return;
    }
    case "load_far_pointer":
      record.put(linear, form.operandSize === 32 ? 4 : 2, random.operand());
      draft.selector = place.virtual ? random.word() : randomSelector(random);
      record.put(linear + form.operandSize / 8, 2, draft.selector);
      return;
    case "call_far":
    case "jmp_far": {
      const { offset, selector } = farTarget(draft);
      record.put(linear, form.operandSize === 32 ? 4 : 2, offset);
      record.put(linear + form.operandSize / 8, 2, selector);
      return;
    }
    default:
      record.put(linear, 2, operandWord(draft));
  }
}

function immediates(draft: Draft): number[] {
  const { form, random } = draft;
  const out: number[] = [];
  const put = (value: number, count: number) => {
    for (let n = 0; n < count; n++) out.push((value >>> (8 * n)) & 0xff);
  };
  for (const { code } of form.line.operands) {
    if (code === "A") {
      const { offset, selector } = farTarget(draft);
      put(offset, form.operandSize / 8);
      put(selector, 2);
    } else if (code === "Iw") {
      put(4 * random.below(8), 2);
    } else if (code === "Ib") {
      const user = random.below(6) === 0;
      put(user ? random.pick([0, 3, 4, 5, 6, 0x20, 0x45]) : randomVector(random), 1);
    }
  }
  return out;
}

/** EBP from the segment just loaded, within its limits, which QEMU does not compare: what is hidden of it shows. */
function probe({ record, random, place }: Draft, sreg: number, selector: number): number[] {
  const segment = segmentOf(record, selector);
  if (segment === undefined) return [];
  const { base, first, last } = segment;
  const offset = WINDOW + random.below(WINDOW_BYTES - 4) - base;
  if (offset < first || offset + 3 > last || (place.bits === 16 && offset > 0xfffc)) return [];
  const bytes = [offset & 0xff, (offset >> 8) & 0xff, (offset >> 16) & 0xff, 0].slice(0, place.bits / 8);
  return [SEGMENT_PREFIXES[sreg] as number, 0x8b, place.bits === 16 ? 0x2e : 0x2d, ...bytes];
}

/** Index of the segment register that an instruction loads, or -1. */
function loadedSegment({ line }: Form, reg: number): number {
  switch (line.helper) {
    case "mov_to_seg":
      return reg;
    case "pop_seg":
      return { 7: 0, 23: 2, 31: 3, 161: 4, 169: 5 }[line.opcode as 7] ?? -1;
    case "load_far_pointer":
      return { 196: 0, 197: 3, 178: 2, 180: 4, 181: 5 }[line.opcode as 0xc4] ?? -1;
    default:
      return -1;
  }
}

/** Registers, segments and stacks, before the instruction's own. */
function prepare({ form, random, record, place }: Draft): void {
  for (let n = 0; n < 8; n++) record.setReg(n, random.operand());
  for (let at: number = At.window; at < At.tables; at += 4) record.set(at, random.operand());
  putTables(record, random, FAR.test(form.line.helper ?? ""), place.virtual);
  const usual = random.below(8) !== 0 || STACK_FAR.test(form.line.helper ?? "");
  const page = usual
    ? PRESENT | WRITABLE | USER
    : random.pick([0, PRESENT | USER, PRESENT | WRITABLE, PRESENT]);
  record.set(At.page, page);
  const data = () =>
    random.below(3)
      ? place.data
      : place.virtual
        ? random.word() & 0xffff
        : random.pick([0, Sel.data3, Sel.halfData3]);
  for (let n = 0; n < 6; n++) record.setSegment(n, data());
  record.setSegment(3, place.data);
  record.setSegment(SS, place.stack);
  record.setSegment(CS, place.code);
  record.set(At.ldtr, random.below(5) ? Sel.ldt : 0);
  record.set(At.tr, Sel.tss);
  const kernelStack = STACK + STACK_BYTES - 4 * random.below(3);
  // Stacks of rings 1 and 2 are often not what they should be.
  const inner = (ring: 1 | 2) => [
    random.below(4) ? WINDOW + 0x2c0 + 4 * random.below(8) : random.operand(),
    random.below(2) ? (ring === 1 ? Sel.data1 : Sel.data2) : randomSelector(random),
  ];
  [kernelStack, Sel.data0, ...inner(1), ...inner(2)].forEach((value, n) => {
    record.set(At.stacks + 4 * n, value);
  });
  let flags = randomFlags(random, form.line.helper === "iret");
  if (place.virtual) flags |= Flags.virtual | (random.below(3) ? 0x3000 : 0);
  record.set(At.eflags, flags);
  record.set(At.cr0, CR0);
  record.set(At.cr4, CR4);
  if (random.below(8) === 0) record.set(At.cr4, CR4 | CR4_UMIP);
  if (form.line.helper === "access_control") record.set(At.cr4, CR4 | CR4_SMAP);
  // SYSENTER goes to code of ring 0, with a stack for the exception that ends the case.
  record.set(At.sysenter, random.below(6) ? Sel.code0 : 0);
  record.set(At.sysenter + 4, STACK + STACK_BYTES - 4 * random.below(8));
  record.set(At.sysenter + 8, KERNEL_CODE + random.below(0xff0));
  if (form.line.helper === "sysexit") {
    record.setReg(2, userPlace(random));
    record.setReg(1, random.operand());
  }
}

/** The stack pointer, and what lies on the stack. In ring 0 it must hold the frame of the exception that ends the case. */
function prepareStack(draft: Draft, dropped: number): void {
  const { form, random, record, place } = draft;
  const returns = /^(iret|ret_far)$/.test(form.line.helper ?? "");
  const far = form.line.helper === "call_far" || form.line.helper === "int_n";
  let linear: number;
  if (place.ring === 0) linear = STACK + (returns ? 0x90 + 4 * random.below(8) : 0x90 + 4 * random.below(20));
  else if (random.below(far ? 8 : 4)) linear = WINDOW + 0x60 + 4 * random.below(0x70);
  else linear = WINDOW_MIDDLE - 4 + random.below(12);
  const pointer = linear - place.dataBase;
  const upper = place.bits === 16 && random.below(2) ? random.word() & 0xffff0000 : 0;
  record.setReg(ESP, place.bits === 16 ? upper | (pointer & 0xffff) : pointer);
  if (returns) putReturnFrame(draft, linear, dropped);
  else if (form.line.helper === "pop_seg")
    record.put(linear, 2, place.virtual ? random.word() : randomSelector(random));
}

/** Loads of SS in ring 0 that would leave no stack for the exception behind them: none is made. */
function keepStack({ record, place }: Draft, sreg: number): void {
  if (place.ring !== 0 || sreg !== SS) return;
  // Any writable data segment of ring 0 in the tables has its base at 0 and reaches everywhere.
  for (let n = FIRST_RANDOM; n < GDT_ENTRIES + 16; n++) {
    const at = At.tables + 8 * n;
    const access = record.bytes[at + 5] as number;
    if ((access & 0x7a) !== 0x12) continue;
    record.bytes.set([0xff, 0xff, 0, 0, 0, access & ~4, 0xcf, 0], at);
  }
}

function makeCase(form: Form, random: Random): SystemRecord {
  const record = new SystemRecord();
  const place = placeFor(form, random);
  const draft: Draft = { form, random, record, place, selector: 0 };
  prepare(draft);
  const { line } = form;
  const hasModrm = form.rm !== "none" || line.extension !== undefined;
  let modrm: Encoding["modrm"];
  // In ring 0 the stack pointer must stay one.
  const register = () => random.pick(place.ring === 0 ? [0, 1, 2, 3, 5, 6, 7] : [0, 1, 2, 3, 4, 5, 6, 7]);
  const reg = line.extension ?? register();
  if (form.rm === "mem") {
    const size = sizeOf(form);
    const linear = size === 512 ? imageAt(random) : operandAt(size, random);
    record.set(At.operand, linear);
    putOperand(draft, linear);
    modrm = { reg, rm: 0, memory: memoryAt(draft, linear) };
  } else if (hasModrm) {
    const rm = line.helper === "access_control" ? random.pick([2, 3]) : register();
    record.setReg(rm, (record.reg(rm) & 0xffff0000) | operandWord(draft));
    modrm = { reg, rm };
  }
  const immediate = immediates(draft);
  prepareStack(draft, line.opcode === 0xca ? (immediate[0] as number) : 0);
  const mandatory = mandatoryOf(line);
  const encoding: Encoding = {
    map: line.map,
    opcode: line.opcode,
    ...(mandatory ? { mandatory } : {}),
    ...(line.prefix === "none" ? { exact: true } : {}),
    operandSize: line.prefix === "none" ? place.bits : form.operandSize,
    addressSize: place.bits,
    rep: 0,
    lock: false,
    override: 0,
    doubled: random.below(20) === 0,
    ...(modrm ? { modrm } : {}),
    immediate,
  };
  const loaded = loadedSegment(form, reg);
  keepStack(draft, loaded);
  const code = encode(encoding, place.bits);
  if (loaded >= 0 && loaded < 6 && loaded !== CS && !place.virtual && random.below(2))
    code.push(...probe(draft, loaded, draft.selector & 0xffff));
  if (line.helper === "mov_to_dr") code.push(0x0f, 0x21, 0xc0 | (reg << 3));
  // Around the limit of 15 bytes, by prefixes that change nothing.
  if (!place.virtual && random.below(40) === 0)
    code.unshift(...new Array<number>(Math.max(0, 14 + random.below(3) - code.length)).fill(DS_PREFIX));
  while (code.length < 4) code.push(INT3);
  if (code.length > CODE_ROOM) throw new Error(`${form.name}: code of ${code.length} bytes`);
  const linear = place.ring === 0 ? KERNEL_CODE + random.below(0xf00) : CODE + random.below(0xf00);
  record.set(At.eip, linear - place.codeBase);
  record.set(
    At.options,
    (place.codeBase !== 0 ? Option.based : 0) | (/^fx/.test(line.mnemonic) ? Option.floating : 0),
  );
  record.bytes.set(code, At.code);
  record.set(At.length, code.length);
  record.set(At.cr2, random.word());
  const fx = new Uint8Array(512);
  putFloatingState(fx, random.below(2) ? "x87" : "sse", random);
  record.bytes.set(fx.subarray(0, 288), At.floating);
  return record;
}

/** The n-th case of a form: the same for ever, whichever others are made. */
export const caseOf = (form: Form, n: number): SystemRecord =>
  makeCase(form, new Random(Math.imul(seedOf(`system ${form.name}`), 2 * n + 1)));

export const casesOf = (form: Form, count = CASES_A_FORM): SystemRecord[] =>
  Array.from({ length: count }, (_, n) => caseOf(form, n));
