import { createHash } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Raised whenever the folder's layout changes, so that an older one is fetched anew. */
export const MANIFEST_SCHEMA = 1;
export const MANIFEST_FILE = "manifest.json";

/** A file of the cache: its path below the folder that holds the manifest. */
export interface CachedFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

export interface CachedPackage extends CachedFile {
  readonly name: string;
  readonly version: string;
}

/** What `manifest.json` says. */
export interface GuestManifest {
  readonly schema: typeof MANIFEST_SCHEMA;
  /** Such as `6.1.0-50-686`. */
  readonly kernelRelease: string;
  readonly kernel: CachedFile;
  readonly busybox: CachedFile;
  /** The packages as fetched: the kernel's also holds its modules. */
  readonly packages: readonly CachedPackage[];
}

export function describeFile(directory: string, path: string): CachedFile {
  const bytes = readFileSync(join(directory, path));
  return { path, sizeBytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

export function writeManifest(directory: string, manifest: object): void {
  writeFileSync(join(directory, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
}

/**
 * The manifest of `directory`, or undefined when there is none, it is of another schema, or a file that it names is gone or has
 * another size.
 */
export function readManifest(directory: string): GuestManifest | undefined {
  return readManifestOf<GuestManifest>(directory, ({ kernel, busybox, packages }) => [
    kernel,
    busybox,
    ...packages,
  ]);
}

/** The same of another folder, whose manifest names `files`. */
export function readManifestOf<Manifest extends { readonly schema: number }>(
  directory: string,
  files: (manifest: Manifest) => readonly CachedFile[],
): Manifest | undefined {
  try {
    const manifest = JSON.parse(readFileSync(join(directory, MANIFEST_FILE), "utf8")) as Manifest;
    if (manifest.schema !== MANIFEST_SCHEMA) return undefined;
    return files(manifest).every((file) => statSync(join(directory, file.path)).size === file.sizeBytes)
      ? manifest
      : undefined;
  } catch {
    return undefined;
  }
}
