import type { Random } from "../../instructions/support/random.ts";
import type { Form } from "../forms.ts";
import { DATA_16, Sel } from "./descriptors.ts";
import { CODE } from "./record.ts";

/** Where a case runs: its ring, and what its code and data segments are like. */
export interface Place {
  readonly ring: 0 | 1 | 2 | 3;
  readonly virtual: boolean;
  readonly bits: 16 | 32;
  readonly code: number;
  readonly data: number;
  readonly stack: number;
  /** Linear address of offset 0 of the code segment, and of the data and stack segments. */
  readonly codeBase: number;
  readonly dataBase: number;
}

const flat = (ring: 0 | 1 | 2 | 3, code: number, data: number): Place => ({
  ring,
  virtual: false,
  bits: 32,
  code,
  data,
  stack: data,
  codeBase: 0,
  dataBase: 0,
});
const RING_0 = flat(0, Sel.code0, Sel.data0);
const RING_3 = flat(3, Sel.code3, Sel.data3);
const OTHER_RINGS = [flat(1, Sel.code1, Sel.data1), flat(2, Sel.code2, Sel.data2)] as const;
const HALF_3: Place = {
  ...RING_3,
  bits: 16,
  code: Sel.half3,
  data: Sel.halfData3,
  stack: Sel.halfData3,
  codeBase: CODE,
  dataBase: DATA_16,
};
const VIRTUAL: Place = {
  ring: 3,
  virtual: true,
  bits: 16,
  code: CODE >> 4,
  data: DATA_16 >> 4,
  stack: DATA_16 >> 4,
  codeBase: CODE,
  dataBase: DATA_16,
};

/** Instructions that only ring 0 may do: there they are tried most often. */
const PRIVILEGED = /^(lldt|ltr|lgdt|lidt|lmsw|clts|invlpg|invd|mov_to_dr|mov_from_dr|mov_from_cr|sysexit)$/;

export function placeFor(form: Form, random: Random): Place {
  const helper = form.line.helper ?? "";
  const kind = random.below(12);
  if (PRIVILEGED.test(helper)) return kind < 10 ? RING_0 : kind === 10 ? RING_3 : VIRTUAL;
  if (kind < 3) return RING_0;
  if (kind < 8) return RING_3;
  if (kind === 8) return random.pick(OTHER_RINGS);
  return kind === 9 ? HALF_3 : VIRTUAL;
}
