import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { V86, V86Options } from "v86";

/** The PC emulator that Umbra is compared with, and the BIOS that it needs. */
export interface V86Kit {
  readonly version: string;
  /** Makes an emulator with BIOS and WebAssembly module set; nothing is emulated until `run`. */
  create(options: V86Options): V86;
}

/** Why v86 cannot take part, in words; otherwise the kit. */
export type V86Found = { readonly kit: V86Kit } | { readonly missing: string };

const BIOS_FOLDERS = ["/usr/share/seabios", "/usr/share/qemu"];

/** Looks for v86 among the installed packages and for SeaBIOS among the system's files. */
export async function findV86(): Promise<V86Found> {
  const require = createRequire(import.meta.url);
  let manifestPath: string;
  try {
    manifestPath = require.resolve("v86/package.json");
  } catch {
    return { missing: "the package v86 is not installed (npm install)" };
  }
  const folder = BIOS_FOLDERS.find((path) => existsSync(join(path, "bios.bin")));
  const vgaFolder = BIOS_FOLDERS.find((path) => existsSync(join(path, "vgabios-stdvga.bin")));
  if (folder === undefined || vgaFolder === undefined)
    return { missing: `v86 needs SeaBIOS in ${BIOS_FOLDERS.join(" or ")} (on Debian: apt install seabios)` };
  const { version } = JSON.parse(readFileSync(manifestPath, "utf8")) as { version: string };
  const wasmPath = join(manifestPath, "..", "build", "v86.wasm");
  const { V86: Emulator } = await import("v86");
  const bios = { buffer: bufferOf(readFileSync(join(folder, "bios.bin"))) };
  const vgaBios = { buffer: bufferOf(readFileSync(join(vgaFolder, "vgabios-stdvga.bin"))) };
  return {
    kit: {
      version: version.replace(/\+.*/, ""),
      create: (options) =>
        new Emulator({
          wasm_path: wasmPath,
          bios,
          vga_bios: vgaBios,
          acpi: false,
          disable_keyboard: true,
          disable_mouse: true,
          disable_speaker: true,
          autostart: false,
          ...options,
        }),
    },
  };
}

/** A copy of the bytes in a buffer of their own, as v86 takes images. */
export function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
