/** Errors of the façade. What a guest does wrong is no error here: its vm ends, with a reason. */

/** The vm has ended, and what was asked needs a live one. */
export class VmEndedError extends Error {
  override readonly name = "VmEndedError";
  constructor(vmName: string, what: string, status: string, reason: string) {
    super(`cannot ${what}: vm "${vmName}" has ended (${status}: ${reason}); create a new vm`);
  }
}

export class VmNameError extends Error {
  override readonly name = "VmNameError";
  constructor(vmName: string, why: string) {
    super(`"${vmName}" cannot be the name of a vm: ${why}`);
  }
}

/** A setting is out of its range. */
export class SettingError extends Error {
  override readonly name = "SettingError";
}

/** The machine is running already, e.g. `run` was called from an event handler. */
export class MachineBusyError extends Error {
  override readonly name = "MachineBusyError";
  constructor() {
    super("the machine is running: let the present run return before the next run or step");
  }
}

/** A part of the machine that no vm is to blame for has failed; the machine cannot go on. */
export class MachineFailedError extends Error {
  override readonly name = "MachineFailedError";
}
