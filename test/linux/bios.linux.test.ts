import { beforeAll, describe, expect, test } from "vitest";
import { biosImages } from "../../scenarios/support/bios.ts";
import { runBoot } from "../../scenarios/support/boot.ts";
import { sendsOf } from "../../scenarios/support/sends.ts";
import { MemoryDisk } from "../../src/disk/index.ts";
import type { Gpa } from "../../src/mmu/address.ts";
import { createMachine } from "../../src/vm/machine.ts";
import type { VmOptions } from "../../src/vm/options.ts";
import type { Vm } from "../../src/vm/vm.ts";
import { FIRST_EXTENT, isoImage } from "../support/iso-image.ts";

/** SeaBIOS, as Debian builds it, boots a disk: a sector that prints by INT 10h, reads by INT 13h, and echoes keys by INT 16h until Enter. */

const MEMORY_MIB = 16;
const CODE = [
  "31c0 8ed8 8ec0", // XOR AX, AX; MOV DS, AX; MOV ES, AX
  "8816f07b", // MOV [7BF0], DL: the drive
  "be4b7c e82c00", // MOV SI, hello; CALL print
  "b80102 b90200 b600", // MOV AX, 0201; MOV CX, 2; MOV DH, 0: one sector, the second
  "8a16f07b bb007e cd13 7216", // MOV DL, [7BF0]; MOV BX, 7E00; INT 13; JC fail
  "be007e e81300", // MOV SI, 7E00; CALL print
  "b400 cd16 b40e cd10", // key: MOV AH, 0; INT 16; MOV AH, 0E; INT 10
  "3c0d 75f4", // CMP AL, 0D; JNE key
  "b021 e6f4", // MOV AL, 21; OUT F4, AL
  "f4 ebfd", // fail: HLT; JMP fail
  "ac 08c0 7409 b40e bb0700 cd10 ebf2 c3", // print: LODSB; OR AL, AL; JZ done; MOV AH, 0E; MOV BX, 7; INT 10; JMP print; done: RET
].join("");

function disk(): MemoryDisk {
  const bytes = Buffer.alloc(2048 * 512);
  const code = Buffer.from(CODE.replaceAll(" ", ""), "hex");
  code.copy(bytes);
  bytes.write("Hello from the boot sector\r\n", code.length, "latin1");
  bytes.writeUInt16BE(0x55aa, 510);
  bytes.write("Sector two\r\ntype> ", 512, "latin1");
  return new MemoryDisk(bytes);
}

/** Of a CD: prints by INT 10h, and what it reads by INT 13h from the sector behind its own. */
const CD_CODE = [
  "ea 0500 c007", // JMP 07C0:0005
  "8cc8 8ed8 8ec0", // MOV AX, CS; MOV DS, AX; MOV ES, AX
  "be4600 e81600", // MOV SI, hello; CALL print
  "b442 be3600 cd13 720a", // MOV AH, 42; MOV SI, request; INT 13; JC fail
  "be0008 e80700", // MOV SI, 800; CALL print
  "b021 e6f4", // MOV AL, 21; OUT F4, AL
  "f4 ebfd", // fail: HLT; JMP fail
  "ac 08c0 7409 b40e bb0700 cd10 ebf2 c3", // print: LODSB; OR AL, AL; JZ done; MOV AH, 0E; MOV BX, 7; INT 10; JMP print; done: RET
  "1000 0100 0008 c007", // request: one sector to 07C0:0800
].join("");

function disc(): MemoryDisk {
  const boot = Buffer.alloc(2 * 2048);
  const code = Buffer.from(CD_CODE.replaceAll(" ", ""), "hex");
  code.copy(boot);
  boot.writeUInt32LE(FIRST_EXTENT + 1, code.length);
  boot.write("Hello from the CD\r\n", code.length + 8, "latin1");
  boot.write("Its second sector\r\n", 2048, "latin1");
  return new MemoryDisk(
    isoImage({ boot: boot.subarray(0, 2048), files: { "SECOND.BIN": boot.subarray(2048) } }),
  );
}

let bios: Awaited<ReturnType<typeof biosImages>>;
beforeAll(async () => {
  bios = await biosImages({}, MEMORY_MIB, false);
}, 600_000);

function create(options: Pick<VmOptions, "pager"> & Partial<VmOptions>): Vm {
  return createMachine({ memoryMiB: MEMORY_MIB + 24 }).createVm({
    name: "pc",
    memoryMiB: MEMORY_MIB,
    boot: () => {},
    roms: bios.roms,
    firmwareFiles: bios.files,
    apic: true,
    pci: true,
    vga: true,
    keyboard: true,
    ...options,
  });
}

const run = (vm: Vm, until: RegExp | undefined, ...flags: [string, string][]) =>
  runBoot(vm, {
    until,
    sends: sendsOf(flags.map(([name, value]) => ({ name, value }))),
    auditExits: 50_000,
    maxInstructions: 500e6,
  });

/** A table of ACPI or of the MultiProcessor Specification in guest memory. */
class Table {
  readonly bytes: Buffer;
  constructor(vm: Vm, gpa: number, sizeBytes: number) {
    this.bytes = Buffer.from(vm.memory.readBytes(gpa as Gpa, sizeBytes));
  }
  static acpi(vm: Vm, gpa: number): Table {
    return new Table(vm, gpa, new Table(vm, gpa, 8).word(4));
  }
  word(at: number): number {
    return this.bytes.readUInt32LE(at);
  }
  get signature(): string {
    return this.bytes.toString("latin1", 0, 4);
  }
  get sum(): number {
    return this.bytes.reduce((total, byte) => (total + byte) & 0xff, 0);
  }
}

/** As a kernel searches below 1 MiB. */
function find(vm: Vm, signature: string): number {
  const at = Buffer.from(vm.memory.readBytes(0xe0000 as Gpa, 0x20000)).indexOf(signature);
  expect(at & 15).toBe(0);
  return 0xe0000 + at;
}

describe.each(["bare", "vtlb", "kvm"] as const)("SeaBIOS under %s", (pager) => {
  test("boots from an IDE disk; what is typed is echoed on the screen", async () => {
    const vm = create({ pager, disks: [disk()] });
    const outcome = await run(vm, undefined, ["type-after", "type>"], ["type", "Ab c!\\n"]);
    expect(outcome.result).toMatchObject({ status: "exited", exitCode: 0x43 });
    expect(outcome.audits.violations).toBe(0);
    expect(vm.screen?.filter((row) => row !== "")).toEqual([
      expect.stringMatching(/^SeaBIOS \(version /),
      "Booting from Hard Disk...",
      "Hello from the boot sector",
      "Sector two",
      "type> Ab c!",
    ]);
  }, 120_000);
});

describe.each(["bare", "vtlb", "kvm"] as const)("SeaBIOS and a CD under %s", (pager) => {
  const rows = (vm: Vm) => vm.screen?.filter((row) => row !== "").slice(1);

  test("is booted where there is no disk", async () => {
    const vm = create({ pager, cdrom: disc() });
    const outcome = await run(vm, undefined);
    expect(outcome.result).toMatchObject({ status: "exited", exitCode: 0x43 });
    expect(outcome.audits.violations).toBe(0);
    expect(rows(vm)).toEqual(["Booting from DVD/CD...", "Hello from the CD", "Its second sector"]);
  }, 120_000);
});

test("a disk is booted rather than a CD", async () => {
  const vm = create({ pager: "vtlb", disks: [disk()], cdrom: disc() });
  expect((await run(vm, /Sector two/)).reached).toBe(true);
  expect(vm.firmwareLog.text).toContain("DVD/CD [ata1-0: UMBRA CD-ROM ATAPI-6 DVD/CD]");
}, 120_000);

test("finds a virtio disk, starts other processors, and leaves ACPI and MultiProcessor tables in memory", async () => {
  const vm = create({ pager: "kvm", virtioDisks: [{ disk: disk() }], cpus: 3 });
  const outcome = await run(vm, /type>/);
  expect(outcome.reached).toBe(true);
  expect(vm.firmwareLog.text).toMatch(/Found 3 cpu\(s\)/);
  const rsdp = new Table(vm, find(vm, "RSD PTR "), 20);
  const rsdt = Table.acpi(vm, rsdp.word(16));
  const tables = [36, 40].map((at) => Table.acpi(vm, rsdt.word(at)));
  const dsdt = Table.acpi(vm, (tables[0] as Table).word(40));
  expect([rsdt, ...tables, dsdt].map(({ signature }) => signature)).toEqual(["RSDT", "FACP", "APIC", "DSDT"]);
  expect([rsdp, rsdt, ...tables, dsdt].map(({ sum }) => sum)).toEqual([0, 0, 0, 0, 0]);
  expect(new Table(vm, (tables[0] as Table).word(36), 4).signature).toBe("FACS");
  expect(new Table(vm, find(vm, "_MP_"), 16).sum).toBe(0);
}, 120_000);

test("the same run gives the same instructions and the same memory", async () => {
  const once = async () => {
    const vm = create({ pager: "vtlb", disks: [disk()] });
    await run(vm, /Sector two/);
    return [vm.stats().instructions, vm.stats().virtualNs, vm.memoryHash()];
  };
  expect(await once()).toEqual(await once());
}, 120_000);
