// Installs what is missing before `npm start` and `npm test`, so that both work straight after a clone. It runs before there are
// any dependencies, hence plain JavaScript; it says nothing when there is nothing to do.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const MINIMUM = [20, 19];
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const lockFile = join(root, "package-lock.json");
/** npm writes this last, and into it what it has installed. */
const installed = join(root, "node_modules", ".package-lock.json");

function fail(message) {
  process.stderr.write(`setup: ${message}\n`);
  process.exit(1);
}

function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1]);
}

/** Whether node_modules holds the versions that the lock file names. Optional ones may be of another platform, and be missing for that. */
function isInstalled() {
  if (!existsSync(installed)) return false;
  if (!existsSync(lockFile)) return true;
  const present = packagesOf(installed);
  return Object.entries(packagesOf(lockFile)).every(([path, { version, optional }]) => {
    const found = present[path];
    return path === "" || (found === undefined ? optional === true : found.version === version);
  });
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages ?? {};
  } catch (error) {
    return fail(
      `${file} is no JSON (${error.message}): delete node_modules, or take the file from git again.`,
    );
  }
}

function npm(command) {
  process.stderr.write(`setup: npm ${command} (once, for the dependencies)\n`);
  const options = { cwd: root, stdio: ["ignore", "ignore", "inherit"], shell: process.platform === "win32" };
  const result = spawnSync("npm", [command, "--no-fund", "--no-audit", "--loglevel=error"], options);
  if (result.error) fail(`npm cannot be started (${result.error.message}): install Node.js with npm.`);
  return result.status === 0;
}

if (!isNewEnough(process.versions.node)) {
  fail(
    `Umbra needs Node.js ${MINIMUM.join(".")} or newer, and this is ${process.versions.node}: https://nodejs.org/`,
  );
}
if (!isInstalled()) {
  const isDone = (existsSync(lockFile) && npm("ci")) || npm("install");
  if (!isDone)
    fail("the dependencies could not be installed: see npm's message above, and is there a network?");
}
