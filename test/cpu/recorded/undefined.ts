import type { Case, Outcome } from "./case.ts";
import type { Form } from "./forms.ts";
import { BASE, PAGE, PAGE_KINDS, WINDOW } from "./memory-map.ts";

/** Parts of an outcome that are not compared. */
export interface Ignored {
  /** Nothing is compared. */
  readonly all?: boolean;
  readonly errorCode?: boolean;
  /** Of CR2, only the page counts. */
  readonly offsetInPage?: boolean;
  /** Neither general registers nor memory. */
  readonly partial?: boolean;
  /** EFLAGS bits. */
  readonly flags?: number;
  /** Bits of the x87 status word. */
  readonly status?: number;
  /** ST registers may be so many units in the last place apart. */
  readonly units?: number;
  /** The single elements of XMM registers are estimates. */
  readonly estimates?: boolean;
  /** Bytes of memory, as a range of indices into the content of the windows. */
  readonly memory?: readonly [from: number, to: number];
}

export interface Rule {
  /** For people: what is not compared, of which forms. */
  readonly forms: string;
  readonly ignored: string;
  readonly why: string;
  /** undefined: the rule is not about this case. */
  readonly of: (form: Form, one: Case, expected: Outcome, oracle: string) => Ignored | undefined;
}

const [CF, PF, AF, ZF, SF, OF] = [0x1, 0x4, 0x10, 0x40, 0x80, 0x800] as const;
const C1 = 0x200;
const PRECISION_AND_UNDERFLOW = 0x30;

const fromEmulator = (oracle: string): boolean => oracle.startsWith("qemu");
const x87 = (form: Form, opcode: number, low: number, high: number): boolean =>
  form.x87 !== undefined &&
  form.rm === "reg" &&
  form.line.opcode === opcode &&
  0xc0 + form.x87.low >= low &&
  0xc0 + form.x87.low <= high;
const x87Memory = (form: Form, opcode: number, regs: readonly number[]): boolean =>
  form.x87 !== undefined && form.rm === "mem" && form.line.opcode === opcode && regs.includes(form.x87.reg);

const UNDEFINED_FLAGS: Readonly<Record<string, number>> = {
  daa: OF,
  das: OF,
  aaa: OF | SF | ZF | PF,
  aas: OF | SF | ZF | PF,
  aam: OF | AF | CF,
  aad: OF | AF | CF,
};

/** Significand and exponent of ST(n) in an FXSAVE image as one ordered number; undefined for what is no finite number. */
function ordinal(fx: Uint8Array, n: number): bigint {
  const view = new DataView(fx.buffer, fx.byteOffset, fx.length);
  const at = 32 + 16 * n;
  const exponent = view.getUint16(at + 8, true);
  const magnitude = (BigInt(exponent & 0x7fff) << 63n) | (view.getBigUint64(at, true) & 0x7fffffffffffffffn);
  return exponent & 0x8000 ? -magnitude : magnitude;
}

/** Whether ST(n) of two images are at most so many units in the last place apart. */
export function close(a: Uint8Array, b: Uint8Array, n: number, units: number): boolean {
  const apart = ordinal(a, n) - ordinal(b, n);
  return (apart < 0n ? -apart : apart) <= BigInt(units);
}

/** |ST(0)| as a number, for domains. */
function magnitudeOfTop(fx: Uint8Array): number {
  const view = new DataView(fx.buffer, fx.byteOffset, fx.length);
  const exponent = view.getUint16(40, true) & 0x7fff;
  return Number(view.getBigUint64(32, true)) * 2 ** (exponent - 16383 - 63);
}

const multiple = (form: Form): boolean =>
  /^(pusha|popa|enter|cmpxchg8b|bound)$/.test(form.line.mnemonic) ||
  x87Memory(form, 0xd9, [4, 6]) ||
  x87Memory(form, 0xdd, [4, 6]) ||
  x87Memory(form, 0xdb, [5, 7]) ||
  x87Memory(form, 0xdf, [4, 6]);

/** All that is masked, and why: the same table is in docs/instructions.md. */
export const RULES: readonly Rule[] = [
  {
    forms: "DAA DAS AAA AAS AAM AAD",
    ignored: "OF; for AAA and AAS also SF ZF PF; for AAM and AAD also AF CF",
    why: "Undefined (Intel SDM vol. 2). Recorded with QEMU, which leaves other values there than the processors that the engine follows elsewhere.",
    of: (form, _one, _expected, oracle) => {
      const flags = fromEmulator(oracle) ? UNDEFINED_FLAGS[form.line.mnemonic] : undefined;
      return flags === undefined ? undefined : { flags };
    },
  },
  {
    forms: "all that reach a page which is not there by a jump",
    ignored: "error code",
    why: "Whether bits 0 and 4 are set depends on the tables of the system around the program.",
    of: (_form, _one, expected) =>
      expected.vector === 14 && expected.cr2 === expected.eip ? { errorCode: true } : undefined,
  },
  {
    forms: "PUSHA POPA ENTER BOUND CMPXCHG8B FLDENV FNSTENV FNSAVE FRSTOR FLD and FSTP m80 FBLD FBSTP",
    ignored: "offset in the page of the address of a page fault",
    why: "The order of the accesses of one instruction is not defined; the page is.",
    of: (form, _one, expected) =>
      expected.vector === 14 && multiple(form) ? { offsetInPage: true } : undefined,
  },
  {
    forms: "INS OUTS with a repeat prefix and (E)CX = 0",
    ignored: "everything",
    why: "The manual's REP does nothing then (SDM vol. 2, REP); AMD's processors check the permission for the port all the same.",
    of: (form, one) =>
      /^(ins|outs)$/.test(form.line.mnemonic) &&
      one.regs[1] === 0 &&
      one.code.some((byte) => byte === 0xf2 || byte === 0xf3)
        ? { all: true }
        : undefined,
  },
  {
    forms: "LOOPE LOOPNE with a repeat prefix",
    ignored: "everything",
    why: "Reserved (SDM vol. 2, 2.1.1); AMD's processors let F2 make LOOPNE and F3 make LOOPE of either, in the engine the prefix does nothing.",
    of: (form, one) =>
      /^loopn?e$/.test(form.line.mnemonic) && one.code.some((byte) => byte === 0xf2 || byte === 0xf3)
        ? { all: true }
        : undefined,
  },
  {
    forms: "PUSHA POPA that end in a page fault",
    ignored: "general registers and memory",
    why: "Recorded with QEMU, which leaves what it had done by then; the engine changes nothing.",
    of: (form, _one, expected, oracle) =>
      fromEmulator(oracle) && /^(pusha|popa)$/.test(form.line.mnemonic) && expected.vector === 14
        ? { partial: true }
        : undefined,
  },
  {
    forms: "ENTER whose new stack pointer is where nothing can be written",
    ignored: "everything",
    why: "A page fault by the manual (SDM vol. 2, ENTER: a write there is tried); QEMU, by which it was recorded, does not try.",
    of: (form, _one, expected, oracle) => {
      if (form.line.mnemonic !== "enter" || !fromEmulator(oracle) || expected.vector !== 3) return undefined;
      const reached = [0, form.operandSize / 8 - 1].map((n) =>
        Math.floor(((expected.regs[4] as number) + n - BASE) / PAGE),
      );
      return reached.some((page) => PAGE_KINDS[page] !== "W") ? { all: true } : undefined;
    },
  },
  {
    forms: "0F 0D with a register",
    ignored: "everything",
    why: "A hint NOP in Intel's manual; AMD's processors raise #UD.",
    of: (form) =>
      form.line.map === "0f" && form.line.opcode === 0x0d && form.rm === "reg" ? { all: true } : undefined,
  },
  {
    forms: "FCOMI FCOMIP FUCOMI FUCOMIP",
    ignored: "C1; with an unmasked invalid operation ZF PF CF",
    why: "P6: C1 is cleared, and flags stay as they were when the exception is unmasked (SDM vol. 2, FCOMI). AMD keeps C1 and sets the flags to unordered.",
    of: (form, one, expected) => {
      if (!(x87(form, 0xdb, 0xe8, 0xf7) || x87(form, 0xdf, 0xe8, 0xf7))) return undefined;
      const unmasked = ((expected.fx[2] as number) & ~(one.fx[0] as number) & 1) !== 0;
      return { status: C1, ...(unmasked ? { flags: CF | PF | ZF } : {}) };
    },
  },
  {
    forms: "F2XM1 outside -1..1, FYL2XP1 outside ±(1-√½)",
    ignored: "everything",
    why: "The result is undefined (SDM vol. 2).",
    of: (form, one) => {
      const size = magnitudeOfTop(one.fx);
      if (x87(form, 0xd9, 0xf0, 0xf0) && size > 1) return { all: true };
      return x87(form, 0xd9, 0xf9, 0xf9) && size > 0.29 ? { all: true } : undefined;
    },
  },
  {
    forms: "F2XM1 FYL2X FYL2XP1 FPTAN FPATAN FSIN FCOS FSINCOS",
    ignored: "one unit in the last place of the results; C1, PE and UE",
    why: "Transcendental functions are exact to one unit (SDM vol. 1, 8.3.10): processors differ in the last bit, and with it in what they say about rounding.",
    of: (form) =>
      x87(form, 0xd9, 0xf0, 0xf3) ||
      x87(form, 0xd9, 0xf9, 0xf9) ||
      x87(form, 0xd9, 0xfb, 0xfb) ||
      x87(form, 0xd9, 0xfe, 0xff)
        ? { units: 1, status: C1 | PRECISION_AND_UNDERFLOW }
        : undefined,
  },
  {
    forms: "RCPPS RCPSS RSQRTPS RSQRTSS",
    ignored: "a difference of 3 × 2^-12 of an element",
    why: "Estimates with a relative error of at most 1.5 × 2^-12 (SDM vol. 2): each kind of processor has tables of its own.",
    of: (form) => (/^(rcp|rsqrt)[ps]s$/.test(form.line.mnemonic) ? { estimates: true } : undefined),
  },
  {
    forms: "FNSTENV FNSAVE",
    ignored: "bytes 12 to 27 of the image: pointers to the last instruction and its operand",
    why: "AMD keeps them only while an exception is pending; and in 64-bit mode, where these were recorded, there are no selectors.",
    of: (form, one) => {
      if (!x87Memory(form, 0xd9, [6]) && !x87Memory(form, 0xdd, [6])) return undefined;
      const from = one.operandAt - one.windows[0];
      return { memory: [Math.max(0, from + 12), Math.min(WINDOW, from + 28)] };
    },
  },
];

export function ignoredOf(form: Form, one: Case, expected: Outcome, oracle: string): Ignored {
  let flags = 0;
  let status = 0;
  let all: Ignored = {};
  for (const rule of RULES) {
    const ignored = rule.of(form, one, expected, oracle);
    if (ignored === undefined) continue;
    flags |= ignored.flags ?? 0;
    status |= ignored.status ?? 0;
    all = { ...all, ...ignored };
  }
  return { ...all, flags, status };
}
