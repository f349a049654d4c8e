import { GuestBuilder, ref } from "../../src/guest/builder/index.ts";
import { bzImage, elfImage } from "../guest/images.ts";

export const KERNEL_GPA = 0x1000000;
export const GREETING = "tiny kernel\n";

/** A "kernel" that greets on COM1 and then spins for ever, in the clothes of a bzImage. */
export function tinyKernel(): Uint8Array {
  const code = new GuestBuilder({ origin: KERNEL_GPA })
    .mov("esi", ref("greeting"))
    .mov("edx", 0x3f8)
    .mov("ecx", GREETING.length)
    .string("outs", 8, "rep")
    .label("spin")
    .jmp("spin")
    .label("greeting")
    .db(GREETING)
    .build();
  return bzImage({ elf: elfImage(KERNEL_GPA, [{ gpa: KERNEL_GPA, content: code.bytes }]) });
}
