import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { findV86 } from "../support/v86.ts";
import type { BootSettings } from "./settings.ts";

export const CONTESTANT_NAMES = ["bare", "vtlb", "v86", "qemu"] as const;
export type ContestantName = (typeof CONTESTANT_NAMES)[number];

/** A program that boots the guest, and how it is started. */
export interface Contestant {
  readonly name: ContestantName;
  readonly title: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Its stdout: lines of JSON (see MarkLine), or the guest's console itself. */
  readonly stdout: "marks" | "console";
}

export type ContestantFound = Contestant | { readonly name: ContestantName; readonly missing: string };

const QEMU = "qemu-system-i386";

function nodeContestant(
  name: ContestantName,
  title: string,
  script: string,
  args: readonly string[],
): Contestant {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const loader = import.meta.resolve("tsx");
  return {
    name,
    title,
    command: process.execPath,
    args: ["--import", loader, path, ...args],
    stdout: "marks",
  };
}

/** How to start a contestant here, or why it cannot be. */
export async function findContestant(name: ContestantName, settings: BootSettings): Promise<ContestantFound> {
  const handed = JSON.stringify(settings);
  switch (name) {
    case "bare":
    case "vtlb":
      return nodeContestant(name, `umbra ${name}`, "umbra-process.ts", [handed, name]);
    case "v86": {
      const found = await findV86();
      if ("missing" in found) return { name, missing: found.missing };
      return nodeContestant(name, `v86 ${found.kit.version}`, "v86-process.ts", [handed]);
    }
    case "qemu": {
      const { stdout, error } = spawnSync(QEMU, ["--version"], { encoding: "utf8" });
      if (error !== undefined) return { name, missing: `${QEMU} is not installed (optional)` };
      const version = /version ([\d.]+)/.exec(stdout)?.[1] ?? "";
      const { kernelPath, initrdPath, commandLine, memoryMiB } = settings;
      const machine = [
        "-accel",
        "tcg",
        "-cpu",
        "pentium2",
        "-m",
        `${memoryMiB}`,
        "-nodefaults",
        "-no-reboot",
      ];
      const guest = ["-kernel", kernelPath, "-initrd", initrdPath, "-append", commandLine];
      const console = ["-display", "none", "-serial", "stdio"];
      return {
        name,
        title: `qemu ${version} tcg`,
        command: QEMU,
        args: [...machine, ...guest, ...console],
        stdout: "console",
      };
    }
  }
}
