import { Encoder, type Instruction } from "iced-x86";
import { type Bits, GuestBuilderError, type Resolve, signed } from "./encode.ts";
import type { Immediate } from "./operands.ts";

/** A built program. */
export interface GuestProgram {
  readonly bytes: Uint8Array;
  /** Address of the first byte. */
  readonly origin: number;
  /** Address of every label. */
  readonly symbols: ReadonlyMap<string, number>;
  /** Address of a label. @throws GuestBuilderError when there is none of that name */
  symbol(name: string): number;
}

/** A stretch of the program whose length does not depend on where labels are. */
interface Item {
  readonly bytesAt: (address: number, resolve: Resolve) => Uint8Array;
}

/** Labels, data and encoded instructions behind one another; two passes give labels their addresses. */
export class Assembly {
  readonly origin: number;
  /** Size of code from here on. */
  protected mode: Bits;
  private readonly items: Item[] = [];
  private readonly labels = new Map<string, number>();
  private readonly encoders = new Map<Bits, Encoder>();
  private address: number;

  constructor(options: { readonly origin: number; readonly bits?: Bits }) {
    this.origin = options.origin;
    this.address = options.origin;
    this.mode = options.bits ?? 32;
  }

  /** The address of what comes next. */
  get here(): number {
    return this.address;
  }

  /** Switches to 16- or 32-bit code from here on (as the descriptor of the code segment will say). */
  bits(bits: Bits): this {
    this.mode = bits;
    return this;
  }

  /** @throws GuestBuilderError when the name is taken */
  label(name: string): this {
    if (this.labels.has(name)) throw new GuestBuilderError(`The label ${name} is defined twice.`);
    this.labels.set(name, this.address);
    return this;
  }

  /** Fills with `fill` up to a multiple of `unit` bytes. */
  align(unit: number, fill = 0): this {
    return this.fill((unit - (this.address % unit)) % unit, fill);
  }

  /** Fills with zeroes up to `address`. @throws GuestBuilderError when that is already behind */
  org(address: number): this {
    if (address < this.address) {
      throw new GuestBuilderError(
        `org 0x${address.toString(16)} lies before 0x${this.address.toString(16)}.`,
      );
    }
    return this.fill(address - this.address, 0);
  }

  fill(length: number, byte = 0): this {
    return this.raw(new Uint8Array(length).fill(byte));
  }

  /** Bytes as they are: the way to write what no method writes. */
  raw(bytes: Uint8Array | readonly number[]): this {
    const copy = Uint8Array.from(bytes);
    return this.append({ bytesAt: () => copy });
  }

  /** Bytes, and the bytes of texts (Latin-1, no terminator). */
  db(...values: readonly (number | string)[]): this {
    for (const value of values) {
      this.raw(typeof value === "string" ? Buffer.from(value, "latin1") : [signed(value, 8) & 0xff]);
    }
    return this;
  }

  dw(...values: readonly Immediate[]): this {
    for (const value of values) this.late(2, (resolve) => littleEndian(resolve(value), 2));
    return this;
  }

  dd(...values: readonly Immediate[]): this {
    for (const value of values) this.late(4, (resolve) => littleEndian(resolve(value), 4));
    return this;
  }

  dq(...values: readonly bigint[]): this {
    for (const value of values) this.raw(new Uint8Array(BigUint64Array.of(BigInt.asUintN(64, value)).buffer));
    return this;
  }

  /** A text with a zero behind it. */
  asciz(text: string): this {
    return this.db(text, 0);
  }

  /** `length` bytes that depend on labels, such as a gate descriptor. */
  late(length: number, bytes: (resolve: Resolve) => Uint8Array): this {
    return this.append({
      bytesAt: (_, resolve) => {
        const result = bytes(resolve);
        if (result.length !== length)
          throw new GuestBuilderError(`${result.length} bytes came where ${length} were due.`);
        return result;
      },
    });
  }

  /** An iced instruction; its length must not depend on what `resolve` gives. The instruction is freed. */
  emit(create: (resolve: Resolve) => Instruction): this {
    const { mode } = this;
    return this.append({
      bytesAt: (address, resolve) => {
        const instruction = create(resolve);
        try {
          return this.encode(instruction, mode, address);
        } finally {
          instruction.free();
        }
      },
    });
  }

  /** @throws GuestBuilderError for a label that is used but nowhere defined */
  build(): GuestProgram {
    const resolve: Resolve = (value) => {
      if (typeof value === "number") return value;
      const address = this.labels.get(value.name);
      if (address === undefined) throw new GuestBuilderError(`The label ${value.name} is not defined.`);
      return address + value.addend;
    };
    const bytes = new Uint8Array(this.address - this.origin);
    let at = 0;
    for (const item of this.items) {
      const part = item.bytesAt(this.origin + at, resolve);
      bytes.set(part, at);
      at += part.length;
    }
    const symbols = new Map(this.labels);
    const symbol = (name: string): number => {
      const address = symbols.get(name);
      if (address === undefined) throw new GuestBuilderError(`The program has no label ${name}.`);
      return address;
    };
    return { bytes, origin: this.origin, symbols, symbol };
  }

  private append(item: Item): this {
    // Only the length matters now; a label that stands right here is within reach of every branch.
    const lengthOnly: Resolve = (value) => (typeof value === "number" ? value : this.address);
    this.items.push(item);
    this.address += item.bytesAt(this.address, lengthOnly).length;
    return this;
  }

  private encode(instruction: Instruction, mode: Bits, address: number): Uint8Array {
    let encoder = this.encoders.get(mode);
    if (!encoder) {
      encoder = new Encoder(mode);
      this.encoders.set(mode, encoder);
    }
    try {
      encoder.encode(instruction, BigInt(mode === 16 ? address & 0xffff : address));
    } catch (error) {
      encoder.takeBuffer();
      throw new GuestBuilderError(`This instruction cannot be encoded in ${mode}-bit code: ${String(error)}`);
    }
    return encoder.takeBuffer();
  }
}

function littleEndian(value: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => Math.floor(value / 2 ** (8 * index)) & 0xff);
}
