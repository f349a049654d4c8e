import { describe, expect, it } from "vitest";
import { forkScript, type MarkLine, MarkReader } from "../../bench/boot/marks.ts";
import { KernelWatch } from "../../bench/mips/watch.ts";

describe("the reader of a guest's console", () => {
  const read = (...pieces: string[]): MarkLine[] => {
    const found: MarkLine[] = [];
    const reader = new MarkReader((line) => found.push(line));
    for (const piece of pieces) reader.text(piece);
    return found;
  };

  it("finds marks that come in pieces, with carriage returns", () => {
    expect(read("boot\r\nUMBRA-RE", "ADY\r\nBENCH-BEGIN 4", "7\r\nBENCH-END 250\r\n")).toEqual([
      { mark: "ready" },
      { mark: "forkBegin", pid: 47 },
      { mark: "forkEnd", pid: 250 },
    ]);
  });

  it("waits for the end of a line, and takes no mark out of the middle of one", () => {
    expect(read("UMBRA-READY")).toEqual([]);
    expect(read("echo UMBRA-READY\n")).toEqual([]);
  });
});

describe("the script of forks and execs", () => {
  it("names busybox by its path, so that the shell must fork and exec", () => {
    expect(forkScript(7)).toContain("for i in $(seq 7); do /bin/busybox true; done");
  });
});

describe("the watch over a benchmark kernel", () => {
  it("takes instructions and checksum between the marks, the counter's wrap included", () => {
    let count = 2 ** 32 - 100;
    const watch = new KernelWatch(() => count);
    watch.byte("S".charCodeAt(0));
    count = 900;
    watch.byte("E".charCodeAt(0));
    expect([0x78, 0x56, 0x34, 0x12].map((byte) => watch.byte(byte))).toEqual([false, false, false, true]);
    expect(watch.result()).toMatchObject({ instructions: 1000, checksum: 0x12345678 });
  });

  it("has no result before the last byte of the checksum", () => {
    const watch = new KernelWatch(() => 0);
    for (const byte of [0x53, 0x45, 1, 2, 3]) watch.byte(byte);
    expect(() => watch.result()).toThrow(/stopped before its end/);
  });
});
