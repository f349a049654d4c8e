/** Names of actors on the bus. */

/** The embedder's side of the machine: posts, never receives. */
export const MACHINE = "machine";
export const CPU = "cpu0";
export const SWITCHER = "switcher0";

/** The actors of one vm. */
export interface VmAddresses {
  readonly vm: string;
  readonly mmu: string;
  readonly shadow: string;
  /** Only under pagers that keep roots of their own. */
  readonly roots: string;
  readonly pic: string;
  /** Only where there is a local APIC, and with it an I/O APIC. */
  readonly apic: string;
  readonly ioapic: string;
  readonly timer: string;
  readonly rtc: string;
  readonly uart: string;
  readonly kbd: string;
  /** The logic around the x87's FERR# and IGNNE#. */
  readonly coprocessor: string;
  /** Only where there are virtio devices. */
  readonly virtio: string;
  /** Only where there are disks. */
  readonly ide0: string;
  readonly ide1: string;
  readonly clock: string;
  readonly ports: string;
}

export function addressesOf(vmName: string): VmAddresses {
  return {
    vm: `vm:${vmName}`,
    mmu: `mmu:${vmName}`,
    shadow: `shadow:${vmName}`,
    roots: `roots:${vmName}`,
    pic: `pic:${vmName}`,
    apic: `apic:${vmName}`,
    ioapic: `ioapic:${vmName}`,
    timer: `timer:${vmName}`,
    rtc: `rtc:${vmName}`,
    uart: `uart:${vmName}`,
    kbd: `kbd:${vmName}`,
    coprocessor: `coprocessor:${vmName}`,
    virtio: `virtio:${vmName}`,
    ide0: `ide0:${vmName}`,
    ide1: `ide1:${vmName}`,
    clock: `clock:${vmName}`,
    ports: `ports:${vmName}`,
  };
}

/** The actor of the local APIC with that id. */
export function apicAddress({ apic }: VmAddresses, id: number): string {
  return id === 0 ? apic : apic.replace(":", `${id}:`);
}

/** The vm that an actor belongs to, undefined for the machine's own. */
export function vmOf(address: string): string | undefined {
  const colon = address.indexOf(":");
  return colon < 0 ? undefined : address.slice(colon + 1);
}
