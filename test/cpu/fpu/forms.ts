import { type Form, memoryForm, registerForm } from "./records.ts";

const ARITHMETIC = ["FADD", "FMUL", "FCOM", "FCOMP", "FSUB", "FSUBR", "FDIV", "FDIVR"];

/** D8, DC, DE with registers, and the comparisons. */
export const registerArithmetic: readonly Form[] = [
  ...ARITHMETIC.map((name, reg) => registerForm(`${name} ST(0),ST(1)`, 0xd8, 0xc1 | (reg << 3))),
  ...ARITHMETIC.map((name, reg) => registerForm(`${name} ST(2),ST(0)`, 0xdc, 0xc2 | (reg << 3))),
  ...ARITHMETIC.flatMap((name, reg) =>
    reg === 3 ? [] : [registerForm(`${name}P ST(1),ST(0)`, 0xde, 0xc1 | (reg << 3))],
  ),
];

export const comparisons: readonly Form[] = [
  registerForm("FCOMPP", 0xde, 0xd9),
  registerForm("FUCOMPP", 0xda, 0xe9),
  registerForm("FUCOM ST(1)", 0xdd, 0xe1),
  registerForm("FUCOMP ST(1)", 0xdd, 0xe9),
  registerForm("FTST", 0xd9, 0xe4),
  registerForm("FXAM", 0xd9, 0xe5),
];

export const flagComparisons: readonly Form[] = [
  registerForm("FUCOMI ST(1)", 0xdb, 0xe9),
  registerForm("FCOMI ST(1)", 0xdb, 0xf1),
  registerForm("FUCOMIP ST(1)", 0xdf, 0xe9),
  registerForm("FCOMIP ST(1)", 0xdf, 0xf1),
];

export const moves: readonly Form[] = [
  ...["B", "E", "BE", "U"].map((name, n) => registerForm(`FCMOV${name} ST(1)`, 0xda, 0xc1 | (n << 3))),
  ...["NB", "NE", "NBE", "NU"].map((name, n) => registerForm(`FCMOV${name} ST(1)`, 0xdb, 0xc1 | (n << 3))),
  registerForm("FLD ST(2)", 0xd9, 0xc2),
  registerForm("FXCH ST(1)", 0xd9, 0xc9),
  registerForm("FXCH4 ST(2)", 0xdd, 0xca),
  registerForm("FXCH7 ST(2)", 0xdf, 0xca),
  registerForm("FNOP", 0xd9, 0xd0),
  registerForm("FST ST(2)", 0xdd, 0xd2),
  registerForm("FSTP ST(2)", 0xdd, 0xda),
  registerForm("FSTPNCE ST(2)", 0xd9, 0xda),
  registerForm("FSTP8 ST(2)", 0xdf, 0xd2),
  registerForm("FSTP9 ST(2)", 0xdf, 0xda),
  registerForm("FFREE ST(2)", 0xdd, 0xc2),
  registerForm("FFREEP ST(2)", 0xdf, 0xc2),
  registerForm("FDECSTP", 0xd9, 0xf6),
  registerForm("FINCSTP", 0xd9, 0xf7),
  registerForm("FCHS", 0xd9, 0xe0),
  registerForm("FABS", 0xd9, 0xe1),
  ...["1", "L2T", "L2E", "PI", "LG2", "LN2", "Z"].map((name, n) =>
    registerForm(`FLD${name}`, 0xd9, 0xe8 + n),
  ),
];

/** Operations that IEEE 754 defines exactly, beside the four basic ones. */
export const exactUnary: readonly Form[] = [
  registerForm("FSQRT", 0xd9, 0xfa),
  registerForm("FRNDINT", 0xd9, 0xfc),
  registerForm("FSCALE", 0xd9, 0xfd),
  registerForm("FXTRACT", 0xd9, 0xf4),
  registerForm("FPREM", 0xd9, 0xf8),
  registerForm("FPREM1", 0xd9, 0xf5),
];

export const singleArithmetic = ARITHMETIC.map((name, reg) => memoryForm(`${name} m32fp`, 0xd8, reg));
export const doubleArithmetic = ARITHMETIC.map((name, reg) => memoryForm(`${name} m64fp`, 0xdc, reg));
export const integerArithmetic: readonly Form[] = [
  ...ARITHMETIC.map((name, reg) => memoryForm(`${name.replace("F", "FI")} m32int`, 0xda, reg)),
  ...ARITHMETIC.map((name, reg) => memoryForm(`${name.replace("F", "FI")} m16int`, 0xde, reg)),
];

export const singleLoads = [memoryForm("FLD m32fp", 0xd9, 0)];
export const doubleLoads = [memoryForm("FLD m64fp", 0xdd, 0)];
export const otherLoads: readonly Form[] = [
  memoryForm("FLD m80fp", 0xdb, 5),
  memoryForm("FILD m16int", 0xdf, 0),
  memoryForm("FILD m32int", 0xdb, 0),
  memoryForm("FILD m64int", 0xdf, 5),
];
export const decimalLoads = [memoryForm("FBLD", 0xdf, 4)];

export const floatStores: readonly Form[] = [
  memoryForm("FST m32fp", 0xd9, 2),
  memoryForm("FSTP m32fp", 0xd9, 3),
  memoryForm("FST m64fp", 0xdd, 2),
  memoryForm("FSTP m64fp", 0xdd, 3),
  memoryForm("FSTP m80fp", 0xdb, 7),
];
export const integerStores: readonly Form[] = [
  memoryForm("FIST m16int", 0xdf, 2),
  memoryForm("FISTP m16int", 0xdf, 3),
  memoryForm("FIST m32int", 0xdb, 2),
  memoryForm("FISTP m32int", 0xdb, 3),
  memoryForm("FISTP m64int", 0xdf, 7),
  memoryForm("FBSTP", 0xdf, 6),
];

export const control: readonly Form[] = [
  memoryForm("FLDCW", 0xd9, 5),
  memoryForm("FNSTENV", 0xd9, 6),
  memoryForm("FNSTCW", 0xd9, 7),
  memoryForm("FLDENV", 0xd9, 4),
  memoryForm("FRSTOR", 0xdd, 4),
  memoryForm("FNSAVE", 0xdd, 6),
  memoryForm("FNSTSW m16", 0xdd, 7),
  registerForm("FNSTSW AX", 0xdf, 0xe0),
  registerForm("FNCLEX", 0xdb, 0xe2),
  registerForm("FNINIT", 0xdb, 0xe3),
  registerForm("FNENI", 0xdb, 0xe0),
  registerForm("FNDISI", 0xdb, 0xe1),
  registerForm("FNSETPM", 0xdb, 0xe4),
];

export const sineFamily: readonly Form[] = [
  registerForm("FSIN", 0xd9, 0xfe),
  registerForm("FCOS", 0xd9, 0xff),
  registerForm("FSINCOS", 0xd9, 0xfb),
  registerForm("FPTAN", 0xd9, 0xf2),
];
export const exponentialForm = registerForm("F2XM1", 0xd9, 0xf0);
export const logarithmForm = registerForm("FYL2X", 0xd9, 0xf1);
export const logarithmPlusOneForm = registerForm("FYL2XP1", 0xd9, 0xf9);
export const arctangentForm = registerForm("FPATAN", 0xd9, 0xf3);
