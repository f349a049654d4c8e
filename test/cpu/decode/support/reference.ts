import {
  CpuidFeature,
  Decoder,
  DecoderOptions,
  Instruction as IcedInstruction,
  Mnemonic,
  Register,
} from "iced-x86";

import type { CpuModel } from "../../../../src/cpu/system/cpu-models.ts";

/** What an independent decoder (iced-x86) makes of machine code, in the terms of our table. */
export interface Reference {
  readonly valid: boolean;
  /** The instruction came after SSE2, or belongs to an extension that the CPU does not have. */
  readonly foreign: boolean;
  readonly length: number;
  readonly mnemonic: string;
  /** Memory operand as segment:[base+index*scale+displacement], "" when there is none. */
  readonly memory: string;
}

const { INTEL8086, INTEL186, INTEL286, INTEL386, INTEL486, CMOV, CPUID, CX8, FPU, FPU287, FPU387 } =
  CpuidFeature;
const { CLFSH, MOV_TR, FXSR, MMX, SSE, SSE2 } = CpuidFeature;
const { MSR, MULTIBYTENOP, PAUSE, RDPMC, SEP, TSC } = CpuidFeature;
const PENTIUM_2 = [
  ...[INTEL8086, INTEL186, INTEL286, INTEL386, INTEL486, CMOV, CPUID, CX8, FPU, FPU287, FPU387],
  ...[MSR, MULTIBYTENOP, PAUSE, RDPMC, SEP, TSC, FXSR, MMX],
];
const PENTIUM_4 = [...PENTIUM_2, CLFSH, SSE, SSE2];
const I386 = [INTEL8086, INTEL186, INTEL286, INTEL386, MOV_TR, FPU, FPU287, FPU387];
/** What a processor of the name executes. */
const KNOWN: Readonly<Record<CpuModel, ReadonlySet<CpuidFeature>>> = {
  i386: new Set(I386),
  i486: new Set([...I386, INTEL486]),
  p6: new Set(PENTIUM_2),
  pentium4: new Set(PENTIUM_4),
  max: new Set(PENTIUM_4),
};

/** Prefixes have no meaning for BSF, BSR, NOP and WBINVD on a P6; 0F 18 to 0F 1F are all hint NOPs. */
const OPTIONS =
  DecoderOptions.ForceReservedNop |
  DecoderOptions.NoPause |
  DecoderOptions.MovTr |
  DecoderOptions.NoWbnoinvd |
  DecoderOptions.NoMPFX_0FBC |
  DecoderOptions.NoMPFX_0FBD;

/** Bytes between the starts of two sequences in the buffer. */
export const STRIDE = 16;

export class ReferenceDecoder {
  readonly #decoder: Decoder;
  readonly #instruction = new IcedInstruction();

  readonly #known: ReadonlySet<CpuidFeature>;

  constructor(code: Uint8Array, bitness: 16 | 32, model: CpuModel) {
    this.#known = KNOWN[model];
    this.#decoder = new Decoder(bitness, code, OPTIONS);
  }

  decode(sequence: number): Reference {
    this.#decoder.position = sequence * STRIDE;
    this.#decoder.ip = 0n;
    const instruction = this.#instruction;
    this.#decoder.decodeOut(instruction);
    // Of MMX registers it came with SSE2 (SDM vol. 2, PADDQ), which iced-x86 does not say.
    const features =
      instruction.mnemonic === Mnemonic.Paddq ? [SSE2] : ([...instruction.cpuidFeatures()] as CpuidFeature[]);
    return {
      valid: !instruction.isInvalid,
      foreign: features.some((feature) => !this.#known.has(feature)),
      length: instruction.length,
      mnemonic: family(
        Mnemonic[instruction.mnemonic] as string,
        isFarBranch(instruction),
        instruction.isStringInstruction,
      ),
      memory: memoryOf(instruction),
    };
  }

  dispose(): void {
    this.#instruction.free();
    this.#decoder.free();
  }
}

const isFarBranch = (instruction: IcedInstruction): boolean =>
  instruction.isJmpFar ||
  instruction.isCallFar ||
  instruction.isJmpFarIndirect ||
  instruction.isCallFarIndirect;

const RENAMED: Readonly<Record<string, string>> = {
  sal: "shl",
  cwde: "cbw",
  cdq: "cwd",
  reservednop: "nop",
  iretd: "iret",
  jecxz: "jcxz",
  pushad: "pusha",
  pushaw: "pusha",
  popad: "popa",
  popaw: "popa",
  pushfd: "pushf",
  popfd: "popf",
  xlatb: "xlat",
};

function family(name: string, far: boolean, isString: boolean): string {
  const lower = name.toLowerCase();
  if (far) return `${lower}f`;
  if (RENAMED[lower]) return RENAMED[lower];
  const string = /^(movs|cmps|stos|lods|scas|ins|outs)[bwd]$/.exec(lower);
  if (string && isString) return string[1] as string;
  return /^f(?!xsave|xrstor)/.test(lower) ? "fpu" : lower;
}

function memoryOf(instruction: IcedInstruction): string {
  const { memoryBase, memoryIndex, memorySegment } = instruction;
  if (memorySegment === Register.None) return "";
  const displacement = Number(BigInt.asUintN(32, instruction.memoryDisplacement));
  return memoryText(
    memorySegment - Register.ES,
    registerNumber(memoryBase),
    registerNumber(memoryIndex),
    instruction.memoryIndexScale,
    displacement,
  );
}

const registerNumber = (register: Register): number => {
  if (register === Register.None) return -1;
  return register >= Register.EAX ? register - Register.EAX : register - Register.AX;
};

/** The common notation of a memory operand; `scale` as a factor. */
export const memoryText = (
  segment: number,
  base: number,
  index: number,
  scale: number,
  displacement: number,
): string => {
  const scaled = index < 0 ? "" : `+${index}*${scale}`;
  return `${segment}:[${base}${scaled}+${displacement.toString(16)}]`;
};
