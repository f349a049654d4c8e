import type { Case } from "./case.ts";
import { casesOf } from "./cases.ts";
import { onlyAsSystemCode, testedElsewhere } from "./elsewhere.ts";
import { FORMS, type Form, isFloatArithmetic } from "./forms.ts";

/** Forms with cases recorded of user programs. */
export const RECORDED_FORMS: readonly Form[] = FORMS.filter(
  (form) => !onlyAsSystemCode(form) && testedElsewhere(form) === undefined,
);

/** How many cases a form has: of the x87 fewer, since its forms are more. */
function countOf(form: Form): number {
  if (isFloatArithmetic(form)) return 512;
  return form.x87 ? 120 : 128;
}

export const casesFor = (form: Form): Case[] => casesOf(form, countOf(form));
