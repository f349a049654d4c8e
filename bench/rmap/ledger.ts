/** One figure of the note, and what was counted. */
export interface Claim {
  readonly what: string;
  readonly expected: number;
  /** Not there when the count would take too long and was left out. */
  readonly measured?: number;
}

/** Counts compared with what they must be, exactly. */
export class Ledger {
  readonly claims: Claim[] = [];

  /** What a table shows: the count, or both if they differ. */
  check(what: string, expected: number, measured: number): string {
    this.claims.push({ what, expected, measured });
    return measured === expected ? grouped(measured) : `${grouped(measured)} (EXPECTED ${grouped(expected)})`;
  }

  /** A figure that was calculated instead of counted; tables mark it with an asterisk. */
  calculated(what: string, expected: number): string {
    this.claims.push({ what, expected });
    return `${grouped(expected)}*`;
  }

  get failures(): Claim[] {
    return this.claims.filter(({ expected, measured }) => measured !== undefined && measured !== expected);
  }
  get counted(): number {
    return this.claims.filter(({ measured }) => measured !== undefined).length;
  }
}

export const grouped = (value: number): string => value.toLocaleString("en-US");
