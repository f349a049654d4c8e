import { add, and, eqz, i32, ne, select, sub } from "../ir/expr.ts";
import { Flag } from "../state.ts";
import type { Semantics } from "./context.ts";
import { hex, line } from "./define.ts";
import { CONDITION_NAMES, condition, conditionReads, zero, zeroExtend } from "./flags.ts";
import { FLAGS_ALL, type OpcodeLine } from "./line.ts";
import { stackBytes, stackWidth } from "./stack.ts";

const ECX = 1;

const jcc =
  (code: number): Semantics =>
  (c) =>
    c.branch(condition(c, code));
const setcc =
  (code: number): Semantics =>
  (c) =>
    c.write(0, condition(c, code));
/** CMOVcc reads its source (and may fault) whether or not the condition holds. */
const cmovcc =
  (code: number): Semantics =>
  (c) => {
    const source = c.read(1);
    c.write(0, select(condition(c, code), source, c.read(0)));
  };

export const jmp: Semantics = (c) => c.branch();
export const jmpIndirect: Semantics = (c) => {
  const target = c.read(0);
  c.demandTarget(target);
  c.jumpTo(target);
};

export const call: Semantics = (c) => {
  c.demandTarget(c.branchTarget());
  c.push(stackWidth(c), c.nextEip());
  c.branch();
};

export const callIndirect: Semantics = (c) => {
  const target = c.read(0);
  c.demandTarget(target);
  c.push(stackWidth(c), c.nextEip());
  c.jumpTo(target);
};

export const ret: Semantics = (c) => {
  const target = c.let(c.peek(stackWidth(c)));
  c.demandTarget(target);
  c.adjustStack(i32(stackBytes(c)));
  c.jumpTo(target);
};

/** RET imm16: drops so many bytes of arguments after the return address. */
export const retPop: Semantics = (c) => {
  const target = c.let(c.peek(stackWidth(c)));
  c.demandTarget(target);
  c.adjustStack(add(c.imm(), i32(stackBytes(c))));
  c.jumpTo(target);
};

/** LOOP, LOOPE, LOOPNE: count (E)CX down; branch if it is not zero (and ZF is as wanted). Flags stay. */
const loop =
  (wantedZero?: boolean): Semantics =>
  (c) => {
    const count = c.let(zeroExtend(sub(c.reg(ECX, c.addressWidth), i32(1)), c.addressWidth));
    const more = ne(count, i32(0));
    const taken = wantedZero === undefined ? more : c.let(and(more, wantedZero ? zero(c) : eqz(zero(c))));
    c.when(taken, () => c.demandTarget(c.branchTarget()));
    c.setReg(ECX, c.addressWidth, count);
    c.branch(taken);
  };

/** JCXZ, JECXZ: by address size. */
export const jcxz: Semantics = (c) => c.branch(eqz(c.reg(ECX, c.addressWidth)));

const CODES = CONDITION_NAMES.map((name, code) => ({ name, code }));
const ENDS = { endsBlock: true } as const;
const FAR = { endsBlock: true, readsFlags: FLAGS_ALL } as const;
const CMOV_FEATURE = 15;

export const controlLines: readonly OpcodeLine[] = [
  ...CODES.map(({ name, code }) =>
    line(`j${name}`, hex(0x70 + code), "Jb", {
      semantics: jcc(code),
      ...ENDS,
      readsFlags: conditionReads(code),
    }),
  ),
  ...CODES.map(({ name, code }) =>
    line(`j${name}`, `0F ${hex(0x80 + code)}`, "Jz", {
      semantics: jcc(code),
      ...ENDS,
      readsFlags: conditionReads(code),
    }),
  ),
  ...CODES.map(({ name, code }) =>
    line(`set${name}`, `0F ${hex(0x90 + code)}`, "Eb:w", {
      semantics: setcc(code),
      readsFlags: conditionReads(code),
    }),
  ),
  ...CODES.map(({ name, code }) =>
    line(`cmov${name}`, `0F ${hex(0x40 + code)}`, "Gv:rw Ev", {
      semantics: cmovcc(code),
      readsFlags: conditionReads(code),
      feature: CMOV_FEATURE,
    }),
  ),
  line("loopne", "E0", "Jb", { semantics: loop(false), ...ENDS, readsFlags: Flag.ZF }),
  line("loope", "E1", "Jb", { semantics: loop(true), ...ENDS, readsFlags: Flag.ZF }),
  line("loop", "E2", "Jb", { semantics: loop(), ...ENDS }),
  line("jcxz", "E3", "Jb", { semantics: jcxz, ...ENDS }),
  line("call", "E8", "Jz", { semantics: call, ...ENDS }),
  line("jmp", "E9", "Jz", { semantics: jmp, ...ENDS }),
  line("jmp", "EB", "Jb", { semantics: jmp, ...ENDS }),
  line("call", "FF /2", "Ev", { semantics: callIndirect, ...ENDS }),
  line("jmp", "FF /4", "Ev", { semantics: jmpIndirect, ...ENDS }),
  line("ret", "C2", "Iw", { semantics: retPop, ...ENDS }),
  line("ret", "C3", "", { semantics: ret, ...ENDS }),
  line("callf", "9A", "A", { helper: "call_far", ...FAR }),
  line("callf", "FF /3 mem", "Mp:a", { helper: "call_far", ...FAR }),
  line("jmpf", "EA", "A", { helper: "jmp_far", ...FAR }),
  line("jmpf", "FF /5 mem", "Mp:a", { helper: "jmp_far", ...FAR }),
  line("retf", "CA", "Iw", { helper: "ret_far", ...FAR }),
  line("retf", "CB", "", { helper: "ret_far", ...FAR }),
  line("int3", "CC", "", { helper: "int3", ...FAR }),
  line("int", "CD", "Ib", { helper: "int_n", ...FAR }),
  line("into", "CE", "", { helper: "into", ...FAR }),
  line("int1", "F1", "", { helper: "int1", ...FAR }),
  line("iret", "CF", "", { helper: "iret", ...FAR, writesFlags: FLAGS_ALL }),
];
