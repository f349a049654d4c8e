/** Which actor stands behind the addresses of one space: I/O ports, or guest-physical addresses without memory. It may change while the guest runs. */
export interface Routes {
  /** From now on these addresses are the actor's. False, and nothing is changed, when somebody has one of them already. */
  claim(first: number, count: number, actor: string): boolean;
  /** What the actor has claimed by these numbers is nobody's again. */
  release(first: number, count: number, actor: string): void;
  actorAt(address: number): string;
}
