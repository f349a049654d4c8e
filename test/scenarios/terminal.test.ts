import { describe, expect, it } from "vitest";
import { EscapeKeys } from "../../scenarios/support/terminal.ts";

/** What comes of typed chunks: bytes for the guest, and commands. */
function type(...chunks: string[]): { guest: string; commands: string } {
  const keys = new EscapeKeys();
  let guest = "";
  let commands = "";
  for (const chunk of chunks)
    guest += Buffer.from(
      keys.feed(Buffer.from(chunk, "latin1"), (key) => {
        commands += String.fromCharCode(key);
      }),
    ).toString("latin1");
  return { guest, commands };
}

describe("the interactive console", () => {
  it("passes all keys on to the guest, Ctrl-C among them", () => {
    expect(type("ls\r", "\x03\x1b[A")).toEqual({ guest: "ls\r\x03\x1b[A", commands: "" });
  });

  it("takes the key after Ctrl-A as a command, also when it comes later", () => {
    expect(type("a\x01xb")).toEqual({ guest: "ab", commands: "x" });
    expect(type("a\x01", "x", "b")).toEqual({ guest: "ab", commands: "x" });
  });

  it("sends one Ctrl-A for two", () => {
    expect(type("\x01\x01x")).toEqual({ guest: "\x01x", commands: "" });
  });
});
