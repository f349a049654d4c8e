import { describe, expect, test } from "vitest";
import { MemoryDisk } from "../../src/disk/index.ts";
import { bootProgram, GuestBuilder, mem8 } from "../../src/guest/index.ts";
import type { Gpa } from "../../src/mmu/address.ts";
import type { GuestMemory } from "../../src/mmu/guest-memory.ts";
import { createMachine } from "../../src/vm/machine.ts";
import type { VmOptions } from "../../src/vm/options.ts";

const PAGERS = ["bare", "vtlb", "kvm"] as const;
/** Sectors filled with their number. */
const disk = () => new MemoryDisk(new Uint8Array(8 * 512).map((_, at) => at >>> 9));

/** For vms that never run. */
const shared = createMachine({ memoryMiB: 128 });

function create(options: Partial<VmOptions>, machine = shared) {
  const name = `g${machine.vms.size}`;
  return machine.createVm({ name, pager: "bare", memoryMiB: 8, boot: () => {}, ...options });
}

const functionsOf = (options: Partial<VmOptions>) =>
  [...create(options).devices.pci.functions].map(
    ([number, { name }]) => `${number >> 3}.${number & 7} ${name}`,
  );

describe("the PCI bus", () => {
  const bridges = ["0.0 host bridge", "1.0 ISA bridge"];
  const pm = "1.3 power management";

  test("is there for disks and a virtio console, or when it is asked for", () => {
    expect(functionsOf({})).toEqual([]);
    expect(functionsOf({ pci: true })).toEqual([...bridges, pm]);
    expect(functionsOf({ disks: [undefined, disk()] })).toEqual([...bridges, "1.1 IDE", pm]);
    expect(functionsOf({ virtioDisks: [{ disk: disk() }, { disk: disk() }], virtioConsole: true })).toEqual([
      ...bridges,
      pm,
      "3.0 virtio-blk",
      "4.0 virtio-blk",
      "5.0 virtio-console",
    ]);
    expect(functionsOf({ disks: [disk()], virtioConsole: true })).toEqual([
      ...bridges,
      "1.1 IDE",
      pm,
      "3.0 virtio-console",
    ]);
  });

  test("is there for a CD-ROM drive, which is the secondary master", () => {
    expect(functionsOf({ cdrom: disk() })).toEqual([...bridges, "1.1 IDE", pm]);
    expect(() => create({ cdrom: disk(), disks: [disk(), disk(), disk()] })).toThrow(
      "the CD-ROM drive is the secondary master: leave the third of the disks undefined",
    );
    const [, secondary] = create({ cdrom: disk(), disks: [disk()] }).devices.ide;
    secondary?.writePort(0x176, 1, 0xa0);
    expect([2, 3, 4, 5].map((register) => secondary?.readPort(0x170 + register, 1))).toEqual([
      1, 1, 0x14, 0xeb,
    ]);
  });

  test("has level-triggered lines for virtio", () => {
    const elcr = (options: Partial<VmOptions>) => create(options).devices.pic.readPort(0x4d1, 1);
    expect(elcr({ virtioConsole: true })).toBe(0x0c);
    expect(elcr({ disks: [disk()] })).toBe(0);
  });
});

const QUEUE = 0x20000;
const QUEUE_SIZE = 256;
const AVAILABLE = QUEUE + 16 * QUEUE_SIZE;
const USED = QUEUE + 8192;
const REQUEST = 0x30000;
const DATA = 0x31000;
const STATUS = 0x32000;
const REGISTERS = 0xc000;
const SLAVE = 0xa0;
const LINE_11 = 1 << 3;

/** A request to read sector 5, in the rings of a legacy driver. */
function placeRequest(memory: GuestMemory): void {
  const next = 1;
  const deviceWrites = 2;
  const descriptors: [number, number, number, number][] = [
    [REQUEST, 16, next, 1],
    [DATA, 512, next | deviceWrites, 2],
    [STATUS, 1, deviceWrites, 0],
  ];
  const ring = new DataView(new ArrayBuffer(16 * descriptors.length));
  for (const [n, [gpa, bytes, flags, following]] of descriptors.entries()) {
    ring.setUint32(16 * n, gpa, true);
    ring.setUint32(16 * n + 8, bytes, true);
    ring.setUint16(16 * n + 12, flags, true);
    ring.setUint16(16 * n + 14, following, true);
  }
  memory.writeBytes(QUEUE as Gpa, new Uint8Array(ring.buffer));
  memory.writeBytes(AVAILABLE as Gpa, Uint8Array.of(0, 0, 1, 0, 0, 0));
  memory.writeBytes(REQUEST as Gpa, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 5));
  memory.writeBytes(STATUS as Gpa, Uint8Array.of(0xff));
}

/** Gives the device its queue and notifies it. Then to port 0xf4: a byte of the sector + status + used index + the slave 8259A's requests. */
function readingGuest(): GuestBuilder {
  const g = new GuestBuilder({ origin: 0x100000 });
  const out = (port: number, source: "al" | "ax" | "eax", value: number) =>
    g.mov("edx", port).mov("eax", value).out("dx", source);
  out(REGISTERS + 18, "al", 3);
  out(REGISTERS + 8, "eax", QUEUE >> 12);
  out(REGISTERS + 18, "al", 7);
  out(REGISTERS + 16, "ax", 0);
  g.mov("edx", SLAVE).in("al", "dx");
  g.mov("ebx", DATA + 511).add("al", mem8("ebx"));
  g.mov("ebx", STATUS).add("al", mem8("ebx"));
  g.mov("ebx", USED + 2).add("al", mem8("ebx"));
  return g.out(0xf4, "al").hlt();
}

test.each(PAGERS)(
  "a guest under %s reads a sector by virtio, and has an interrupt pending for it",
  (pager) => {
    const program = bootProgram(readingGuest().build());
    const options: Partial<VmOptions> = {
      pager,
      virtioDisks: [{ disk: disk() }],
      boot: (memory, state) => {
        placeRequest(memory);
        program(memory, state);
      },
    };
    const result = create(options, createMachine({ memoryMiB: 16 })).run({ maxInstructions: 10_000 });
    expect(result).toMatchObject({ status: "exited", exitCode: 2 * (5 + 0 + 1 + LINE_11) + 1 });
  },
);

test("a guest that routes the interrupt to another line finds it there, level-triggered if it says so", () => {
  const ISA_BRIDGE_ROUTING = 0x80000860;
  const LINE_5 = 1 << 5;
  const vm = create(
    {
      virtioDisks: [{ disk: disk() }],
      boot: (memory, state) => {
        const g = new GuestBuilder({ origin: 0x110000 });
        // All of its four inputs to line 5, and that by level.
        g.mov("edx", 0xcf8).mov("eax", ISA_BRIDGE_ROUTING).out("dx", "eax");
        g.mov("edx", 0xcfc).mov("eax", 0x05050505).out("dx", "eax");
        g.mov("edx", 0x4d0).mov("al", LINE_5).out("dx", "al").jmp("end").label("end");
        const routing = g.build();
        memory.writeBytes(0x110000 as Gpa, routing.bytes);
        placeRequest(memory);
        const rest = readingGuest().build();
        bootProgram(rest)(memory, state);
        memory.writeBytes((0x110000 + routing.bytes.length) as Gpa, jumpTo(0x110000 + routing.bytes.length));
        state.eip = 0x110000;
      },
    },
    createMachine({ memoryMiB: 16 }),
  );
  const result = vm.run({ maxInstructions: 10_000 });
  expect(result).toMatchObject({ status: "exited", exitCode: 2 * (5 + 0 + 1) + 1 });
  expect(vm.devices.pic.readPort(0x20, 1) & LINE_5).toBe(LINE_5);
});

/** JMP to where the other program begins. */
function jumpTo(from: number): Uint8Array {
  return Uint8Array.of(0xe9, ...new Uint8Array(Int32Array.of(0x100000 - (from + 5)).buffer));
}
