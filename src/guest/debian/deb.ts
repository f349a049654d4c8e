import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { GuestFetchError } from "../errors.ts";
import { OWN_IMAGES_HINT } from "./apt.ts";

/**
 * Unpacks the files of a .deb whose paths match one of `patterns` (tar wildcards, beginning with `./`) below `directory`.
 * Only these touch the disk: a kernel package has 190 MB of modules.
 *
 * @throws GuestFetchError `unpack-failed` when a tool is missing, the package is damaged or a pattern matches nothing
 */
export async function unpackDeb(
  deb: string,
  patterns: readonly string[],
  directory: string,
  hint = OWN_IMAGES_HINT,
): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const source = spawn("dpkg-deb", ["--fsys-tarfile", deb], { stdio: ["ignore", "pipe", "pipe"] });
  const sink = spawn(
    "tar",
    ["-x", "--no-same-owner", "-C", directory, "-f", "-", "--wildcards", ...patterns],
    {
      stdio: ["pipe", "ignore", "pipe"],
    },
  );
  const words: string[] = [];
  for (const child of [source, sink])
    child.stderr.on("data", (chunk: Buffer) => words.push(chunk.toString("utf8")));
  source.stdout.pipe(sink.stdin);
  // tar that fails stops reading; its status tells more than the broken pipe.
  sink.stdin.on("error", () => {});
  try {
    const [[sourceStatus], [sinkStatus]] = await Promise.all([once(source, "close"), once(sink, "close")]);
    if (sourceStatus === 0 && sinkStatus === 0) return;
  } catch (error) {
    words.push(String(error));
  }
  throw new GuestFetchError(
    "unpack-failed",
    `Cannot unpack ${deb} with dpkg-deb and tar: ${words.join(" ").trim().replaceAll("\n", " ")}. ${hint}`,
  );
}
