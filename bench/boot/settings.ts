/** What all contestants boot. Handed to their processes as JSON. */
export interface BootSettings {
  readonly kernelPath: string;
  readonly initrdPath: string;
  readonly commandLine: string;
  readonly memoryMiB: number;
}

/** The settings that the parent has given as the first argument. */
export function settingsFromArguments(): BootSettings {
  return JSON.parse(process.argv[2] as string) as BootSettings;
}
