import { C1, IE, PE } from "./flags.ts";
import { type Float80, SIGN } from "./float80.ts";
import { integer, packExact, toInteger } from "./integral.ts";
import type { Environment } from "./rounding.ts";

const DIGITS = 18;
const LIMIT = 10n ** BigInt(DIGITS);

/** FBLD: 18 packed decimal digits and a sign byte to an 80-bit value (exact). Digits above 9 count as they stand. */
export function fromPackedDecimal(bytes: Uint8Array, out: Float80): void {
  let value = 0n;
  for (let i = 8; i >= 0; i--) {
    const byte = bytes[i] as number;
    value = value * 100n + BigInt((byte >>> 4) * 10 + (byte & 15));
  }
  const sign = (bytes[9] as number) & 0x80 ? SIGN : 0;
  packExact(sign, Number(value >> 32n) | 0, Number(value & 0xffffffffn) | 0, out);
}

/** FBSTP: rounds to an integer and writes ten bytes; beyond 18 digits is invalid and gives the packed-decimal indefinite. */
export function toPackedDecimal(env: Environment, a: Float80, bytes: Uint8Array): void {
  const negative = (a.se & SIGN) !== 0;
  toInteger(env, a, 64);
  let value = BigInt.asIntN(64, (BigInt(integer.hi) << 32n) | BigInt(integer.lo));
  if (value < 0n) value = -value;
  if (env.flags & IE || value >= LIMIT) {
    env.flags = (env.flags & ~(PE | C1)) | IE;
    bytes.fill(0, 0, 7);
    bytes[7] = 0xc0;
    bytes[8] = 0xff;
    bytes[9] = 0xff;
    return;
  }
  for (let i = 0; i < 9; i++) {
    const pair = Number(value % 100n);
    bytes[i] = (Math.floor(pair / 10) << 4) | (pair % 10);
    value /= 100n;
  }
  bytes[9] = negative ? 0x80 : 0;
}
