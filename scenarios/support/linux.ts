/** The Linux guest of the scenarios: which kernel, which initramfs, how it is entered. */
import { readFileSync } from "node:fs";
import type { CpuModel } from "../../src/cpu/system/cpu-models.ts";
import { bootLinux, bootMultiboot, type GuestBoot } from "../../src/guest/boots.ts";
import { unpackedDirectory } from "../../src/guest/debian/cache.ts";
import { DEBIAN_FLAVOURS, type DebianGuest, fetchDebianGuest } from "../../src/guest/debian/fetch.ts";
import { debianModules } from "../../src/guest/debian/modules.ts";
import { isElf, parseElf32 } from "../../src/guest/elf.ts";
import { readImageFile } from "../../src/guest/files.ts";
import { buildInitramfs } from "../../src/guest/initramfs/initramfs.ts";
import type { UnpackWhere } from "../../src/guest/linux/loader.ts";
import { unpackKernelCached } from "../../src/guest/linux/unpack-cache.ts";
import { type FlagSpecs, type FlagValues, oneOf, UsageError } from "./flags.ts";

/** Without tests of the kernel's ciphers, which are most of the instructions of a boot otherwise. */
const DEFAULT_COMMAND_LINE = "console=ttyS0 nokaslr cryptomgr.notests";

export const LINUX_FLAGS = {
  guest: {
    type: "string",
    value: "NAME",
    help: `Debian's kernel to boot: ${DEBIAN_FLAVOURS.join(", ")}, the latter with PAE page tables and execute-disable (default: 686)`,
  },
  kernel: {
    type: "string",
    value: "FILE",
    help: "a bzImage, or a Multiboot ELF (default: Debian's linux-image-686)",
  },
  initrd: {
    type: "string",
    value: "FILE",
    help: "initial ram disk (default: one with busybox, made by Umbra)",
  },
  append: { type: "string", value: "TEXT", help: `kernel command line (default: "${DEFAULT_COMMAND_LINE}")` },
  script: {
    type: "string",
    value: "TEXT|@FILE",
    help: "shell text that the guest runs; prints UMBRA-DONE rc=N after it",
  },
  unpack: {
    type: "string",
    value: "WHERE",
    help: "who decompresses the kernel: host (default), or guest: the kernel's own decompressor, 2.4e9 instructions",
  },
} as const satisfies FlagSpecs;

export type LinuxFlags = FlagValues<typeof LINUX_FLAGS>;

export interface LinuxOptions {
  /** After the script a shell instead of power-off. */
  readonly keepShell: boolean;
  /** Modules of Debian's kernel that init loads, in this order. */
  readonly modules?: readonly string[];
  /** A device in /dev for the shell, instead of the console. */
  readonly terminal?: string;
  /** A device in /dev whose file system becomes the root. */
  readonly root?: string | undefined;
}

export interface LinuxGuest {
  readonly boot: GuestBoot;
  /** The processor that shows most of what the kernel can do, unless another is asked for. */
  readonly cpu: CpuModel;
  readonly hasScript: boolean;
}

/**
 * Reads, fetches and builds what the flags ask for.
 * @throws UsageError, GuestImageError, GuestFetchError
 */
export async function linuxGuest(flags: LinuxFlags, options: LinuxOptions): Promise<LinuxGuest> {
  const { keepShell, modules = [], terminal, root } = options;
  const commandLine = flags.append ?? DEFAULT_COMMAND_LINE;
  const unpack = unpackOf(flags.unpack);
  const flavour = flags.guest === undefined ? "686" : oneOf("guest", flags.guest, DEBIAN_FLAVOURS);
  const cpu = flavour === "686-pae" ? "max" : "p6";
  const script = scriptOf(flags.script);
  if (script !== undefined && flags.initrd !== undefined)
    throw new UsageError("--script goes into the initramfs that Umbra makes: leave --initrd out");
  // Own images first, so that a wrong path is told before anything is fetched.
  const ownKernel = flags.kernel === undefined ? undefined : readImageFile(flags.kernel, "kernel");
  const ownInitrd = flags.initrd === undefined ? undefined : readImageFile(flags.initrd, "initrd");
  const multiboot = ownKernel !== undefined && isElf(ownKernel);
  let debian: DebianGuest | undefined;
  if (ownKernel === undefined || (ownInitrd === undefined && !multiboot))
    debian = await fetchDebianGuest({
      flavour,
      onProgress: (line) => process.stderr.write(`guests: ${line}\n`),
    });
  const kernel = ownKernel ?? readImageFile((debian as DebianGuest).kernelPath, "kernel");
  const initrd =
    ownInitrd ??
    (debian &&
      buildInitramfs({
        busybox: readImageFile(debian.busyboxPath, "busybox"),
        ...(script !== undefined && { script }),
        after: script === undefined || keepShell ? "shell" : "poweroff",
        ...(terminal !== undefined && { terminal }),
        ...(root !== undefined && { root }),
        ...(modules.length > 0 && { modules: await debianModules(debian, modules) }),
      }));
  const hasScript = script !== undefined;
  if (multiboot) {
    parseElf32(kernel, "kernel");
    const loaded = initrd === undefined ? [] : [{ bytes: initrd, text: "initrd" }];
    return { boot: bootMultiboot({ kernel, commandLine, modules: loaded }), cpu, hasScript };
  }
  return {
    boot: bootLinux({
      kernel,
      commandLine,
      unpack,
      ...(initrd !== undefined && { initrd }),
      ...(unpack === "host" && {
        unpacked: unpackKernelCached(kernel, debian?.unpackedDirectory ?? unpackedDirectory()).elf,
      }),
    }),
    cpu,
    hasScript,
  };
}

function unpackOf(text: string | undefined): UnpackWhere {
  if (text === undefined || text === "host" || text === "guest") return text ?? "host";
  throw new UsageError(`--unpack takes host or guest, not "${text}"`);
}

function scriptOf(text: string | undefined): string | undefined {
  if (!text?.startsWith("@")) return text;
  try {
    return readFileSync(text.slice(1), "utf8");
  } catch (error) {
    throw new UsageError(`--script: cannot read ${text.slice(1)} (${(error as NodeJS.ErrnoException).code})`);
  }
}
