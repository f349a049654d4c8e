/** What the bus knows about a message beside the message itself. */

/** The least that a message is: a member of a union discriminated by `type`, in the form `family.verb`. */
export interface Message {
  readonly type: string;
}

/** The part of a message type before the first dot: `cpu` of `cpu.exit`. */
export type FamilyOf<T extends string> = T extends `${infer F}.${string}` ? F : T;

/** The member (or members) of a message union with the type `T`. */
export type MessageOf<M extends Message, T extends M["type"]> = Extract<M, { readonly type: T }>;

/** A delivered message, or an announced fact, as a tap sees it. */
export interface Envelope<M extends Message> {
  /** 1 for the first message delivered or announced, then one more for each. */
  readonly seq: number;
  /** Virtual time of the delivery, in ns. */
  readonly time: number;
  readonly sender: string;
  /** null: a fact, announced to whoever taps the bus. */
  readonly receiver: string | null;
  /** The `seq` of the message during whose handling this one was posted; null: posted from outside. */
  readonly cause: number | null;
  readonly message: M;
}

/** One link of a chain of causes, out of the bus's bounded history. */
export interface CauseLink {
  readonly seq: number;
  readonly type: string;
  readonly sender: string;
  readonly receiver: string | null;
  readonly cause: number | null;
}

/** The family of a message type. */
export function familyOf(type: string): string {
  const dot = type.indexOf(".");
  return dot < 0 ? type : type.slice(0, dot);
}
