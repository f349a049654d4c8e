/**
 * Fetches the guest that the Linux scenarios boot: Debian's 686 kernel and a static busybox. Or the BIOS that boots disks.
 *
 *     npm run guests [-- --refresh] [--json]
 */
import { parseArgs } from "node:util";
import { DEBIAN_FLAVOURS, fetchDebianGuest } from "../src/guest/debian/fetch.ts";
import { fetchSeaBios } from "../src/guest/debian/seabios.ts";
import { GuestFetchError, mebibytes } from "../src/guest/errors.ts";
import { readImageFile } from "../src/guest/files.ts";
import { unpackKernelCached } from "../src/guest/linux/unpack-cache.ts";

const SEABIOS = "seabios";
const onProgress = (line: string): void => void process.stderr.write(`guests: ${line}\n`);

const HELP = `Usage: npm run guests [-- OPTIONS]

Fetches Debian's linux-image-686 kernel and busybox-static with the machine's own apt, as any user, into a private cache
(.cache/guests, or the folder that UMBRA_CACHE names), and unpacks the kernel there. Does nothing when it is there already.

  --guest NAME  which kernel: 686 (default), or 686-pae, which has PAE page tables with execute-disable; or seabios, of
                Debian's package of that name, which boots disks and CDs (scenarios/run-guest.ts)
  --refresh     fetch again, for a newer kernel
  --json        print one JSON object on the last line
  --help        this text
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      guest: { type: "string", default: "686" },
      refresh: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values.guest === SEABIOS) return fetchBios(values.refresh, values.json);
  const flavour = DEBIAN_FLAVOURS.find((name) => name === values.guest);
  if (flavour === undefined) {
    process.stderr.write(
      `guests: there is no guest "${values.guest}": choose one of ${[...DEBIAN_FLAVOURS, SEABIOS].join(", ")}\n`,
    );
    return 2;
  }
  const guest = await fetchDebianGuest({
    flavour,
    refresh: values.refresh,
    onProgress,
  });
  const unpacked = unpackKernelCached(readImageFile(guest.kernelPath, "kernel"), guest.unpackedDirectory);
  if (values.json) {
    const { kernelRelease, packages } = guest.manifest;
    const { fromCache, directory, kernelPath, busyboxPath } = guest;
    const unpackMs = Math.round(unpacked.wallMs);
    const result = {
      ok: true,
      directory,
      kernelPath,
      busyboxPath,
      kernelRelease,
      packages,
      fromCache,
      unpackMs,
    };
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return 0;
  }
  process.stdout.write(`Linux ${guest.manifest.kernelRelease}: ${guest.kernelPath}\n`);
  for (const { name, version, sha256 } of guest.manifest.packages) {
    process.stdout.write(`  ${name} ${version}  sha256 ${sha256}\n`);
  }
  const verb = unpacked.fromCache ? "read back" : "unpacked";
  process.stdout.write(
    `  kernel ${verb}: ${mebibytes(unpacked.elf.length)} in ${Math.round(unpacked.wallMs)} ms\n`,
  );
  return 0;
}

async function fetchBios(refresh: boolean, json: boolean): Promise<number> {
  const { biosPath, vgaBiosPath, version, fromCache } = await fetchSeaBios({ refresh, onProgress });
  process.stdout.write(
    json
      ? `${JSON.stringify({ ok: true, biosPath, vgaBiosPath, version, fromCache })}\n`
      : `SeaBIOS ${version}: ${biosPath}\n  and the BIOS of its VGA adapter: ${vgaBiosPath}\n`,
  );
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const isExpected =
    error instanceof GuestFetchError || (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS");
  process.stderr.write(
    `guests: ${isExpected ? (error as Error).message : ((error as Error).stack ?? error)}\n`,
  );
  process.exitCode = 1;
}
