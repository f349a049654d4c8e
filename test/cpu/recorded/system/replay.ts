import { readFileSync } from "node:fs";
import { ExitReason } from "../../../../src/cpu/exit.ts";
import { EngineGuest } from "../../engine/support/guest.ts";
import { moduleOf, recordsIn, type SystemRecord, WHERE } from "./record.ts";

/** harness.asm on the engine. */

const IMAGE = 0x100000;
const IMAGE_PAGES = 4;
const INFORMATION = 0x104000;
const MODULE = 0x200000;
/** 4 MiB but for the first 64 KiB, which every guest has: what the guest maps. */
const MEMORY_PAGES = 0x3f0;
const FRAMES = 1088;
/** Where loaders leave the address of the kernel's entry in a Multiboot header, and the header in this image. */
const ENTRY_FIELD = 28;
const DEBUG_EXIT = 0xf4;
const BUDGET = 50_000_000;
const EBX = 3;

/** The image as the recorder has assembled it, in Base64. */
export const IMAGE_FILE = new URL("./harness.json", import.meta.url);

export class SystemReplay {
  readonly #guest = new EngineGuest({
    frames: FRAMES,
    memory: [[0x10000, MEMORY_PAGES]],
  });
  readonly #image: Uint8Array;

  constructor(image: Uint8Array = Buffer.from(JSON.parse(readFileSync(IMAGE_FILE, "utf8")).image, "base64")) {
    this.#image = image;
  }

  /** Outcomes in the order of the cases. */
  run(cases: readonly SystemRecord[]): SystemRecord[] {
    const guest = this.#guest;
    const { cpu } = guest;
    if (this.#image.length > IMAGE_PAGES * 4096) throw new RangeError("the image is larger than its place");
    guest.write(IMAGE, this.#image);
    const module = moduleOf(cases);
    guest.write(MODULE, module);
    // Of the information only the modules are looked at: their list lies behind it.
    guest.write32(INFORMATION, ...[0, 0, 0, 0, 0, 1, INFORMATION + 64]);
    guest.write32(INFORMATION + 64, MODULE);
    guest.enterFlat({ ring: 0, paged: false, eip: guest.read32(IMAGE + ENTRY_FIELD), esp: 0 });
    cpu.state.setReg(EBX, INFORMATION);
    for (;;) {
      const exit = guest.runToExit(BUDGET, 4);
      if (exit.reason !== ExitReason.io)
        throw new Error(`left with ${exit.reason} at 0x${cpu.state.eip.toString(16)}`);
      if (exit.port === DEBUG_EXIT) break;
      cpu.answer(0);
    }
    if (guest.read32(WHERE + 4) !== 1) throw new Error("the guest has not come to its end");
    const answer = new Uint8Array(module.length);
    for (let at = 0; at < answer.length; at += 4096) {
      const hpa = guest.hpa(MODULE + at);
      answer.set(guest.machine.u8.subarray(hpa, hpa + Math.min(4096, answer.length - at)), at);
    }
    return recordsIn(answer);
  }
}
