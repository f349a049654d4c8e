import type { Random } from "../instructions/support/random.ts";
import { XMM_AT } from "./memory-map.ts";

/** Values at which instructions change what they do. */

const SINGLES = [
  0, 0x80000000, 0x3f800000, 0xbf800000, 1, 0x80000001, 0x007fffff, 0x00800000, 0x7f7fffff, 0xff7fffff,
  0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xffa12345, 0x4f000000, 0xcf000000, 0x5f000000,
  0x3fc00000, 0x40200000, 0x4b800001, 0x3effffff, 0x33800000,
];
const DOUBLES: readonly (readonly [number, number])[] = [
  [0, 0],
  [0x80000000, 0],
  [0x3ff00000, 0],
  [0xbff00000, 0],
  [0, 1],
  [0x80000000, 1],
  [0x000fffff, 0xffffffff],
  [0x00100000, 0],
  [0x7fefffff, 0xffffffff],
  [0xffefffff, 0xffffffff],
  [0x7ff00000, 0],
  [0xfff00000, 0],
  [0x7ff80000, 0],
  [0xfff80000, 0],
  [0x7ff00000, 1],
  [0xfff40000, 0x12345678],
  [0x41e00000, 0],
  [0xc1e00000, 0],
  [0x41dfffff, 0xffc00000],
  [0x43e00000, 0],
  [0x3fe00000, 0],
  [0x36a00000, 0],
  [0x47efffff, 0xe0000000],
  [0x380fffff, 0xffffffff],
  [0x40040000, 0],
];
const EXTENDED: readonly (readonly [number, number, number])[] = [
  [0, 0, 0],
  [0x8000, 0, 0],
  [0x3fff, 0x80000000, 0],
  [0xbfff, 0x80000000, 0],
  [0, 0, 1],
  [0x8000, 0x40000000, 0],
  [0, 0x80000000, 0],
  [1, 0x80000000, 0],
  [0x7ffe, 0xffffffff, 0xffffffff],
  [0xfffe, 0xffffffff, 0xffffffff],
  [0x7fff, 0x80000000, 0],
  [0xffff, 0x80000000, 0],
  [0x7fff, 0xc0000000, 0],
  [0xffff, 0xc0000000, 0],
  [0x7fff, 0xa0000000, 1],
  [0xffff, 0x80000000, 1],
  [0x3fff, 0x40000000, 0],
  [0x7fff, 0, 0],
  [0x4000, 0xc90fdaa2, 0x2168c235],
  [0x3ffe, 0x80000000, 0],
  [0x403e, 0x80000000, 0],
  [0xc03e, 0x80000000, 0],
  [0x401e, 0x80000000, 0],
  [0x400e, 0x80000000, 0],
  [0x3ffd, 0xffffffff, 0xffffffff],
  [0x4003, 0xa8000000, 0],
  [0x3c01, 0x80000000, 0],
  [0x43fe, 0xffffffff, 0xffffffff],
  [0x3f81, 0x80000000, 0],
  [0x407e, 0xffffff80, 0],
  [0x3f6a, 0x80000000, 0],
];

export function single(random: Random): number {
  if (random.below(3) === 0) return random.word();
  const value = random.pick(SINGLES);
  return random.below(4) === 0 ? (value ^ (random.word() & 0x80000003)) >>> 0 : value;
}

/** Writes a double of interest, little endian. */
export function putDouble(view: DataView, at: number, random: Random): void {
  const [high, low] = random.below(3) === 0 ? [random.word(), random.word()] : random.pick(DOUBLES);
  // Exponents near one make sums and products that round.
  const near = random.below(3) === 0;
  view.setUint32(at, near ? random.word() : low, true);
  view.setUint32(
    at + 4,
    near ? ((random.word() & 0x800fffff) | ((0x3e0 + random.below(64)) << 20)) >>> 0 : high,
    true,
  );
}

export function putExtended(view: DataView, at: number, random: Random): void {
  let [exponent, high, low] = random.pick(EXTENDED);
  if (random.below(3) === 0) [exponent, high, low] = [random.word() & 0xffff, random.word(), random.word()];
  else if (random.below(2) === 0) {
    exponent = (random.below(2) << 15) | (0x3fff - 40 + random.below(110));
    high = (random.word() | 0x80000000) >>> 0;
    low = random.below(3) === 0 ? 0 : random.word();
  }
  view.setUint32(at, low, true);
  view.setUint32(at + 4, high, true);
  view.setUint16(at + 8, exponent, true);
}

/** 16 bytes for packed integers and packed or scalar floating point alike. */
export function putPacked(view: DataView, at: number, random: Random): void {
  switch (random.below(4)) {
    case 0:
      for (let n = 0; n < 16; n++)
        view.setUint8(at + n, random.pick([0, 1, 0x7f, 0x80, 0xff, random.below(256)]));
      break;
    case 1:
      for (let n = 0; n < 16; n += 4) view.setUint32(at + n, single(random), true);
      break;
    case 2:
      for (let n = 0; n < 16; n += 8) putDouble(view, at + n, random);
      break;
    default:
      for (let n = 0; n < 16; n += 4) view.setUint32(at + n, random.operand(), true);
  }
}

/** Sign, exponent and fraction of a number at which arithmetic does something rare; `other`: what it meets. */
function floatOf(double: boolean, other: bigint, random: Random): bigint {
  const bits = double ? 52n : 23n;
  const top = double ? 0x7ff : 0xff;
  const middle = top >> 1;
  let exponent = 0;
  let fraction = ((BigInt(random.word()) << 32n) | BigInt(random.word())) >> (64n - bits);
  switch (random.below(12)) {
    case 0:
      fraction = 0n;
      break;
    case 1:
      break;
    case 2:
      fraction = BigInt(random.below(4));
      break;
    case 3:
      exponent = top;
      if (random.below(2)) fraction = 0n;
      break;
    case 4:
      exponent = random.below(3);
      break;
    case 5:
      exponent = top - 1 - random.below(3);
      break;
    case 6:
      return other ^ BigInt(random.below(4)) ^ (BigInt(random.below(2)) << (double ? 63n : 31n));
    case 7:
      // Few bits: ties, and exact results.
      exponent = middle + random.below(60);
      fraction &= ~0n << (bits - 6n);
      break;
    case 8:
      exponent = (middle >> 1) + random.below(4);
      break;
    case 9:
      exponent = middle + (top >> 2) + random.below(4);
      break;
    default:
      exponent = middle - 4 + random.below(8);
  }
  return (BigInt(random.below(2)) << (double ? 63n : 31n)) | (BigInt(exponent) << bits) | fraction;
}

/** The two operands of floating-point arithmetic, element by element. */
export function putFloatPairs(first: DataView, second: DataView, double: boolean, random: Random): void {
  const bytes = double ? 8 : 4;
  const put = (view: DataView, at: number, value: bigint) => {
    if (double) view.setBigUint64(at, value, true);
    else view.setUint32(at, Number(value), true);
  };
  for (let at = 0; at < second.byteLength; at += bytes) {
    const one = floatOf(double, 0n, random);
    put(first, at, one);
    put(second, at, floatOf(double, one, random));
  }
}

const PRECISIONS = [0, 2, 3, 3, 3] as const;

/** Control, status, tags and registers of the x87, and XMM registers with MXCSR, in the FXSAVE format. */
export function putFloatingState(
  fx: Uint8Array,
  kind: "integer" | "x87" | "mmx" | "sse",
  random: Random,
): void {
  const view = new DataView(fx.buffer, fx.byteOffset, fx.length);
  view.setUint16(0, 0x37f, true);
  view.setUint32(24, 0x1f80, true);
  if (kind === "integer") return;
  const masked = random.below(5) !== 0;
  const control =
    0x40 | (masked ? 0x3f : random.below(64)) | (random.pick(PRECISIONS) << 8) | (random.below(4) << 10);
  view.setUint16(0, kind === "x87" ? control : 0x37f, true);
  if (kind === "x87") {
    const flags = random.below(3) === 0 ? random.below(128) : 0;
    const pending = (flags & ~control & 0x3f) !== 0 ? 0x8080 : 0;
    // An exception that is pending already hides what the instruction does: seldom.
    const keep = pending && random.below(4) !== 0 ? flags & control & 0x7f : flags;
    const es = (keep & ~control & 0x3f) !== 0 ? 0x8080 : 0;
    view.setUint16(2, keep | es | (random.word() & 0x7d00 & ~0x3800) | (random.below(8) << 11), true);
    fx[4] = random.below(5) === 0 ? random.below(256) : 0xff;
  } else if (random.below(2) === 0) {
    view.setUint16(2, random.below(8) << 11, true);
    fx[4] = random.below(256);
  }
  for (let n = 0; n < 8; n++) {
    putExtended(view, 32 + 16 * n, random);
    if (kind === "mmx") putPacked(view, 32 + 16 * n, random);
    if (kind !== "x87") putPacked(view, XMM_AT + 16 * n, random);
    // Ten bytes of sixteen are the register.
    fx.fill(0, 32 + 16 * n + 10, 48 + 16 * n);
  }
  if (kind === "sse") {
    const masks = random.below(5) !== 0 ? 0x1f80 : random.below(64) << 7;
    const flags = random.below(3) === 0 ? random.below(64) : 0;
    view.setUint32(
      24,
      masks |
        flags |
        (random.below(4) << 13) |
        (random.below(4) === 0 ? 0x8000 : 0) |
        (random.below(6) === 0 ? 0x40 : 0),
      true,
    );
  }
}
