import type { Random } from "../../instructions/support/random.ts";
import type { Form } from "../forms.ts";
import type { Place } from "./place.ts";
import type { SystemRecord } from "./record.ts";

/** A case under construction. */
export interface Draft {
  readonly form: Form;
  readonly random: Random;
  readonly record: SystemRecord;
  readonly place: Place;
  /** The selector that the instruction is given, or 0. */
  selector: number;
}
