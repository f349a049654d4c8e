export type { GuestProgram } from "./assembly.ts";
export {
  type BranchTarget,
  type Condition,
  GuestBuilder,
  type PlainMnemonic,
  type RepeatPrefix,
} from "./builder.ts";
export {
  type CodeOptions,
  codeSegment,
  type DataOptions,
  dataSegment,
  type GateOptions,
  gateBytes,
  ldtSegment,
  NULL_DESCRIPTOR,
  type SegmentOptions,
  TSS_SIZE,
  type TssFields,
  tableRegister,
  tssBytes,
  tssSegment,
} from "./descriptors.ts";
export { GuestBuilderError } from "./encode.ts";
export {
  at,
  type Immediate,
  type LabelReference,
  type MemoryReference,
  mem8,
  mem16,
  mem32,
  type Operand,
  ref,
} from "./operands.ts";
export { type MapOptions, type PageTableImage, PageTables } from "./page-tables.ts";
