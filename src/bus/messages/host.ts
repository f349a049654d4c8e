/** Embedder → ShadowManager: the host wants memory back; give up the oldest shadow page that can be spared. Nobody answers. */
export interface HostPressure {
  readonly type: "host.pressure";
}

export type HostMessage = HostPressure;
