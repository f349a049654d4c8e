import { BareProcessor, type RegisterSettings } from "umbra";

// Tests of single instructions as they are recorded on real processors: registers and memory before, and what has changed after.
const tests = [
  {
    name: "add [bx+si],ax",
    before: {
      regs: {
        eax: 0x7fff,
        ebx: 0x100,
        esi: 0x20,
        cs: 0x1000,
        ds: 0x2000,
        ss: 0,
        esp: 0x100,
        eip: 0,
        eflags: 2,
      },
      ram: { 65536: 0x01, 65537: 0x00, 65538: 0xf4, 131360: 0x01, 131361: 0x00 },
    },
    after: { regs: { eip: 3, eflags: 0x896 }, ram: { 131360: 0x00, 131361: 0x80 } },
  },
  {
    name: "mov al,[bx]: wrong on purpose",
    before: {
      regs: { eax: 0, ebx: 0x40, cs: 0x1000, ds: 0x2000, eip: 0, eflags: 2 },
      ram: { 65536: 0x8a, 65537: 0x07, 65538: 0xf4, 131136: 0x99 },
    },
    after: { regs: { eip: 3, eax: 0x66 }, ram: {} },
  },
  {
    name: "mov ax,[ffffh]: past the limit, exception 13",
    before: {
      regs: { eax: 0, cs: 0x1000, ds: 0x2000, ss: 0x3000, esp: 0x100, eip: 0, eflags: 2 },
      // The vector of #GP is 4000:0010, where HLT is.
      ram: { 65536: 0xa1, 65537: 0xff, 65538: 0xff, 52: 0x10, 53: 0, 54: 0, 55: 0x40, 262160: 0xf4 },
    },
    after: { regs: { cs: 0x4000, eip: 0x11, esp: 0xfa }, ram: { 196858: 0, 196860: 0, 196861: 0x10 } },
  },
];

const processor = new BareProcessor({ cpu: "p6", memoryMiB: 16 });
for (const { name, before, after } of tests) {
  for (const [address, byte] of Object.entries(before.ram)) processor.setByte(Number(address), byte);
  processor.set(before.regs as RegisterSettings);
  const { end, exceptions } = processor.run(10);
  const wrong: string[] = end === "halted" ? [] : [end];
  const now = processor.registers();
  for (const [register, value] of Object.entries({ ...before.regs, ...after.regs })) {
    const found = now[register as keyof typeof now];
    if (found !== value) wrong.push(`${register} is 0x${found.toString(16)}, not 0x${value.toString(16)}`);
  }
  for (const [address, byte] of Object.entries(after.ram))
    if (processor.byte(Number(address)) !== byte) wrong.push(`byte at 0x${Number(address).toString(16)}`);
  const raised = exceptions.map(({ vector }) => `exception ${vector}`).join(", ");
  console.log(`${wrong.length === 0 ? "ok" : `FAIL (${wrong.join(", ")})`}: ${name} [${raised}]`);
}

// One step at a time, in 32-bit protected mode, with the hidden parts of segment registers as given.
const code = { selector: 0x08, base: 0, limit: 0xffffffff, attributes: 0xc09b };
const data = { selector: 0x10, base: 0, limit: 0x1fff, attributes: 0x4093 };
processor.write(0x1000, [0x8b, 0x03, 0x40]); // MOV EAX, [EBX]; INC EAX
processor.write(0x1ffc, [0xff, 0, 0, 0]);
processor.set({ cr0: 0x11, cs: code, ds: data, ss: data, es: data, eip: 0x1000, ebx: 0x1ffc, eflags: 2 });
console.log(processor.step(), processor.step(), processor.get("eax").toString(16));
processor.set({ eip: 0x1000, ebx: 0x1ffd, idtrLimit: 0 });
console.log(processor.step());
