import { and, i32, neg, not, or, xor } from "../ir/expr.ts";
import { EFLAGS_REST } from "../layout.ts";
import { Flag } from "../state.ts";
import type { Semantics } from "./context.ts";
import { line } from "./define.ts";
import { carry, lowByte, setCarry, setLowByte } from "./flags.ts";
import { FLAGS_ALL, type OpcodeLine } from "./line.ts";

/** Instructions on single flags, and flags as bytes. */

export const clc: Semantics = (c) => setCarry(c, i32(0));
export const stc: Semantics = (c) => setCarry(c, i32(-1));
/** CMC flips bit 31 of aux, and bit 30 so that OF stays. */
export const cmc: Semantics = (c) => c.setAux(xor(c.flagAux(), i32(0xc0000000 | 0)));

export const cld: Semantics = (c) => c.setState(EFLAGS_REST, and(c.state(EFLAGS_REST), not(i32(Flag.DF))));
export const std: Semantics = (c) => c.setState(EFLAGS_REST, or(c.state(EFLAGS_REST), i32(Flag.DF)));

const AH = 4;
export const lahf: Semantics = (c) => c.setReg(AH, 8, lowByte(c));
export const sahf: Semantics = (c) => setLowByte(c, c.let(c.reg(AH, 8)));

/** SALC, undocumented: AL = CF ? FF : 00. */
export const salc: Semantics = (c) => c.setReg(0, 8, and(neg(carry(c)), i32(0xff)));

const SAHF_FLAGS = FLAGS_ALL & ~Flag.OF;

export const eflagsLines: readonly OpcodeLine[] = [
  line("cmc", "F5", "", { semantics: cmc, writesFlags: Flag.CF, readsFlags: Flag.CF }),
  line("clc", "F8", "", { semantics: clc, writesFlags: Flag.CF }),
  line("stc", "F9", "", { semantics: stc, writesFlags: Flag.CF }),
  line("cld", "FC", "", { semantics: cld }),
  line("std", "FD", "", { semantics: std }),
  line("lahf", "9F", "", { semantics: lahf, readsFlags: SAHF_FLAGS }),
  line("sahf", "9E", "", { semantics: sahf, writesFlags: SAHF_FLAGS }),
  line("salc", "D6", "", { semantics: salc, readsFlags: Flag.CF }),
];
