import { allOnes, type PortDevice } from "./device.ts";

/** PM1a control where Bochs and early versions of QEMU had it, and the port that Bochs switches off at when it is told "Shutdown". */
export const BOCHS_PM1_CONTROL_PORT = 0xb004;
export const BOCHS_SHUTDOWN_PORT = 0x8900;
/** Why a vm ends that switches itself off here. */
export const BOCHS_POWERED_OFF = "the guest has switched itself off (a port of Bochs)";

const SLP_EN = 1 << 13;
const WORD = "Shutdown";

/** For small systems that know no ACPI: they write 2000h to the one, and the word, a byte at a time, to the other. */
export class BochsPower implements PortDevice {
  readonly name = "bochs-power";
  readonly ports = [
    { first: BOCHS_PM1_CONTROL_PORT, count: 2 },
    { first: BOCHS_SHUTDOWN_PORT, count: 1 },
  ];
  /** Letters of the word that have come in a row. */
  readonly state = { letters: 0 };
  readonly #powerOff: () => void;

  constructor(powerOff: () => void) {
    this.#powerOff = powerOff;
  }

  readPort(_port: number, sizeBytes: number): number {
    return allOnes(sizeBytes);
  }

  writePort(port: number, sizeBytes: number, value: number): void {
    if (port === BOCHS_SHUTDOWN_PORT) this.#letter(String.fromCharCode(value & 0xff));
    else if (port === BOCHS_PM1_CONTROL_PORT && sizeBytes > 1 && (value & SLP_EN) !== 0) this.#powerOff();
  }

  #letter(letter: string): void {
    const { state } = this;
    if (letter === WORD[state.letters]) state.letters++;
    else state.letters = letter === WORD[0] ? 1 : 0;
    if (state.letters < WORD.length) return;
    state.letters = 0;
    this.#powerOff();
  }
}
