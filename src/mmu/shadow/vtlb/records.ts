/** What the guest's tables said when a leaf was filled: the entries themselves, and the ledger's time. For the audit. */
export interface FillRecord {
  /** Guest directory entry; 0 with paging off. High words are 0 in 4-byte entries. */
  readonly guestPde: number;
  readonly guestPdeHigh: number;
  /** Guest table entry; 0 with paging off or when the directory entry maps a large page. */
  readonly guestPte: number;
  readonly guestPteHigh: number;
  readonly filledAt: number;
}

/** The records of a frame's leaves: as many words as the frame has, at the places that the leaves' own words have there. */
export class FillRecords {
  readonly guestPde: Uint32Array;
  readonly guestPte: Uint32Array;
  readonly filledAt: Uint32Array;

  constructor(words: number) {
    this.guestPde = new Uint32Array(words);
    this.guestPte = new Uint32Array(words);
    this.filledAt = new Uint32Array(words);
  }

  set(index: number, entryWords: number, record: FillRecord): void {
    const at = index * entryWords;
    this.guestPde[at] = record.guestPde;
    this.guestPte[at] = record.guestPte;
    this.filledAt[at] = record.filledAt;
    if (entryWords === 1) return;
    this.guestPde[at + 1] = record.guestPdeHigh;
    this.guestPte[at + 1] = record.guestPteHigh;
  }

  get(index: number, entryWords: number): FillRecord {
    const at = index * entryWords;
    const isWide = entryWords === 2;
    return {
      guestPde: this.guestPde[at] as number,
      guestPdeHigh: isWide ? (this.guestPde[at + 1] as number) : 0,
      guestPte: this.guestPte[at] as number,
      guestPteHigh: isWide ? (this.guestPte[at + 1] as number) : 0,
      filledAt: this.filledAt[at] as number,
    };
  }
}
