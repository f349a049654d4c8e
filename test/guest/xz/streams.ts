/**
 * Streams made with `xz` from the bytes that `codeLike` gives, in base64.
 */

/** Bytes that look like code to the x86 branch filter: many calls and jumps, some of them overlapping. */
export function codeLike(): Uint8Array {
  const bytes: number[] = [];
  let seed = 12345;
  const random = (): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return seed >>> 16;
  };
  for (let count = 0; count < 120; count++) {
    const kind = random() % 4;
    if (kind < 2) {
      const target = [0x100, 0x340, 0x7f0][random() % 3]!;
      const distance = (target - (bytes.length + 5)) | 0;
      bytes.push(0xe8 + (kind & 1), distance, distance >> 8, distance >> 16, distance >>> 24);
    } else if (kind === 2) {
      bytes.push(0xe8, 0xe9, 0xe8, 0, 0xff, 0xe8);
    } else {
      bytes.push(0x90, 0, 0xff, 0x55);
    }
  }
  return Uint8Array.from(bytes);
}

const decode = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "base64"));

/** xz --x86 --lzma2 --check=crc32 */
export const X86_CRC32 = decode(
  "/Td6WFoAAAFpIt42AgEEACEBFgANhjUf4AJhAQ5dAHP//B8OMdXMTzv8pHSCrGzulKZ2DfPBXp2Ed75X/goeRaqIoovHtH1F8SPu" +
    "gD3/hd/s7EfPtwou0S/bi5lDWxgrfbrtgVh8dfWdyy56fuseAPukjbua1YDbKkQQzlRPvsDCuBr4KBcpasnPKPAt/VUGlAJpFXVp" +
    "14dkGLoXHmc5INO/tbfTCUKIg1d8/Q+ZOH5M9/zD5Ct+kCsjE0UiN4FsAt2Cab2al1G4PP/IM1N/nKXgrknIIa6/qCdgu/nfMxIu" +
    "8aIrOp3zigGUYwhZG7r5KmGV+thI0atx4etde0lYWJry+PDu9n32iAUUqQj/nwuHS8XCjM/bhja7UO7s88hySYQHRcSjqQqnRuJM" +
    "AAAAABVUeIgAAaYC4gQAACFUrw0+MA2LAgAAAAABWVo=",
);

/** xz --check=sha256 */
export const PLAIN_SHA256 = decode(
  "/Td6WFoAAArh+wyhAgAhARYAAAB0L+Wj4AJhAPFdAHQ+vBk+ECGzkQD5jRFzq5DWF3AB3/cFM6TZtMNQbZJBaDJyjvQ77I8FMYVG" +
    "BtUoOov7St5MhJmgxL9X0hHBCwieDkkMLJ3sVApAoA/MhbgqwR96BV2jsIBcQudAX+uXdqjgb6LFfI85n28TiOPy+iJtmKPKZe7O" +
    "pk9erZwf9wsSTR+Zyv5TKUnKyNuwbsLlW/VVdzLhlgn+TsGHCDUMPFv2VvcN7nVjG9SN7KePzzy9ah2tMHsSckbntJBRGT56kOGe" +
    "wfPLHxqGgdix2ejCt38SM6NpCvYyfCCxGdS/SwTwOzd9k7+/pR7lMB8wfijYpw8AAAAAQXqqv6HpkyYOk9mwZ8W9xvJijcRookdE" +
    "au6+mhtEgKMAAaUC4gQAAI8mO4u26d8cAgAAAAAKWVo=",
);

/** xz --check=crc64 */
export const PLAIN_CRC64 = decode(
  "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4AJhAPFdAHQ+vBk+ECGzkQD5jRFzq5DWF3AB3/cFM6TZtMNQbZJBaDJyjvQ77I8FMYVG" +
    "BtUoOov7St5MhJmgxL9X0hHBCwieDkkMLJ3sVApAoA/MhbgqwR96BV2jsIBcQudAX+uXdqjgb6LFfI85n28TiOPy+iJtmKPKZe7O" +
    "pk9erZwf9wsSTR+Zyv5TKUnKyNuwbsLlW/VVdzLhlgn+TsGHCDUMPFv2VvcN7nVjG9SN7KePzzy9ah2tMHsSckbntJBRGT56kOGe" +
    "wfPLHxqGgdix2ejCt38SM6NpCvYyfCCxGdS/SwTwOzd9k7+/pR7lMB8wfijYpw8AAAAAadmMeN6oZHUAAY0C4gQAANShxGCxxGf7" +
    "AgAAAAAEWVo=",
);

/** xz --check=none --block-size=150 */
export const BLOCKS_WITHOUT_CHECK = decode(
  "/Td6WFoAAAD/EtlBAgAhARYAAAB0L+Wj4ACVAE1dAHQ+vBk+ECGzkQD5jRFzq5DWF3AB3/cFM6TZtMNQbZJBaDJyjvQ77I8FMYVG" +
    "BtUoOov7St5MhJmgxL9X0hHBCwieDkkMLJ3sVAxJ0CYAAAAAAAIAIQEWAAAAdC/lo+AAlQBLXQB0qTxADAJWDP8tnwNkrMu98r+W" +
    "ONpCQ5hFWCFW2Te2+E31X5PJ39d+LOdh9vjqz3exEBlfr04YCgj8Fk9jk+uoD7vTNCWLWqj24AAAAAIAIQEWAAAAdC/lo+AAlQBE" +
    "XQAAP8tZEe+bdgCeoNhQ1I4NNA0vLZxSdc48j/dzeFFsOkMzAuTZREfYedGPu2FgyD9bseslUpkv692X2a4nNCjPJNiuwAACACEB" +
    "FgAAAHQv5aPgAJUAUl0ASAAb5V4oAzBky9ZROctXNh/BYjwKgD4JyYv2gxPz0MBVJcImEIR/SVdk2A7VmbnbWaLrkQG/KdhLe2tR" +
    "fazce3iI93PHZyIeMskNbd1YHSt/wAAAAAIAIQEWAAAAdC/lowEACenoAP/o6Z7+//8AAAAABWGWAV+WAViWAWaWARoKRnOvz7Xj" +
    "UyoEAAAAAABZWg==",
);
