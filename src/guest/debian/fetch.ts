import { readdirSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { mebibytes } from "../errors.ts";
import { PrivateApt } from "./apt.ts";
import { defaultCacheDirectory, unpackedDirectory } from "./cache.ts";
import { unpackDeb } from "./deb.ts";
import { fetchFolder, noPackage, packageFile } from "./fetch-folder.ts";
import {
  type CachedPackage,
  describeFile,
  type GuestManifest,
  MANIFEST_SCHEMA,
  readManifest,
  writeManifest,
} from "./manifest.ts";

/** Debian's two 32-bit kernels: two-level page tables, and PAE with execute-disable. */
export const DEBIAN_FLAVOURS = ["686", "686-pae"] as const;
export type DebianFlavour = (typeof DEBIAN_FLAVOURS)[number];

const BUSYBOX_PACKAGE = "busybox-static";

/** What a flavour is called by Debian and in the cache. */
interface FlavourNames {
  /** Depends on the kernel of the day. */
  readonly metaPackage: string;
  readonly folder: string;
}

const FLAVOURS: Readonly<Record<DebianFlavour, FlavourNames>> = {
  "686": { metaPackage: "linux-image-686", folder: "debian-i386" },
  "686-pae": { metaPackage: "linux-image-686-pae", folder: "debian-i386-pae" },
};

export interface DebianGuest {
  /** The folder that holds all of it. */
  readonly directory: string;
  /** A bzImage. */
  readonly kernelPath: string;
  /** A statically linked i386 busybox. */
  readonly busyboxPath: string;
  /** For `unpackKernelCached`. */
  readonly unpackedDirectory: string;
  readonly manifest: GuestManifest;
  /** True when nothing had to be fetched. */
  readonly fromCache: boolean;
}

export interface FetchOptions {
  /** Which kernel. Default: 686. */
  readonly flavour?: DebianFlavour;
  /** Default: see `defaultCacheDirectory`. */
  readonly cacheDirectory?: string;
  /** One line of progress at a time, for a person. */
  readonly onProgress?: (line: string) => void;
  /** Fetch again even when the cache has it. */
  readonly refresh?: boolean;
}

/** What an earlier run fetched, or undefined. */
export function cachedDebianGuest(
  cacheDirectory: string = defaultCacheDirectory(),
  flavour: DebianFlavour = "686",
): DebianGuest | undefined {
  const directory = join(cacheDirectory, FLAVOURS[flavour].folder);
  const manifest = readManifest(directory);
  if (!manifest) return undefined;
  return {
    directory,
    kernelPath: join(directory, manifest.kernel.path),
    busyboxPath: join(directory, manifest.busybox.path),
    unpackedDirectory: unpackedDirectory(cacheDirectory),
    manifest,
    fromCache: true,
  };
}

/**
 * Debian's `linux-image-686` (or `linux-image-686-pae`) kernel and `busybox-static:i386`: from the cache, or else fetched with the machine's own apt as any
 * user, without touching the system's apt state. The folder appears complete or not at all; of two processes one fetches and
 * the other waits.
 *
 * @throws GuestFetchError
 */
export async function fetchDebianGuest(options: FetchOptions = {}): Promise<DebianGuest> {
  const cacheDirectory = options.cacheDirectory ?? defaultCacheDirectory();
  const flavour = options.flavour ?? "686";
  const progress = options.onProgress ?? (() => {});
  const { folder, metaPackage } = FLAVOURS[flavour];
  return fetchFolder({
    cacheDirectory,
    folder,
    progress,
    refresh: options.refresh === true,
    cached: () => cachedDebianGuest(cacheDirectory, flavour),
    fill: async (temporary, result) => {
      const manifest = await fetchGuest(temporary, result, metaPackage, progress);
      writeManifest(result, manifest);
      return `Linux ${manifest.kernelRelease} and busybox`;
    },
  });
}

async function fetchGuest(
  temporary: string,
  result: string,
  metaPackage: string,
  progress: (line: string) => void,
): Promise<GuestManifest> {
  const apt = new PrivateApt(join(temporary, "apt"));
  progress("reading Debian's package lists for i386 (with apt, in a private folder)");
  const trouble = await apt.update();
  const kernelPackage = await kernelPackageOf(apt, metaPackage, trouble);
  const busybox = await apt.show(BUSYBOX_PACKAGE);
  if (!busybox) throw noPackage(BUSYBOX_PACKAGE, trouble);
  const kernel = await apt.show(kernelPackage);
  if (!kernel) throw noPackage(kernelPackage, trouble);

  const packages = join(result, "packages");
  const total = Number(kernel.get("Size") ?? 0) + Number(busybox.get("Size") ?? 0);
  progress(`downloading ${kernelPackage} and ${BUSYBOX_PACKAGE} (${mebibytes(total)})`);
  await apt.download([kernelPackage, BUSYBOX_PACKAGE], packages, (bytes) =>
    progress(`downloaded ${mebibytes(bytes)} of ${mebibytes(total)}`),
  );
  const find = (name: string): string => packageFile(packages, name);

  progress("unpacking the kernel and busybox");
  const tree = join(temporary, "tree");
  await unpackDeb(find(kernelPackage), ["./boot/vmlinuz-*"], tree);
  await unpackDeb(find(BUSYBOX_PACKAGE), ["*/bin/busybox"], tree);
  const image = readdirSync(join(tree, "boot")).find((name) => name.startsWith("vmlinuz-")) as string;
  renameSync(join(tree, "boot", image), join(result, "vmlinuz"));
  // Since Debian 13 the programs of /bin are packed below /usr.
  const usrMerged = readdirSync(tree).includes("usr");
  renameSync(join(tree, usrMerged ? "usr/bin/busybox" : "bin/busybox"), join(result, "busybox"));

  const describePackage = (name: string, version: string): CachedPackage => ({
    name,
    version,
    ...describeFile(result, join("packages", basename(find(name)))),
  });
  return {
    schema: MANIFEST_SCHEMA,
    kernelRelease: image.slice("vmlinuz-".length),
    kernel: describeFile(result, "vmlinuz"),
    busybox: describeFile(result, "busybox"),
    packages: [
      describePackage(kernelPackage, kernel.get("Version") ?? ""),
      describePackage(BUSYBOX_PACKAGE, busybox.get("Version") ?? ""),
    ],
  };
}

/** The meta package only depends on the kernel of the day. */
async function kernelPackageOf(apt: PrivateApt, metaPackage: string, trouble: string): Promise<string> {
  const meta = await apt.show(metaPackage);
  const kernel = /\blinux-image-\d\S*/.exec(meta?.get("Depends") ?? "")?.[0];
  if (!kernel) throw noPackage(metaPackage, trouble);
  return kernel;
}
