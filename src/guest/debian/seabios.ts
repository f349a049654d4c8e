import { mkdirSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { PrivateApt } from "./apt.ts";
import { defaultCacheDirectory } from "./cache.ts";
import { unpackDeb } from "./deb.ts";
import { fetchFolder, noPackage, packageFile } from "./fetch-folder.ts";
import {
  type CachedFile,
  type CachedPackage,
  describeFile,
  MANIFEST_SCHEMA,
  readManifestOf,
  writeManifest,
} from "./manifest.ts";

const PACKAGE = "seabios";
const FOLDER = "seabios";
/** In the package: a BIOS for an i440FX, and the one of a VGA adapter on the ISA bus. */
const SOURCE = "usr/share/seabios";
const BIOS_FILE = "bios-256k.bin";
const VGA_BIOS_FILE = "vgabios-isavga.bin";
const OWN_BIOS_HINT = "Give a BIOS of your own instead: --bios FILE.";

interface SeaBiosManifest {
  readonly schema: typeof MANIFEST_SCHEMA;
  readonly bios: CachedFile;
  readonly vgaBios: CachedFile;
  readonly package: CachedPackage;
}

/** SeaBIOS as Debian builds it. */
export interface SeaBios {
  readonly biosPath: string;
  /** Of the VGA adapter, for fw_cfg's `vgaroms/`. */
  readonly vgaBiosPath: string;
  /** Debian's version. */
  readonly version: string;
  /** True when nothing had to be fetched. */
  readonly fromCache: boolean;
}

export interface SeaBiosOptions {
  /** Default: see `defaultCacheDirectory`. */
  readonly cacheDirectory?: string;
  /** One line of progress at a time, for a person. */
  readonly onProgress?: (line: string) => void;
  /** Fetch again even when the cache has it. */
  readonly refresh?: boolean;
}

/**
 * The BIOS of Debian's package `seabios`: from the cache, or else fetched as the kernels are, with the machine's own apt.
 *
 * @throws GuestFetchError
 */
export async function fetchSeaBios(options: SeaBiosOptions = {}): Promise<SeaBios> {
  const cacheDirectory = options.cacheDirectory ?? defaultCacheDirectory();
  const progress = options.onProgress ?? (() => {});
  return fetchFolder({
    cacheDirectory,
    folder: FOLDER,
    progress,
    refresh: options.refresh === true,
    cached: () => cachedSeaBios(join(cacheDirectory, FOLDER)),
    fill: async (temporary, result) => {
      const manifest = await fetchPackage(temporary, result, progress);
      writeManifest(result, manifest);
      return `SeaBIOS ${manifest.package.version} and its VGA BIOS`;
    },
    hint: OWN_BIOS_HINT,
  });
}

function cachedSeaBios(directory: string): SeaBios | undefined {
  const manifest = readManifestOf<SeaBiosManifest>(directory, (m) => [m.bios, m.vgaBios, m.package]);
  if (!manifest) return undefined;
  return {
    biosPath: join(directory, manifest.bios.path),
    vgaBiosPath: join(directory, manifest.vgaBios.path),
    version: manifest.package.version,
    fromCache: true,
  };
}

async function fetchPackage(
  temporary: string,
  result: string,
  progress: (line: string) => void,
): Promise<SeaBiosManifest> {
  const apt = new PrivateApt(join(temporary, "apt"), OWN_BIOS_HINT);
  progress("reading Debian's package lists (with apt, in a private folder)");
  const trouble = await apt.update();
  const control = await apt.show(PACKAGE);
  if (!control) throw noPackage(PACKAGE, trouble, OWN_BIOS_HINT);
  const packages = join(result, "packages");
  progress(`downloading ${PACKAGE}`);
  await apt.download([PACKAGE], packages, () => {});
  const deb = packageFile(packages, PACKAGE, OWN_BIOS_HINT);
  const tree = join(temporary, "tree");
  const files = [BIOS_FILE, VGA_BIOS_FILE];
  await unpackDeb(
    deb,
    files.map((file) => `./${SOURCE}/${file}`),
    tree,
    OWN_BIOS_HINT,
  );
  mkdirSync(result, { recursive: true });
  for (const file of files) renameSync(join(tree, SOURCE, file), join(result, file));
  return {
    schema: MANIFEST_SCHEMA,
    bios: describeFile(result, BIOS_FILE),
    vgaBios: describeFile(result, VGA_BIOS_FILE),
    package: {
      name: PACKAGE,
      version: control.get("Version") ?? "",
      ...describeFile(result, join("packages", basename(deb))),
    },
  };
}
