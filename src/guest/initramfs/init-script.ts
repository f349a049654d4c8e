/** Printed on the console when user space is up. */
export const READY_MARK = "UMBRA-READY";
/** Printed, with ` rc=N`, when the scenario's script has ended. */
export const DONE_MARK = "UMBRA-DONE";

/** What init does last: switch the machine off, or give a shell on the console (and switch off when it ends). */
export type AfterScript = "poweroff" | "shell";

export interface InitOptions {
  /** The archive holds `/script`, to be run before anything else. */
  readonly hasScript: boolean;
  readonly after: AfterScript;
  /** Names of modules in /modules, to be loaded in this order. */
  readonly modules?: readonly string[];
  /** A device in /dev that the shell is on. Default: the console. */
  readonly terminal?: string;
  /** A block device (`/dev/sda`) whose file system becomes the root. */
  readonly root?: string;
}

/** Where the root file system is mounted, until it is the root. */
const ROOT = "/umbra-root";
/** On it, in memory: what runs after the switch. */
const TOOLS = "/dev/umbra";
const APPLETS = `${TOOLS}/bin`;
const PATH = "/bin:/sbin:/usr/bin:/usr/sbin";

/**
 * The guest's `/init`, a busybox shell script. Without ACPI `poweroff` ends in a halted processor with interrupts off; with it
 * the machine goes off.
 *
 * `setsid cttyhack` gives the shell the console as its controlling terminal, so that job control and Ctrl-C work.
 */
export function initScript(options: InitOptions): string {
  const lines = [
    "#!/bin/busybox sh",
    environment(PATH),
    "/bin/busybox mount -t proc proc /proc",
    "/bin/busybox mount -t sysfs sysfs /sys",
    "/bin/busybox mount -t devtmpfs devtmpfs /dev",
    "/bin/busybox --install -s /bin",
    ...(options.modules ?? []).map((name) => `insmod /modules/${name}.ko`),
    ...(options.root === undefined
      ? ["cd /root", ...work(options, "/script")]
      : switchRoot(options, options.root)),
    "poweroff -f",
    "",
  ];
  return lines.join("\n");
}

const environment = (path: string): string => `export PATH=${path} HOME=/root TERM=linux PS1='umbra:\\w\\$ '`;

function work(options: InitOptions, script: string): string[] {
  const lines = [`echo ${READY_MARK}`];
  if (options.hasScript) lines.push(`sh ${script}`, `echo "${DONE_MARK} rc=$?"`);
  if (options.after === "shell") lines.push(shellOn(options.terminal));
  return lines;
}

/**
 * The device may take a moment to appear. With a script, or without a /sbin/init, what runs on the root file system is busybox and a script of its own,
 * from memory; what comes back from here has failed.
 */
function switchRoot(options: InitOptions, device: string): string[] {
  const run = [
    environment(`${PATH}:${APPLETS}`),
    "cd /",
    ...work(options, `${TOOLS}/script`),
    "sync",
    "mount -o remount,ro /",
    "poweroff -f",
  ];
  return [
    `n=0; until [ -b ${device} ] || [ $n -ge 50 ]; do sleep 0.1; n=$((n+1)); done`,
    `mkdir ${ROOT}`,
    `if mount ${device} ${ROOT}; then`,
    `  for d in dev proc sys; do mkdir -p ${ROOT}/$d; mount --move /$d ${ROOT}/$d; done`,
    ...(options.hasScript
      ? []
      : [
          `  if [ -e ${ROOT}/sbin/init ] || [ -L ${ROOT}/sbin/init ]; then`,
          `    echo ${READY_MARK}`,
          `    exec switch_root -c /dev/console ${ROOT} /sbin/init`,
          "  fi",
        ]),
    `  mkdir -p ${ROOT}${APPLETS}`,
    `  cp /bin/busybox ${ROOT}${TOOLS}/busybox`,
    ...(options.hasScript ? [`  cp /script ${ROOT}${TOOLS}/script`] : []),
    `  cat >${ROOT}${TOOLS}/init <<'UMBRA-END'`,
    ...run,
    "UMBRA-END",
    `  chroot ${ROOT} ${TOOLS}/busybox --install -s ${APPLETS}`,
    `  exec switch_root -c /dev/console ${ROOT} ${TOOLS}/busybox sh ${TOOLS}/init`,
    "fi",
    `echo "umbra: there is no root file system on ${device}"`,
  ];
}

/** The first terminal that the leader of a session opens becomes its controlling one. */
const shellOn = (terminal: string | undefined): string =>
  terminal === undefined
    ? "setsid cttyhack sh"
    : `setsid sh -c 'exec sh </dev/${terminal} >/dev/${terminal} 2>&1'`;
