import { cpus, loadavg, release, totalmem } from "node:os";

/** Where figures were taken. Absolute ones mean nothing without it. */
export interface MachineInfo {
  readonly processor: string;
  readonly cpus: number;
  readonly memoryGiB: number;
  readonly node: string;
  readonly v8: string;
  readonly kernel: string;
  /** Mean length of the run queue over the last minute: above 0.5 when the run began, the machine was not quiet. */
  readonly loadAverage: number;
}

export function machineInfo(): MachineInfo {
  const all = cpus();
  return {
    processor: all[0]?.model.trim() ?? "unknown",
    cpus: all.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.versions.node,
    v8: process.versions.v8,
    kernel: release(),
    loadAverage: Number((loadavg()[0] ?? 0).toFixed(2)),
  };
}

export function describeMachine(info: MachineInfo): string {
  return (
    `${info.processor}, ${info.cpus} CPUs, ${info.memoryGiB} GiB, Linux ${info.kernel}, Node ${info.node} ` +
    `(V8 ${info.v8}), load average ${info.loadAverage}`
  );
}
