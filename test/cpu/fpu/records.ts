import { RECORD } from "./native/oracle.ts";
import { anyOperand, type Dice, type Extended, partner } from "./operands.ts";

/** An instruction: opcode and ModRM byte (a ModRM below C0h has only its reg field, the operand is in memory). */
export interface Form {
  readonly name: string;
  readonly opcode: number;
  readonly modrm: number;
}

export const registerForm = (name: string, opcode: number, modrm: number): Form => ({ name, opcode, modrm });
export const memoryForm = (name: string, opcode: number, reg: number): Form => ({
  name,
  opcode,
  modrm: (reg << 3) | 2,
});

export interface CaseOptions {
  /** All registers hold something except ST(7), so that a push works. */
  readonly stack?: "usual" | "random";
  readonly masks?: "masked" | "random";
  readonly operand?: (dice: Dice) => Extended;
  readonly precisions?: readonly number[];
  readonly memory?: (dice: Dice, bytes: DataView) => void;
}

/** Fills one record (see native/x87.c) with a random case of a form. */
export function fillRecord(record: Uint8Array, form: Form, dice: Dice, options: CaseOptions = {}): void {
  const view = new DataView(record.buffer, record.byteOffset, RECORD);
  const operand = options.operand ?? anyOperand;
  const masks = options.masks === "random" ? dice.below(64) : 0x3f;
  const precision = dice.pick(options.precisions ?? [0, 2, 3, 3, 3]);
  const top = dice.below(8);
  view.setUint32(0, 0xffff0040 | masks | (precision << 8) | (dice.below(4) << 10), true);
  view.setUint32(4, 0xffff0000 | (top << 11) | (dice.word() & 0x4700), true);
  let tags = 0;
  for (let i = 0; i < 8; i++) {
    const empty = options.stack === "random" ? dice.below(4) === 0 : i === 7;
    if (empty) tags |= 3 << (((top + i) & 7) << 1);
  }
  view.setUint32(8, 0xffff0000 | tags, true);
  const first = operand(dice);
  putExtended(view, 28, first);
  for (let i = 1; i < 8; i++)
    putExtended(view, 28 + i * 10, options.operand ? operand(dice) : partner(dice, first));
  record[108] = 2;
  record[109] = form.opcode;
  record[110] = form.modrm;
  view.setUint32(116, 0x202 | (dice.word() & 0x8d5), true);
  for (let at = 128; at < RECORD; at += 4) view.setUint32(at, dice.word(), true);
  options.memory?.(dice, new DataView(record.buffer, record.byteOffset + 128, 128));
}

export function putExtended(view: DataView, at: number, x: Extended): void {
  view.setUint32(at, x.lo, true);
  view.setUint32(at + 4, x.hi, true);
  view.setUint16(at + 8, x.se, true);
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

/** A record in words, for failure messages. Last-instruction pointers are left out: they differ between processors. */
export function describeRecord(record: Uint8Array): string[] {
  const view = new DataView(record.buffer, record.byteOffset, RECORD);
  const lines = [
    `control ${hex(view.getUint16(0, true), 4)} status ${hex(view.getUint16(4, true), 4)} tags ${hex(view.getUint16(8, true), 4)}`,
    `eflags ${hex(view.getUint32(116, true) & 0x8d5, 3)} eax ${hex(view.getUint32(120, true), 8)}`,
  ];
  for (let i = 0; i < 8; i++) {
    const at = 28 + i * 10;
    lines.push(
      `st${i} ${hex(view.getUint16(at + 8, true), 4)} ${hex(view.getUint32(at + 4, true), 8)}${hex(view.getUint32(at, true), 8)}`,
    );
  }
  lines.push(`memory ${Buffer.from(record.subarray(128, 144)).toString("hex")}`);
  return lines;
}
