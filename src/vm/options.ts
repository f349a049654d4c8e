import type { VirtioDisk } from "../actors/virtio.ts";
import type { Processor } from "../cpu/processor.ts";
import type { CpuState } from "../cpu/state.ts";
import type { CpuModel } from "../cpu/system/cpu-models.ts";
import type { FirmwareFiles } from "../devices/fw-cfg.ts";
import type { Disk } from "../disk/disk.ts";
import type { RomImage } from "../guest/rom.ts";
import type { GuestMemory } from "../mmu/guest-memory.ts";
import type { MachineMemory } from "../mmu/machine-memory.ts";
import type { PagerName } from "../mmu/pager.ts";
import type { KvmOptions } from "../mmu/shadow/kvm/options.ts";
import type { VtlbOptions } from "../mmu/shadow/vtlb/pager.ts";
import type { TimeScale } from "../switch/virtual-time.ts";
import type { Vm } from "./vm.ts";

export interface MachineOptions {
  /** Physical memory for all guests and the monitor's tables. Default 256. */
  readonly memoryMiB?: number;
  /** Let XState interpret the charts instead of compiling them: same behaviour, slower. */
  readonly interpreted?: boolean;
  /** Instructions that a vcpu may retire while another wants the CPU. Default 1,000,000. */
  readonly timeSlice?: number;
  /** Messages that may be queued. */
  readonly busCapacity?: number;
  /** What the CPU is: i386, i486, p6 (default), pentium4 or max. */
  readonly cpu?: CpuModel;
  /** Another CPU than the engine, for tests. */
  readonly processor?: (memory: MachineMemory) => Processor;
}

/** Puts the guest into memory and sets the registers that it begins with. What it throws, `createVm` throws. */
export type Boot = (guest: GuestMemory, state: CpuState) => void;

export interface VmOptions {
  /** Unique on the machine, for its whole life; names the vm's actors. */
  readonly name: string;
  readonly pager: PagerName;
  /** Of the kvm pager. Other pagers ignore them. */
  readonly kvm?: Omit<KvmOptions, "listener">;
  /** Of the vtlb pager. Other pagers ignore them. */
  readonly vtlb?: VtlbOptions;
  /** Guest-physical memory, the legacy hole included. Default 128. */
  readonly memoryMiB?: number;
  readonly boot: Boot;
  /** Instructions after which the guest is killed. Default: none. */
  readonly maxInstructions?: number;
  /** Exits in a row without a retired instruction after which the guest is killed. Default 4,000,000. */
  readonly maxStalledExits?: number;
  /** What is not given is as in DEFAULT_TIME_SCALE. */
  readonly time?: Partial<TimeScale>;
  /** What the real-time clock shows at power-on, in seconds since 1970. Default: the beginning of 2026, for repeatable runs. */
  readonly rtcEpochSeconds?: number;
  /** ROM images, which the guest reads and cannot change. */
  readonly roms?: readonly RomImage[];
  /** Files that firmware finds in fw_cfg, beside those that the machine itself gives it (map of memory, ACPI tables). */
  readonly firmwareFiles?: FirmwareFiles;
  /** Firmware is told (by fw_cfg) that there is no screen to look at, and SeaBIOS then talks on the serial port as well. Default: yes. */
  readonly firmwareOnSerial?: boolean;
  /** A PCI bus with its chip set, which can show RAM in place of ROM from C0000 to FFFFF. Default: when there is something on it. Needed for disks and virtio. */
  readonly pci?: boolean;
  /** IDE disks: primary master and slave, secondary master and slave. With any of them the controller is on the PCI bus. */
  readonly disks?: readonly (Disk | undefined)[];
  /** A disc in a CD-ROM drive, which is the secondary master. It is never written. */
  readonly cdrom?: Disk;
  /** Disks on virtio, on the PCI bus: /dev/vda and so on. */
  readonly virtioDisks?: readonly VirtioDisk[];
  /** A virtio console (hvc0) beside the serial port. What is typed goes to it while a driver drives it. Default: none. */
  readonly virtioConsole?: boolean;
  /** I/O ports besides 0xe9 whose bytes go to the console, such as a printer's 0x3bc or 0x378. Default: none. */
  readonly consolePorts?: readonly number[];
  /** There is a VGA adapter in text mode, with its memory at 0xb8000. Default: none. */
  readonly vga?: boolean;
  /** There is a device by which test images drive interrupt lines and find memory that is not RAM (src/devices/test-device.ts). Default: none. */
  readonly testDevice?: boolean;
  /**
   * A local APIC and an I/O APIC beside the 8259 pair, and the tables of firmware (ACPI, MultiProcessor) by which guests find them, in ROM from
   * 0xf0000 on. Default: no.
   */
  readonly apic?: boolean;
  /** Processors, 1 to 8; more than one need `apic`. They take turns on the machine's CPU and share its speed. Default 1. */
  readonly cpus?: number;
  /** Instructions that a processor may retire while another of the vm has work: less is finer interleaving, and a prime is best (see DEFAULT_QUANTUM). Default 20,011. */
  readonly quantum?: number;
  /**
   * Resets (a triple fault among them) after which the guest begins anew, as on a PC; Infinity: all. The next one ends the vm. Default: 0. See
   * docs/embedding.md.
   */
  readonly reboots?: number;
  /** A keyboard is plugged in. Default: none. */
  readonly keyboard?: boolean;
}

export interface RunOptions {
  /** Come back after so many more instructions of this vm, all processors together. */
  readonly budget?: number;
  /** Come back when the console's output since the call matches, or when the function says so (asked between bursts). */
  readonly until?: RegExp | ((vm: Vm) => boolean);
  /** Kill the guest when it has retired so many instructions since power-on. */
  readonly maxInstructions?: number;
}

export interface RunAsyncOptions extends RunOptions {
  /** Come back, with status "stopped", when aborted. */
  readonly signal?: AbortSignal;
  /** While the guest idles, let its time pass no faster than the wall clock's. For interactive use. */
  readonly paced?: boolean;
}

/** How a vm is. The last six are for ever. */
export type VmStatus =
  | "created"
  | "running"
  /** Halted; only console input can wake it. */
  | "waiting"
  | "paused"
  | "halted"
  | "shutdown"
  | "reset"
  | "exited"
  | "killed"
  | "failed";

export interface RunResult {
  /**
   * Why the run came back: `until`, `budget`, `break` (a break point of the bus), `stopped` (`machine.stop` or the signal), `waiting`,
   * `paused`, or how the vm has ended.
   */
  readonly status:
    | "until"
    | "budget"
    | "break"
    | "stopped"
    | "waiting"
    | "paused"
    | "halted"
    | "shutdown"
    | "reset"
    | "exited"
    | "killed"
    | "failed";
  /** In words, of a vm that has ended. */
  readonly reason?: string;
  /** Of a vm that has exited: 0 to 255. */
  readonly exitCode?: number;
  /** Retired since power-on, by all processors. */
  readonly instructions: number;
  readonly virtualNs: number;
}
