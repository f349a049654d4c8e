/**
 * Address line 20 of the processor, which a PC can hold low so that addresses wrap at 1 MiB as an 8086's did. One line, whoever moves it: the keyboard
 * controller and system control port A both show it as it is.
 */
export class A20Gate {
  readonly state = { open: true };
  readonly #changed: (open: boolean) => void;

  /** Open at power-on, as firmware leaves it. `changed` is called when it moves. */
  constructor(changed: (open: boolean) => void = () => {}) {
    this.#changed = changed;
  }

  get open(): boolean {
    return this.state.open;
  }

  set(open: boolean): void {
    if (open === this.state.open) return;
    this.state.open = open;
    this.#changed(open);
  }
}
