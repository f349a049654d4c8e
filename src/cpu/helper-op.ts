import * as Op from "./cold/micro-op.ts";
import type { HelperOp } from "./core.ts";
import * as L from "./layout.ts";
import type { CpuState } from "./state.ts";

/** By the number in a micro-operation. */
const PREFIXES = [0, 0x66, 0xf2, 0xf3];

/** Reads a helper's micro-operation out of the arena; one view, moved from op to op. */
export class HelperOpView implements HelperOp {
  private at = 0;
  private readonly state: CpuState;

  constructor(state: CpuState) {
    this.state = state;
  }

  /** Points the view at the micro-operation at byte `op`. */
  moveTo(op: number): void {
    this.at = op;
  }

  get opcode(): number {
    return this.source & 0xff;
  }
  get modrm(): number {
    return this.destination & Op.HELPER_NO_MODRM ? -1 : this.destination & 0xff;
  }
  get reg(): number {
    return (this.destination >> 3) & 7;
  }
  get rm(): number {
    return this.destination & 7;
  }
  get memory(): boolean {
    return (this.destination & Op.HELPER_MEMORY) !== 0;
  }
  get baseIsEsp(): boolean {
    return (this.destination & Op.HELPER_BASE_IS_ESP) !== 0;
  }
  get segment(): number {
    return ((this.state.u16[(this.at + Op.OP_SEG) >> 1] as number) - L.SEG) >> 5;
  }
  get offset(): number {
    return this.state.get(L.TEMP);
  }
  get immediate(): number {
    return this.state.i32[(this.at + Op.OP_IMM) >> 2] as number;
  }
  get immediate2(): number {
    return this.state.i32[(this.at + Op.OP_DISP) >> 2] as number;
  }
  get operandSize(): 16 | 32 {
    return this.source & Op.HELPER_OPERAND32 ? 32 : 16;
  }
  get addressSize(): 16 | 32 {
    return this.source & Op.HELPER_ADDRESS32 ? 32 : 16;
  }
  get rep(): number {
    return this.source & Op.HELPER_REPNE ? 0xf2 : this.source & Op.HELPER_REP ? 0xf3 : 0;
  }
  get prefix(): number {
    return PREFIXES[(this.source >> Op.HELPER_PREFIX) & 3] as number;
  }
  get length(): number {
    return this.state.u8[this.at + Op.OP_LENGTH] as number;
  }
  get nextEip(): number {
    return (this.state.eip + this.length) >>> 0;
  }

  private get destination(): number {
    return this.state.u16[(this.at + Op.OP_DST) >> 1] as number;
  }
  private get source(): number {
    return this.state.u16[(this.at + Op.OP_SRC) >> 1] as number;
  }
}
