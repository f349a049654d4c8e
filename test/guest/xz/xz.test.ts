import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decompressXz, isXz, XzError } from "../../../src/guest/xz/xz.ts";
import { BLOCKS_WITHOUT_CHECK, codeLike, PLAIN_CRC64, PLAIN_SHA256, X86_CRC32 } from "./streams.ts";

const hasXz = spawnSync("xz", ["--version"]).status === 0;

/** A copy with one byte changed. */
function damaged(stream: Uint8Array, at: number): Uint8Array {
  const copy = stream.slice();
  copy[at] = copy[at]! ^ 0x10;
  return copy;
}

describe("decompressXz", () => {
  it("undoes the x86 branch filter that Linux kernels are packed with", () => {
    expect(decompressXz(X86_CRC32)).toEqual(codeLike());
  });

  it("reads streams with each of the other integrity checks", () => {
    expect(decompressXz(PLAIN_SHA256)).toEqual(codeLike());
    expect(decompressXz(PLAIN_CRC64)).toEqual(codeLike());
  });

  it("joins the blocks of a stream", () => {
    expect(decompressXz(BLOCKS_WITHOUT_CHECK)).toEqual(codeLike());
  });

  it("ignores what follows the stream, as a Linux payload's size word does", () => {
    expect(decompressXz(Uint8Array.from([...X86_CRC32, 1, 2, 3, 4]))).toEqual(codeLike());
  });

  it("notices damage through the check, whichever it is", () => {
    for (const stream of [X86_CRC32, PLAIN_SHA256, PLAIN_CRC64]) {
      // Behind the first 200 bytes of LZMA data a changed byte still decodes to something.
      expect(() => decompressXz(damaged(stream, 200))).toThrow(XzError);
    }
  });

  it("notices a damaged block header", () => {
    expect(() => decompressXz(damaged(X86_CRC32, 14))).toThrow("a block header is damaged");
  });

  it("refuses to be cut off anywhere before the data's end", () => {
    for (let length = 0; length < X86_CRC32.length - 40; length += 7) {
      expect(() => decompressXz(X86_CRC32.subarray(0, length)), `cut at ${length}`).toThrow(XzError);
    }
  });

  it("tells an xz stream by its first bytes", () => {
    expect(isXz(X86_CRC32)).toBe(true);
    expect(isXz(Uint8Array.from([0x1f, 0x8b]))).toBe(false);
  });

  it.skipIf(!hasXz)("agrees with the xz program on machine code under several settings", () => {
    const code = readFileSync(process.execPath).subarray(1 << 20, (1 << 20) + 300_000);
    for (const settings of [
      "--x86=start=4096 --lzma2=preset=1",
      "--x86 --lzma2=lc=0,lp=2,pb=0",
      "--lzma2=lc=1,lp=3,pb=4",
    ]) {
      const packed = spawnSync("xz", ["-zc", ...settings.split(" ")], {
        input: code,
        maxBuffer: 1 << 24,
      }).stdout;
      expect(Buffer.compare(decompressXz(packed), code), settings).toBe(0);
    }
  });

  it.skipIf(!hasXz)("agrees with the xz program where branch opcodes crowd each other", () => {
    let seed = 7;
    for (let round = 0; round < 10; round++) {
      const crowd = Buffer.from(
        Array.from({ length: 2000 }, () => {
          seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
          return [0xe8, 0xe9, 0, 0xff, 1, 0x80][(seed >>> 16) % 6]!;
        }),
      );
      const packed = spawnSync("xz", ["-zc", `--x86=start=${round * 16}`, "--lzma2=preset=0"], {
        input: crowd,
      }).stdout;
      expect(Buffer.compare(decompressXz(packed), crowd)).toBe(0);
    }
  });
});
