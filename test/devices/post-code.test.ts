import { expect, test } from "vitest";
import { PostCode } from "../../src/devices/post-code.ts";

test("the last byte written reads back, and every one is told", () => {
  const told: number[] = [];
  const post = new PostCode((byte) => told.push(byte));
  post.writePort(0x80, 1, 0x12);
  post.writePort(0x80, 1, 0xff);
  expect(post.readPort(0x80, 1)).toBe(0xff);
  expect(told).toEqual([0x12, 0xff]);
  expect(post.state).toEqual({ last: 0xff, writes: 2 });
});
