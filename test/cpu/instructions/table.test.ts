import { describe, expect, it } from "vitest";
import { OpcodeLookup } from "../../../src/cpu/decode/lookup.ts";
import { line } from "../../../src/cpu/instructions/define.ts";
import { FLAGS_ALL } from "../../../src/cpu/instructions/line.ts";
import { OPCODE_LINES } from "../../../src/cpu/instructions/table.ts";
import { nameOf } from "./support/forms.ts";

describe("the opcode table", () => {
  it("gives every line either semantics or a helper", () => {
    const wrong = OPCODE_LINES.filter((one) => (one.semantics === undefined) === (one.helper === undefined));
    expect(wrong.map(nameOf)).toEqual([]);
  });

  it("refuses lines that claim the same encoding", () => {
    const semantics = () => {};
    const first = line("one", "0F 10", "", { semantics });
    const second = line("two", "0F 10 /3", "", { semantics });
    expect(() => new OpcodeLookup([first, second])).toThrow(/overlap: one 0F 10 and two 0F 10 \/3/);
  });

  it("has something for every one-byte opcode but prefixes, the escape, and nothing else", () => {
    const present = new Set(OPCODE_LINES.filter(({ map }) => map === "one").map(({ opcode }) => opcode));
    const missing = Array.from({ length: 256 }, (_, n) => n).filter((n) => !present.has(n));
    expect(missing).toEqual([0x0f, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3]);
  });

  it("allows LOCK only where operand 0 can be memory and is changed", () => {
    const wrong = OPCODE_LINES.filter(({ lockable, operands }) => {
      const first = operands[0];
      return lockable && !(first?.access === "rw" && /^[EM]/.test(first.code));
    });
    expect(wrong.map(nameOf)).toEqual([]);
  });

  it("lets helpers that may show EFLAGS see every flag", () => {
    const blind = ["mov_from_seg", "mov_to_seg", "push_seg", "pop_seg", "load_far_pointer"];
    const quiet = [...blind, "pop_memory", "enter", "pusha", "popa"];
    const wrong = OPCODE_LINES.filter(
      (one) => one.helper && !quiet.includes(one.helper) && one.readsFlags !== FLAGS_ALL,
    );
    expect(wrong.map(nameOf)).toEqual([]);
  });

  it("ends the block at every control transfer", () => {
    const transfers = /^(j|loop|call|ret|int|iret|sys(enter|exit)|ud|hlt)/;
    const wrong = OPCODE_LINES.filter((one) => transfers.test(one.mnemonic) && !one.endsBlock);
    expect(wrong.map(nameOf)).toEqual([]);
  });
});
