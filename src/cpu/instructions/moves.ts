import { i32, shrS } from "../ir/expr.ts";
import type { Semantics, Width } from "./context.ts";
import { hex, line } from "./define.ts";
import { signExtend } from "./flags.ts";
import type { OpcodeLine } from "./line.ts";

/** MOV and MOVZX: values are zero-extended as they are read. */
export const mov: Semantics = (c) => c.write(0, c.read(1));

export const movsx =
  (from: Width): Semantics =>
  (c) =>
    c.write(0, signExtend(c.read(1), from));

export const lea: Semantics = (c) => c.write(0, c.effectiveAddress());

/** CBW (AL to AX), CWDE (AX to EAX). */
export const cbw: Semantics = (c) => {
  const from: Width = c.width === 16 ? 8 : 16;
  c.setReg(0, c.width, signExtend(c.reg(0, from), from));
};

/** CWD (AX to DX:AX), CDQ (EAX to EDX:EAX). */
export const cwd: Semantics = (c) =>
  c.setReg(2, c.width, shrS(signExtend(c.reg(0, c.width), c.width), i32(31)));

/** XLAT: AL = byte at segment:((E)BX + AL); the operand is memory at (E)BX. */
export const xlat: Semantics = (c) => c.setReg(0, 8, c.let(c.loadAt(c.reg(0, 8), 8)));

const MOV = { semantics: mov } as const;
const REGISTERS = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const SEGMENTS = [0, 1, 2, 3, 4, 5] as const;
const FAR_POINTER = { helper: "load_far_pointer", endsBlock: true } as const;

export const moveLines: readonly OpcodeLine[] = [
  line("mov", "88", "Eb:w Gb", MOV),
  line("mov", "89", "Ev:w Gv", MOV),
  line("mov", "8A", "Gb:w Eb", MOV),
  line("mov", "8B", "Gv:w Ev", MOV),
  line("mov", "A0", "AL:w Ob", MOV),
  line("mov", "A1", "AX:w Ov", MOV),
  line("mov", "A2", "Ob:w AL", MOV),
  line("mov", "A3", "Ov:w AX", MOV),
  ...REGISTERS.map((r) => line("mov", hex(0xb0 + r), "Zb:w Ib", MOV)),
  ...REGISTERS.map((r) => line("mov", hex(0xb8 + r), "Zv:w Iz", MOV)),
  line("mov", "C6 /0", "Eb:w Ib", MOV),
  line("mov", "C7 /0", "Ev:w Iz", MOV),
  line("movzx", "0F B6", "Gv:w Eb", MOV),
  line("movzx", "0F B7", "Gv:w Ew", MOV),
  line("movsx", "0F BE", "Gv:w Eb", { semantics: movsx(8) }),
  line("movsx", "0F BF", "Gv:w Ew", { semantics: movsx(16) }),
  line("lea", "8D mem", "Gv:w M:a", { semantics: lea }),
  line("cbw", "98", "", { semantics: cbw }),
  line("cwd", "99", "", { semantics: cwd }),
  line("xlat", "D7", "BB:a", { semantics: xlat }),
  // Segment registers. CS cannot be loaded by MOV.
  ...SEGMENTS.map((s) => line("mov", `8C /${s}`, "Ew:w Sw", { helper: "mov_from_seg" })),
  ...SEGMENTS.filter((s) => s !== 1).map((s) =>
    line("mov", `8E /${s}`, "Sw:w Ew", { helper: "mov_to_seg", endsBlock: true }),
  ),
  line("les", "C4 mem", "Gv:w Mp:a", FAR_POINTER),
  line("lds", "C5 mem", "Gv:w Mp:a", FAR_POINTER),
  line("lss", "0F B2 mem", "Gv:w Mp:a", FAR_POINTER),
  line("lfs", "0F B4 mem", "Gv:w Mp:a", FAR_POINTER),
  line("lgs", "0F B5 mem", "Gv:w Mp:a", FAR_POINTER),
];
