import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { GuestFetchError, mebibytes } from "../errors.ts";
import { OWN_IMAGES_HINT, PrivateApt } from "./apt.ts";
import { CACHE_VARIABLE, defaultCacheDirectory, unpackedDirectory } from "./cache.ts";
import { CommandNotFoundError } from "./command.ts";
import { unpackDeb } from "./deb.ts";
import { isAlive, withLock } from "./lock.ts";
import {
  type CachedPackage,
  describeFile,
  type GuestManifest,
  MANIFEST_FILE,
  MANIFEST_SCHEMA,
  readManifest,
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
  const cached = cachedDebianGuest(cacheDirectory, flavour);
  if (cached && !options.refresh) return cached;
  prepareCache(cacheDirectory);
  const onWait = (pid: number): void =>
    progress(`process ${pid} is fetching the guest already; waiting for it`);
  return withLock(
    join(cacheDirectory, "fetch.lock"),
    async () => {
      const meanwhile = cachedDebianGuest(cacheDirectory, flavour);
      if (meanwhile && !options.refresh) return meanwhile;
      await fetchInto(cacheDirectory, FLAVOURS[flavour], progress);
      const fetched = cachedDebianGuest(cacheDirectory, flavour);
      if (!fetched)
        throw new GuestFetchError("unpack-failed", `The guest just fetched is not in ${cacheDirectory}.`);
      return { ...fetched, fromCache: false };
    },
    { onWait },
  );
}

function prepareCache(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
    accessSync(directory, constants.W_OK);
  } catch (error) {
    throw new GuestFetchError(
      "cache-not-writable",
      `The folder ${directory} for fetched guests cannot be written: name another in the environment variable ` +
        `${CACHE_VARIABLE}. ${OWN_IMAGES_HINT}`,
      { cause: error },
    );
  }
}

/** Removes what fetches that were killed have left. */
function removeAbandoned(cacheDirectory: string): void {
  for (const name of readdirSync(cacheDirectory)) {
    const pid = /^fetch-(\d+)-/.exec(name)?.[1];
    if (pid && !isAlive(Number(pid))) rmSync(join(cacheDirectory, name), { recursive: true, force: true });
  }
}

async function fetchInto(
  cacheDirectory: string,
  { folder, metaPackage }: FlavourNames,
  progress: (line: string) => void,
): Promise<void> {
  removeAbandoned(cacheDirectory);
  const temporary = mkdtempSync(join(cacheDirectory, `fetch-${process.pid}-`));
  try {
    const result = join(temporary, folder);
    const manifest = await fetchGuest(temporary, result, metaPackage, progress);
    writeFileSync(join(result, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
    const target = join(cacheDirectory, folder);
    // A folder cannot be renamed onto one that is not empty, so an older one steps aside first.
    try {
      renameSync(target, join(temporary, "old"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    renameSync(result, target);
    progress(`Linux ${manifest.kernelRelease} and busybox are in ${target}`);
  } catch (error) {
    if (error instanceof CommandNotFoundError) {
      throw new GuestFetchError(
        "no-apt",
        `This machine has no apt to fetch Debian's kernel with (${error.message}) ${OWN_IMAGES_HINT}`,
        { cause: error },
      );
    }
    throw error;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
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
  const files = readdirSync(packages);
  const find = (name: string): string => {
    const file = files.find((candidate) => candidate.startsWith(`${name}_`));
    if (!file)
      throw new GuestFetchError("apt-failed", `apt-get left no file for ${name}. ${OWN_IMAGES_HINT}`);
    return join(packages, file);
  };

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

function noPackage(name: string, trouble: string): GuestFetchError {
  const why =
    trouble === ""
      ? "Debian 12 has it; is one of its mirrors in /etc/apt?"
      : `apt-get update said: ${trouble}`;
  return new GuestFetchError(
    "no-package",
    `apt's sources offer no ${name} for i386. ${why} ${OWN_IMAGES_HINT}`,
  );
}
