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
}

/**
 * The guest's `/init`, a busybox shell script. Without ACPI `poweroff` ends in a halted processor with interrupts off; with it
 * the machine goes off.
 *
 * `setsid cttyhack` gives the shell the console as its controlling terminal, so that job control and Ctrl-C work.
 */
export function initScript(options: InitOptions): string {
  const lines = [
    "#!/bin/busybox sh",
    "export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root TERM=linux PS1='umbra:\\w\\$ '",
    "/bin/busybox mount -t proc proc /proc",
    "/bin/busybox mount -t sysfs sysfs /sys",
    "/bin/busybox mount -t devtmpfs devtmpfs /dev",
    "/bin/busybox --install -s /bin",
    ...(options.modules ?? []).map((name) => `insmod /modules/${name}.ko`),
    "cd /root",
    `echo ${READY_MARK}`,
  ];
  if (options.hasScript) lines.push("sh /script", `echo "${DONE_MARK} rc=$?"`);
  if (options.after === "shell") lines.push(shellOn(options.terminal));
  lines.push("poweroff -f", "");
  return lines.join("\n");
}

/** The first terminal that the leader of a session opens becomes its controlling one. */
const shellOn = (terminal: string | undefined): string =>
  terminal === undefined
    ? "setsid cttyhack sh"
    : `setsid sh -c 'exec sh </dev/${terminal} >/dev/${terminal} 2>&1'`;
