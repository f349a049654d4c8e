import type { HelperOp } from "../core.ts";

/** Memory forms, by opcode D8..DF: a bit for every ModRM.reg that does not exist. */
const NO_MEMORY_FORM: readonly number[] = [0, 0x02, 0, 0x52, 0, 0x22, 0, 0x02];

/** Register forms that do not exist, as ranges of ModRM by opcode D8..DF (Intel SDM vol. 2, tables ). */
const NO_REGISTER_FORM: readonly (readonly (readonly [from: number, to: number])[])[] = [
  [],
  [
    [0xd1, 0xd7],
    [0xe2, 0xe3],
    [0xe6, 0xe7],
    [0xef, 0xef],
  ],
  [
    [0xe0, 0xe8],
    [0xea, 0xff],
  ],
  [
    [0xe5, 0xe7],
    [0xf8, 0xff],
  ],
  [],
  [[0xf0, 0xff]],
  [
    [0xd8, 0xd8],
    [0xda, 0xdf],
  ],
  [
    [0xe1, 0xe7],
    [0xf8, 0xff],
  ],
];

/** Whether there is such an x87 instruction. What is none raises #UD even if an exception is pending. */
export function isDefined(opcode: number, op: HelperOp): boolean {
  const row = opcode & 7;
  if (op.memory) return (((NO_MEMORY_FORM[row] as number) >> op.reg) & 1) === 0;
  const modrm = op.modrm & 0xff;
  return !(NO_REGISTER_FORM[row] ?? []).some(([from, to]) => modrm >= from && modrm <= to);
}
