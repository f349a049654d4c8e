/** What is wrong with a guest's image. */
export type GuestImageProblem =
  | "missing-file"
  | "truncated"
  | "not-bzimage"
  | "protocol-too-old"
  | "no-32-bit-entry"
  | "not-i386-elf"
  | "bad-elf"
  | "unsupported-compression"
  | "corrupt-payload"
  | "kernel-too-large"
  | "initrd-too-large"
  | "command-line-too-long"
  | "not-multiboot"
  | "bad-rom"
  | "image-out-of-memory";

/** A kernel, initial ram disk or other image cannot be booted. The message is one line and says what to do. */
export class GuestImageError extends Error {
  readonly problem: GuestImageProblem;

  constructor(problem: GuestImageProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "GuestImageError";
    this.problem = problem;
  }
}

/** Why a guest could not be fetched. */
export type GuestFetchProblem =
  | "no-apt"
  | "no-package"
  | "apt-failed"
  | "unpack-failed"
  | "lock-timeout"
  | "cache-not-writable";

/** Debian's kernel or busybox could not be had. The message names the way round: `--kernel` and `--initrd`. */
export class GuestFetchError extends Error {
  readonly problem: GuestFetchProblem;

  constructor(problem: GuestFetchProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "GuestFetchError";
    this.problem = problem;
  }
}

/** `12345678` as `11.8 MiB`. */
export function mebibytes(sizeBytes: number): string {
  return `${(sizeBytes / 1048576).toFixed(1)} MiB`;
}

/** `1048576` as `0x100000`. */
export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
