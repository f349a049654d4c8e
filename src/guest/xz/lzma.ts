/**
 * The LZMA decoder: a range decoder that drives adaptive binary models (see the LZMA SDK's "LZMA specification"). It decodes
 * into one buffer that holds the whole output and so is its own dictionary.
 */

/** The compressed bytes contradict themselves. */
export class LzmaDataError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "LzmaDataError";
  }
}

/** Probabilities have 11 bits and move towards what was seen by 1/32 of the distance. */
const MODEL_BITS = 11;
const MODEL_HALF = 1 << (MODEL_BITS - 1);
const MODEL_TOP = 1 << MODEL_BITS;
const MOVE_BITS = 5;
/** Below this the range is widened by a byte. */
const RANGE_MIN = 1 << 24;

const STATES = 12;
/** First state that follows a match rather than a literal. */
const FIRST_MATCH_STATE = 7;
const POS_STATES = 16;
const MATCH_MIN = 2;
/** Distance slots below 4 are distances; below 14 the rest is modelled, from there on the upper bits are direct. */
const FIRST_MODELLED_SLOT = 4;
const FIRST_DIRECT_SLOT = 14;
const ALIGN_BITS = 4;

/** Where each group of models begins in the one array of probabilities. */
const IS_MATCH = 0;
const IS_REP = IS_MATCH + STATES * POS_STATES;
const IS_REP0 = IS_REP + STATES;
const IS_REP1 = IS_REP0 + STATES;
const IS_REP2 = IS_REP1 + STATES;
const IS_REP0_LONG = IS_REP2 + STATES;
const SLOTS = IS_REP0_LONG + STATES * POS_STATES;
const DISTANCES = SLOTS + 4 * 64;
const ALIGN = DISTANCES + 128;
/** A length coder: two choices, then 8 short lengths and 8 middle ones for each position state, then 256 long ones. */
const LENGTH_MIDDLE_CHOICE = 1;
const LENGTH_SHORT = 2;
const LENGTH_MIDDLE = LENGTH_SHORT + POS_STATES * 8;
const LENGTH_LONG = LENGTH_MIDDLE + POS_STATES * 8;
const LENGTH_SIZE = LENGTH_LONG + 256;
const MATCH_LENGTH = ALIGN + (1 << ALIGN_BITS);
const REP_LENGTH = MATCH_LENGTH + LENGTH_SIZE;
const LITERALS = REP_LENGTH + LENGTH_SIZE;
const LITERAL_SIZE = 0x300;

export class LzmaDecoder {
  private readonly input: Uint8Array;
  private readonly output: Uint8Array;
  private models = new Uint16Array(LITERALS);
  private literalContextBits = 0;
  private literalPositionMask = 0;
  private positionMask = 0;
  private state = 0;
  private rep0 = 0;
  private rep1 = 0;
  private rep2 = 0;
  private rep3 = 0;
  private range = 0;
  private code = 0;
  private at = 0;
  /** Bytes of output so far. */
  position = 0;
  /** Matches may not reach back beyond this. */
  private dictionaryStart = 0;

  constructor(input: Uint8Array, output: Uint8Array) {
    this.input = input;
    this.output = output;
  }

  resetDictionary(): void {
    this.dictionaryStart = this.position;
  }

  /** Copies bytes that were stored uncompressed. */
  copy(from: number, length: number): void {
    this.output.set(this.input.subarray(from, from + length), this.position);
    this.position += length;
  }

  /** @param byte the properties byte: (pb * 5 + lp) * 9 + lc */
  setProperties(byte: number): void {
    const lc = byte % 9;
    const lp = Math.floor(byte / 9) % 5;
    const pb = Math.floor(byte / 45);
    if (pb > 4 || lc + lp > 4) throw new LzmaDataError(`bad LZMA properties byte ${byte}`);
    this.literalContextBits = lc;
    this.literalPositionMask = (1 << lp) - 1;
    this.positionMask = (1 << pb) - 1;
    this.models = new Uint16Array(LITERALS + (LITERAL_SIZE << (lc + lp)));
  }

  resetState(): void {
    this.models.fill(MODEL_HALF);
    this.state = 0;
    this.rep0 = 0;
    this.rep1 = 0;
    this.rep2 = 0;
    this.rep3 = 0;
  }

  /** Decodes `length` bytes of output from the `packed` bytes of input at `from`, which must be used up exactly. */
  decode(from: number, packed: number, length: number): void {
    const { input } = this;
    if (packed < 5 || input[from] !== 0) throw new LzmaDataError("a chunk does not begin with a range coder");
    this.range = -1;
    this.code =
      (input[from + 1]! << 24) | (input[from + 2]! << 16) | (input[from + 3]! << 8) | input[from + 4]!;
    this.at = from + 5;
    const end = this.position + length;
    while (this.position < end) {
      const positionState = this.position & this.positionMask;
      if (this.bit(IS_MATCH + this.state * POS_STATES + positionState) === 0) this.literal();
      else this.match(positionState, end);
    }
    if (this.at !== from + packed || this.code !== 0) throw new LzmaDataError("a chunk's sizes do not agree");
  }

  private bit(model: number): number {
    const { models } = this;
    const probability = models[model] as number;
    const bound = Math.imul(this.range >>> MODEL_BITS, probability);
    let result: number;
    if (this.code >>> 0 < bound >>> 0) {
      this.range = bound;
      models[model] = probability + ((MODEL_TOP - probability) >> MOVE_BITS);
      result = 0;
    } else {
      this.range = (this.range - bound) | 0;
      this.code = (this.code - bound) | 0;
      models[model] = probability - (probability >> MOVE_BITS);
      result = 1;
    }
    if (this.range >>> 0 < RANGE_MIN) {
      this.range <<= 8;
      this.code = (this.code << 8) | (this.input[this.at++] as number);
    }
    return result;
  }

  /** A tree of models, most significant bit first. */
  private tree(models: number, bits: number): number {
    let node = 1;
    for (let left = bits; left > 0; left--) node = (node << 1) | this.bit(models + node);
    return node - (1 << bits);
  }

  /** A tree of models, least significant bit first. */
  private reverseTree(models: number, bits: number): number {
    let node = 1;
    let value = 0;
    for (let index = 0; index < bits; index++) {
      const bit = this.bit(models + node);
      node = (node << 1) | bit;
      value |= bit << index;
    }
    return value;
  }

  /** Bits of even odds, most significant first. */
  private direct(count: number): number {
    let value = 0;
    for (let left = count; left > 0; left--) {
      this.range >>>= 1;
      const bit = this.code >>> 0 >= this.range >>> 0 ? 1 : 0;
      if (bit) this.code = (this.code - this.range) | 0;
      value = (value << 1) | bit;
      if (this.range >>> 0 < RANGE_MIN) {
        this.range <<= 8;
        this.code = (this.code << 8) | (this.input[this.at++] as number);
      }
    }
    return value;
  }

  /** The hottest loop: the range decoder is written out over locals. */
  private literal(): void {
    const { models, input, output, position, literalContextBits } = this;
    const previous = position > this.dictionaryStart ? (output[position - 1] as number) : 0;
    const context =
      ((position & this.literalPositionMask) << literalContextBits) + (previous >> (8 - literalContextBits));
    const base = LITERALS + context * LITERAL_SIZE;
    let { range, code, at } = this;
    let symbol = 1;
    // After a match, the byte that the match would have continued with chooses the models until a bit differs from it.
    let expected = this.state >= FIRST_MATCH_STATE ? (output[position - this.rep0 - 1] as number) : 0;
    let offset = this.state >= FIRST_MATCH_STATE ? 0x100 : 0;
    while (symbol < 0x100) {
      expected <<= 1;
      const matched = expected & offset;
      const model = base + offset + matched + symbol;
      const probability = models[model] as number;
      const bound = Math.imul(range >>> MODEL_BITS, probability);
      if (code >>> 0 < bound >>> 0) {
        range = bound;
        models[model] = probability + ((MODEL_TOP - probability) >> MOVE_BITS);
        symbol <<= 1;
        offset &= ~matched;
      } else {
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        models[model] = probability - (probability >> MOVE_BITS);
        symbol = (symbol << 1) | 1;
        offset &= matched;
      }
      if (range >>> 0 < RANGE_MIN) {
        range <<= 8;
        code = (code << 8) | (input[at++] as number);
      }
    }
    this.range = range;
    this.code = code;
    this.at = at;
    output[position] = symbol;
    this.position = position + 1;
    this.state = this.state < 4 ? 0 : this.state < 10 ? this.state - 3 : this.state - 6;
  }

  private match(positionState: number, end: number): void {
    const { state } = this;
    const afterLiteral = state < FIRST_MATCH_STATE;
    let length: number;
    if (this.bit(IS_REP + state) === 0) {
      this.rep3 = this.rep2;
      this.rep2 = this.rep1;
      this.rep1 = this.rep0;
      this.state = afterLiteral ? 7 : 10;
      length = this.length(MATCH_LENGTH, positionState);
      this.rep0 = this.distance(length);
    } else if (this.bit(IS_REP0 + state) === 0) {
      if (this.bit(IS_REP0_LONG + state * POS_STATES + positionState) === 0) {
        this.state = afterLiteral ? 9 : 11;
        this.copyMatch(1, end);
        return;
      }
      this.state = afterLiteral ? 8 : 11;
      length = this.length(REP_LENGTH, positionState);
    } else {
      let distance = this.rep1;
      if (this.bit(IS_REP1 + state) === 1) {
        distance = this.rep2;
        if (this.bit(IS_REP2 + state) === 1) {
          distance = this.rep3;
          this.rep3 = this.rep2;
        }
        this.rep2 = this.rep1;
      }
      this.rep1 = this.rep0;
      this.rep0 = distance;
      this.state = afterLiteral ? 8 : 11;
      length = this.length(REP_LENGTH, positionState);
    }
    this.copyMatch(length, end);
  }

  private length(models: number, positionState: number): number {
    if (this.bit(models) === 0) return MATCH_MIN + this.tree(models + LENGTH_SHORT + positionState * 8, 3);
    if (this.bit(models + LENGTH_MIDDLE_CHOICE) === 0) {
      return MATCH_MIN + 8 + this.tree(models + LENGTH_MIDDLE + positionState * 8, 3);
    }
    return MATCH_MIN + 16 + this.tree(models + LENGTH_LONG, 8);
  }

  private distance(length: number): number {
    const slot = this.tree(SLOTS + Math.min(length - MATCH_MIN, 3) * 64, 6);
    if (slot < FIRST_MODELLED_SLOT) return slot;
    const bits = (slot >> 1) - 1;
    const start = (2 | (slot & 1)) << bits;
    if (slot < FIRST_DIRECT_SLOT) return start + this.reverseTree(DISTANCES + start - slot, bits);
    const upper = this.direct(bits - ALIGN_BITS) << ALIGN_BITS;
    return (start + upper + this.reverseTree(ALIGN, ALIGN_BITS)) >>> 0;
  }

  private copyMatch(length: number, end: number): void {
    const { output, position, rep0 } = this;
    if (rep0 >= position - this.dictionaryStart) throw new LzmaDataError("a match reaches before the data");
    if (length > end - position) throw new LzmaDataError("a match reaches beyond its chunk");
    let from = position - rep0 - 1;
    for (let to = position; to < position + length; to++) output[to] = output[from++] as number;
    this.position = position + length;
  }
}
