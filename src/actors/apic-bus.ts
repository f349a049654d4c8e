import {
  type ApicDestination,
  type ApicMessage,
  DeliveryMode,
  type LocalApic,
} from "../devices/local-apic.ts";

interface Attached {
  readonly apic: LocalApic;
  /** Its actor. */
  readonly address: string;
}

/** The interrupt bus of one vm: which local APICs a message is for. */
export class ApicBus {
  readonly #attached: Attached[] = [];

  attach(apic: LocalApic, address: string): void {
    this.#attached.push({ apic, address });
  }

  /** The actors that a message goes to, in the order of their processors; `from` is the local APIC that sends it, if one does. */
  targets(message: ApicMessage, to: ApicDestination, from?: LocalApic): string[] {
    const matching = this.#attached.filter(({ apic }) => isFor(apic, to, from));
    const chosen = message.mode === DeliveryMode.lowestPriority ? lowest(matching) : matching;
    return chosen.map(({ address }) => address);
  }
}

function isFor(apic: LocalApic, to: ApicDestination, from: LocalApic | undefined): boolean {
  switch (to.shorthand) {
    case "self":
      return apic === from;
    case "all":
      return true;
    case "others":
      return apic !== from;
    case "none":
      return apic.matches(to);
  }
}

/** The one with the lowest priority, of equals the first; one that software has disabled would lose the interrupt. */
function lowest(candidates: readonly Attached[]): Attached[] {
  let best: Attached | undefined;
  for (const candidate of candidates)
    if (candidate.apic.enabled && (best === undefined || candidate.apic.ppr < best.apic.ppr))
      best = candidate;
  return best === undefined ? [] : [best];
}
