import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Environment variable that moves the cache elsewhere. */
export const CACHE_VARIABLE = "UMBRA_CACHE";

/** The folder that holds Umbra's package.json: this file's own, wherever it was compiled to. */
function packageRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  for (let folder = here; dirname(folder) !== folder; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
  }
  return process.cwd();
}

/** Where fetched guests are kept: `$UMBRA_CACHE`, or `.cache/guests` beside package.json. Never under version control. */
export function defaultCacheDirectory(): string {
  const chosen = process.env[CACHE_VARIABLE];
  return chosen ? resolve(chosen) : join(packageRoot(), ".cache", "guests");
}

/** Where `unpackKernelCached` keeps decompressed kernels. */
export function unpackedDirectory(cacheDirectory: string = defaultCacheDirectory()): string {
  return join(cacheDirectory, "unpacked");
}
