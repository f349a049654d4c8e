import { readFileSync } from "node:fs";
import { GuestImageError } from "./errors.ts";

/**
 * Reads a guest's image from the host's disk.
 *
 * @param what how a message calls it: `kernel`, `initrd`
 * @throws GuestImageError `missing-file` when it cannot be read
 */
export function readImageFile(path: string, what: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    const reason =
      code === "ENOENT"
        ? "there is no such file"
        : code === "EISDIR"
          ? "it is a directory"
          : code === "EACCES"
            ? "permission denied"
            : String(error);
    throw new GuestImageError("missing-file", `Cannot read the ${what} ${path}: ${reason}.`, {
      cause: error,
    });
  }
}
