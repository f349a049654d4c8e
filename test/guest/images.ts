import { gzipSync } from "node:zlib";

export interface TestSegment {
  readonly gpa: number;
  readonly gva?: number;
  readonly content: Uint8Array;
  readonly memoryBytes?: number;
}

/** A 32-bit ELF executable. */
export function elfImage(
  entry: number,
  segments: readonly TestSegment[],
  overrides: { machine?: number; class?: number } = {},
): Uint8Array {
  const headers = 52 + 32 * segments.length;
  const size = segments.reduce((sum, segment) => sum + segment.content.length, headers);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, overrides.class ?? 1, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, overrides.machine ?? 3, true);
  view.setUint32(20, 1, true);
  view.setUint32(24, entry, true);
  view.setUint32(28, 52, true);
  view.setUint16(40, 52, true);
  view.setUint16(42, 32, true);
  view.setUint16(44, segments.length, true);
  let offset = headers;
  segments.forEach((segment, index) => {
    const { content } = segment;
    const fields = [
      1,
      offset,
      segment.gva ?? segment.gpa,
      segment.gpa,
      content.length,
      segment.memoryBytes ?? content.length,
      7,
      4096,
    ];
    fields.forEach((field, word) => {
      view.setUint32(52 + index * 32 + word * 4, field, true);
    });
    bytes.set(content, offset);
    offset += content.length;
  });
  return bytes;
}

export interface BzImageOptions {
  /** Uncompressed unless `payload` is given. */
  readonly elf?: Uint8Array;
  readonly payload?: Uint8Array;
  readonly protocol?: number;
  readonly initSize?: number;
  readonly initrdAddrMax?: number;
  readonly cmdlineSize?: number;
  readonly loadflags?: number;
}

/** A bzImage with two setup sectors, whose payload is behind 64 bytes of "decompressor". */
export function bzImage(options: BzImageOptions): Uint8Array {
  const payload = options.payload ?? gzipSync(options.elf ?? new Uint8Array(0));
  const protectedMode = 3 * 512;
  const bytes = new Uint8Array(protectedMode + 64 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0x1f1, 2);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint8(0x200, 0xeb);
  view.setUint8(0x201, 0x66);
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, options.protocol ?? 0x020f, true);
  view.setUint16(0x20e, 0x100, true);
  bytes.set(Buffer.from("1.2.3-test\0"), 0x300);
  view.setUint8(0x211, options.loadflags ?? 3);
  view.setUint32(0x214, 0x100000, true);
  view.setUint32(0x22c, options.initrdAddrMax ?? 0x7fffffff, true);
  view.setUint32(0x230, 0x1000000, true);
  view.setUint8(0x234, 1);
  view.setUint32(0x238, options.cmdlineSize ?? 2047, true);
  view.setUint32(0x248, 64, true);
  view.setUint32(0x24c, payload.length, true);
  view.setBigUint64(0x258, 0x1000000n, true);
  view.setUint32(0x260, options.initSize ?? 0x200000, true);
  bytes.fill(0x90, protectedMode, protectedMode + 64);
  bytes.set(payload, protectedMode + 64);
  return bytes;
}
