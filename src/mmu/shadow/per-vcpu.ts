import type {
  AuditViolation,
  HardwarePaging,
  Pager,
  PagerName,
  ShadowFault,
  ShadowFill,
  TranslationChange,
} from "../pager.ts";

/** Several vcpus of one vm, each with a shadow of its own, as each processor has a TLB of its own. What is asked is asked of the active one's. */
export class PerVcpuPager implements Pager {
  readonly name: PagerName;
  readonly controls: number;
  readonly pagers: readonly Pager[];
  readonly #active: () => number;

  /** `active`: number of the vcpu whose turn it is. At least one pager, all of one kind. */
  constructor(pagers: readonly Pager[], active: () => number) {
    const { name, controls } = pagers[0] as Pager;
    this.name = name;
    this.controls = controls;
    this.pagers = pagers;
    this.#active = active;
  }

  get hardware(): HardwarePaging {
    return this.#pager.hardware;
  }
  get framesHeld(): number {
    return this.pagers.reduce((sum, { framesHeld }) => sum + framesHeld, 0);
  }

  fill(fault: ShadowFault): ShadowFill {
    return this.#pager.fill(fault);
  }
  contextChanged(change: TranslationChange): number {
    return this.#pager.contextChanged(change);
  }
  invalidatePage(gva: Parameters<Pager["invalidatePage"]>[0]): void {
    this.#pager.invalidatePage(gva);
  }

  /** Memory is one for all of them. */
  remapped(): void {
    for (const pager of this.pagers) pager.remapped();
  }

  audit(): AuditViolation[] {
    return this.pagers.flatMap((pager, number) =>
      pager.audit().map((violation) => ({ ...violation, detail: `vcpu ${number}: ${violation.detail}` })),
    );
  }

  dispose(): void {
    for (const pager of this.pagers) pager.dispose();
  }

  get #pager(): Pager {
    return this.pagers[this.#active()] as Pager;
  }
}
