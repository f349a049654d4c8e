/** What the commands of drives do, when the drive comes to them. */
import type { Disk } from "../../disk/disk.ts";
import { rangeOf, setAddress } from "./address.ts";
import type { CdDrive } from "./cd-drive.ts";
import type { ChannelSide } from "./channel-side.ts";
import type { CdCommand, IdeCommand } from "./commands.ts";
import { type DiskTransfers, tries } from "./disk-transfers.ts";
import { identify, identifyCd, MOST_MULTIPLE, MULTIWORD_DMA, ULTRA_DMA } from "./identify.ts";
import { Failure, IDLE, Status, signature } from "./registers.ts";

export class DriveCommands {
  readonly #channel: ChannelSide;
  readonly #transfers: DiskTransfers;
  readonly #name: string;

  /** `name`: of the channel, for the drives' serial numbers. */
  constructor(channel: ChannelSide, transfers: DiskTransfers, name: string) {
    this.#channel = channel;
    this.#transfers = transfers;
    this.#name = name;
  }

  onDisk(drive: 0 | 1, disk: Disk, command: Exclude<IdeCommand, { does: "diagnose" }>): void {
    const { state, fail, end } = this.#channel;
    const multiple = state.multiple[drive];
    switch (command.does) {
      case "transfer":
        this.#transfers.begin(drive, command, multiple);
        return;
      case "verify":
        if (rangeOf(state, command.width, disk.sectors) === undefined) fail(Failure.notFound);
        else this.#done();
        return;
      case "tellLast":
        setAddress(state, disk.sectors - 1, command.width);
        this.#done();
        return;
      case "identify":
        this.#transfers.tell(
          drive,
          identify(disk, {
            serial: `UMBRA-${this.#name}-${drive}`,
            multiple,
            dmaMode: state.dmaMode[drive],
          }),
        );
        return;
      case "flush":
        if (tries(() => disk.flush())) this.#done();
        else end(IDLE | Status.fault);
        return;
      case "setMultiple":
        this.#setMultiple(drive, state.count[0]);
        return;
      case "setFeatures":
        this.#setFeatures(drive);
        return;
      case "checkPower":
        state.count[0] = 0xff;
        this.#done();
        return;
      case "nothing":
        this.#done();
    }
  }

  /** `command`: other than PACKET; undefined where it has none such. */
  onCd(drive: 0 | 1, cd: CdDrive, command: CdCommand | undefined): void {
    const { state, fail } = this.#channel;
    switch (command) {
      case "reset":
        cd.reset();
        Object.assign(state, signature(), { device: state.device });
        return;
      case "identify":
        this.#transfers.tell(
          drive,
          identifyCd({
            serial: `UMBRA-${this.#name}-${drive}`,
            dmaMode: state.dmaMode[drive],
          }),
        );
        return;
      case "setFeatures":
        this.#setFeatures(drive);
        return;
      case "nothing":
        this.#done();
        return;
      case "tellSignature":
        fail(Failure.aborted);
        state.signed = true;
        state.status = IDLE | Status.error;
        return;
      default:
        fail(Failure.aborted);
    }
  }

  #setMultiple(drive: 0 | 1, count: number): void {
    const { state, fail } = this.#channel;
    // A power of two.
    if (count > MOST_MULTIPLE || (count & (count - 1)) !== 0) {
      fail(Failure.aborted);
      return;
    }
    state.multiple[drive] = count;
    this.#done();
  }

  #setFeatures(drive: 0 | 1): void {
    const { state, fail } = this.#channel;
    const transferMode = 0x03;
    const harmless = [0x02, 0x55, 0x66, 0x82, 0xaa, 0xcc];
    if (state.features === transferMode) {
      const [mode] = state.count;
      if (isDmaMode(mode)) state.dmaMode[drive] = mode;
      // PIO modes are all the same here.
      if (isDmaMode(mode) || mode <= 0x0f) this.#done();
      else fail(Failure.aborted);
    } else if (harmless.includes(state.features)) this.#done();
    else fail(Failure.aborted);
  }

  #done(): void {
    this.#channel.end(IDLE);
  }
}

const isDmaMode = (mode: number): boolean =>
  [MULTIWORD_DMA, ULTRA_DMA].some(({ first, modes }) => mode >= first && mode < first + modes);
