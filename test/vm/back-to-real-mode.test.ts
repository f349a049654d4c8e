import { expect, it } from "vitest";
import { bootFlat, GuestBuilder, mem32 } from "../../src/guest/index.ts";
import type { Gpa } from "../../src/mmu/address.ts";
import { createMachine } from "../../src/vm/machine.ts";

const GDT = 0x600;
const REAL_CODE = 0x8800;
const HANDLER = 0x9000;
const VECTOR = 0x11;
const EXIT_VALUE = 0x10;

/** Leaves protected mode from a 16-bit segment, and raises the interrupt, whose table it has not told the processor of. */
const realCode = new Uint8Array([
  ...[0x0f, 0x20, 0xc0, 0x24, 0xfe, 0x0f, 0x22, 0xc0],
  ...[0xea, (REAL_CODE + 13) & 0xff, (REAL_CODE + 13) >> 8, 0, 0],
  ...[0x31, 0xc0, 0x8e, 0xd0, 0xbc, 0x00, 0x70, 0xcd, VECTOR, 0xf4],
]);
const handler = Uint8Array.of(0xb0, EXIT_VALUE, 0xe6, 0xf4);

/** As kvm-unit-tests' realmode does, and as a BIOS leaves it for boot loaders. */
it.each(["bare", "vtlb", "kvm"] as const)(
  "a kernel that goes back to real mode finds the vector table at 0, under %s",
  (pager) => {
    const program = new GuestBuilder({ origin: 0x8000 })
      .mov(mem32(GDT + 8), 0x0000ffff)
      .mov(mem32(GDT + 12), 0x00009b00)
      .mov(mem32(GDT + 16), 0x06000017)
      .mov(mem32(GDT + 20), 0)
      .mov(mem32(VECTOR * 4), HANDLER)
      .raw([0x0f, 0x01, 0x15, (GDT + 16) & 0xff, (GDT + 16) >> 8, 0, 0])
      .raw([0xea, REAL_CODE & 0xff, REAL_CODE >> 8, 0, 0, 8, 0])
      .build();
    const machine = createMachine({ memoryMiB: 32 });
    const vm = machine.createVm({
      name: "guest",
      pager,
      memoryMiB: 4,
      boot: (memory, state) => {
        bootFlat({ bytes: program.bytes, gpa: program.origin })(memory, state);
        memory.writeBytes(REAL_CODE as Gpa, realCode);
        memory.writeBytes(HANDLER as Gpa, handler);
      },
    });
    machine.run(vm);
    expect([vm.status, vm.exitCode]).toEqual(["exited", (EXIT_VALUE << 1) | 1]);
  },
);
