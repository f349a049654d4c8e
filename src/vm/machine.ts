import { addressesOf, MACHINE, SWITCHER, vmOf } from "../actors/addresses.ts";
import { CpuActor } from "../actors/cpu.ts";
import { isKvm } from "../actors/kvm-mechanism.ts";
import { type MessageBus, Stage } from "../actors/stage.ts";
import { addSwitcher, type VcpuWiring } from "../actors/switcher.ts";
import { addVm, failureReason } from "../actors/vm.ts";
import { Bus, type BusFault } from "../bus/bus.ts";
import type { Message } from "../bus/messages/index.ts";
import { Cpu } from "../cpu/cpu.ts";
import { APIC_BASE, APIC_ID, APIC_PRESENT } from "../cpu/layout.ts";
import type { Processor } from "../cpu/processor.ts";
import type { CpuState } from "../cpu/state.ts";
import { apicBaseAtReset } from "../devices/local-apic.ts";
import { TimerWheel } from "../devices/timer-wheel.ts";
import { acpiFiles } from "../guest/firmware/loader-files.ts";
import { FIRMWARE_BASE, firmwareRom } from "../guest/firmware/rom.ts";
import type { RomImage } from "../guest/rom.ts";
import { type ChartSystem, createChartSystem } from "../machines/bind.ts";
import { type Gfn, type Gpa, type Mfn, NO_FRAME, PAGE_SIZE } from "../mmu/address.ts";
import { FrameAllocator, OutOfFrames } from "../mmu/frames.ts";
import { GuestMemory } from "../mmu/guest-memory.ts";
import { MachineMemory } from "../mmu/machine-memory.ts";
import { LEGACY_HOLE_END, P2m } from "../mmu/p2m.ts";
import { PAGER_NAMES, PagerError } from "../mmu/pager.ts";
import { FactLog } from "../mmu/shadow/kvm/listener.ts";
import type { KvmPager } from "../mmu/shadow/kvm/pager.ts";
import { UpperMemory } from "../mmu/upper-memory.ts";
import { RunQueue } from "../switch/run-queue.ts";
import { Vcpu } from "../switch/vcpu.ts";
import { DEFAULT_QUANTUM, MOST_CPUS, VcpuSet } from "../switch/vcpu-set.ts";
import { DEFAULT_TIME_SCALE } from "../switch/virtual-time.ts";
import { WorldSwitch } from "../switch/world-switch.ts";
import { MachineBusyError, MachineFailedError, SettingError, VmNameError } from "./errors.ts";
import type { MachineOptions, RunAsyncOptions, RunOptions, RunResult, VmOptions } from "./options.ts";
import { buildPlant, clearForReset, dismantle, type KeptDevices } from "./plant.ts";
import { type RunGoal, RunLoop } from "./run-loop.ts";
import { Vm, type VmParts } from "./vm.ts";
import { hasBusMasters, makeVmPager } from "./vm-pager.ts";

/** Of the IDE drives. */
const CD_PLACE = 2;
const DEFAULT_MACHINE_MIB = 256;
const DEFAULT_GUEST_MIB = 128;
const DEFAULT_TIME_SLICE = 1_000_000;
const FRAMES_PER_MIB = 256;
/** Colour text modes of a VGA adapter. */
const TEXT_MEMORY = 0xb8000;
const TEXT_MEMORY_BYTES = 0x8000;
/**
 * The emulated physical machine: memory, one CPU, one bus, and the vms on it.
 *
 *     const machine = createMachine();
 *     const vm = machine.createVm({ name: "g", pager: "vtlb", boot: (guest, state) => { … } });
 *     vm.on("console", (bytes) => process.stdout.write(bytes));
 *     const { status } = vm.run({ until: /login:/ });
 */
export class Machine {
  readonly bus: MessageBus;
  /** The XState actor system of all charts; attach inspectors here. */
  readonly charts: ChartSystem;
  readonly memory: MachineMemory;
  readonly frames: FrameAllocator;
  readonly processor: Processor;
  readonly #stage: Stage;
  readonly #worldSwitch: WorldSwitch;
  readonly #vcpus: Vcpu[] = [];
  readonly #wirings: VcpuWiring[] = [];
  readonly #vms = new Map<string, Vm>();
  readonly #loop: RunLoop;
  /** Frames have been given back, so that free ones may hold what another guest wrote. */
  #framesReused = false;
  #failure: MachineFailedError | undefined;

  constructor(options: MachineOptions = {}) {
    const memoryMiB = wholeMiB("memoryMiB", options.memoryMiB ?? DEFAULT_MACHINE_MIB);
    this.memory = new MachineMemory(memoryMiB * FRAMES_PER_MIB);
    this.frames = new FrameAllocator(this.memory.frames);
    this.processor = (options.processor ?? ((memory) => new Cpu(memory, options.cpu)))(this.memory);
    this.#worldSwitch = new WorldSwitch(this.processor);
    this.bus = new Bus<Message>({
      now: () => this.#worldSwitch.latest?.set.time.nowNs() ?? 0,
      onFault: (fault) => this.#contain(fault),
      ...(options.busCapacity !== undefined && { capacity: options.busCapacity }),
    });
    this.charts = createChartSystem({ id: MACHINE });
    this.#stage = new Stage(this.bus, this.charts, options.interpreted ?? false);
    const cpu = new CpuActor(this.#stage, { processor: this.processor, vcpus: this.#vcpus });
    addSwitcher(this.#stage, {
      processor: this.processor,
      worldSwitch: this.#worldSwitch,
      queue: new RunQueue(options.timeSlice ?? DEFAULT_TIME_SLICE),
      wirings: this.#wirings,
    });
    this.#loop = new RunLoop(this.bus, cpu, () => this.#failure);
  }

  /** Every vm ever created, by name. */
  get vms(): ReadonlyMap<string, Vm> {
    return this.#vms;
  }

  /** World switches so far. */
  get worldSwitches(): number {
    return this.#worldSwitch.count;
  }

  /**
   * Makes a vm, loads its guest, and sets it running at the next run or step. If anything throws (the loader's errors, OutOfFrames,
   * VmNameError, SettingError), nothing of it remains.
   */
  createVm(options: VmOptions): Vm {
    const { name, pager: pagerName } = options;
    if (!/^[\w.-]+$/.test(name)) throw new VmNameError(name, "use letters, digits, '.', '_' and '-'");
    if (this.#vms.has(name)) throw new VmNameError(name, "the machine has, or has had, a vm of that name");
    if (!(PAGER_NAMES as readonly string[]).includes(pagerName))
      throw new SettingError(`unknown pager "${pagerName}"; there are: ${PAGER_NAMES.join(", ")}`);
    const maxInstructions = options.maxInstructions ?? Number.POSITIVE_INFINITY;
    const memoryMiB = wholeMiB("memoryMiB", options.memoryMiB ?? DEFAULT_GUEST_MIB);
    const wheel = new TimerWheel();
    const cpus = wholeCpus(options);
    const settings = {
      scale: { ...DEFAULT_TIME_SCALE, ...options.time },
      alarms: wheel,
      maxInstructions,
      quantum: wholeQuantum(options.quantum ?? DEFAULT_QUANTUM),
    };
    wholeReboots(options.reboots ?? 0);
    onePlaceEach(options);
    const set = new VcpuSet(settings);
    for (let k = 0; k < cpus; k++)
      new Vcpu({
        index: this.#vcpus.length + k,
        name,
        set,
        ...settings,
        ...(options.maxStalledExits !== undefined && { maxStalledExits: options.maxStalledExits }),
      });
    const p2m = new P2m(this.frames, memoryMiB * FRAMES_PER_MIB * 4096, name);
    const memory = new GuestMemory(this.memory, p2m);
    memory.onWrite = (hpa, sizeBytes) => this.processor.memoryWritten(hpa, sizeBytes);
    try {
      const roms = [...(options.roms ?? [])];
      if (options.apic === true && !coversFirmware(roms))
        roms.push(firmwareRom({ cpus, keyboard: options.keyboard === true }));
      this.#addRegions(memory, { ...options, roms });
      if (this.#framesReused)
        for (const mfn of p2m.table) if (mfn !== NO_FRAME) this.memory.clearFrame(mfn as Mfn);
      const upper = hasPci(options) ? new UpperMemory(memory) : undefined;
      return this.#stageVm({ options, roms, set, wheel, memory, upper });
    } catch (error) {
      memory.dispose();
      this.#framesReused = true;
      throw error;
    }
  }

  /** Runs until something about `vm` is worth coming back for; the other vms get their share of the CPU meanwhile. */
  run(vm: Vm, options: RunOptions = {}): RunResult {
    return this.#exclusively(() => this.#loop.run(this.#goal(vm, options)));
  }

  /** The same, giving the event loop its turn every few milliseconds. */
  async runAsync(vm: Vm, options: RunAsyncOptions = {}): Promise<RunResult> {
    if (this.#loop.busy) throw new MachineBusyError();
    return this.#loop.runAsync(this.#goal(vm, options), options.signal, options.paced ?? false);
  }

  /** Delivers exactly one message; when none is queued, lets the CPU run one burst. False when there is nothing to do at all. */
  step(): boolean {
    return this.#exclusively(() => {
      const worked = this.#loop.step();
      for (const vm of this.#vms.values()) vm.output.flush();
      return worked;
    });
  }

  /** Makes a run that is under way come back with status "stopped" (from a tap, an event handler, a timer). */
  stop(): void {
    this.#loop.stop();
  }

  /** @internal */
  withLoaded<Result>(vcpu: Vcpu, look: (state: CpuState) => Result): Result {
    const before = this.#worldSwitch.loaded;
    if (before === vcpu) return look(this.processor.state);
    this.#worldSwitch.load(vcpu);
    try {
      return look(this.processor.state);
    } finally {
      if (before === undefined) this.#worldSwitch.save();
      else this.#worldSwitch.load(before);
    }
  }

  #stageVm(made: Made): Vm {
    const { options, set, memory } = made;
    const { vcpus } = set;
    const vcpu = vcpus[0] as Vcpu;
    const addresses = addressesOf(vcpu.name);
    const parts = this.#fitOut(made);
    try {
      const vm = new Vm({ machine: this, vcpu, addresses, memory, ...parts });
      addVm(this.#stage, {
        addresses,
        vcpus: vcpus.map(({ index }) => index),
        started: () => vm.markStarted(),
        isSuspended: () => vcpus.every(({ ready, suspendPending }) => !ready && !suspendPending),
        mayRestart: () => vm.restarts < (options.reboots ?? 0),
        restart: (by) => this.#restart(vm, made, by),
        retired: (end) => vm.markRetired(end),
        release: () => this.#release(vm),
        output: (byte) => vm.output.put(byte),
        log: (byte) => vm.firmwareLog.put(byte),
      });
      this.#vcpus.push(...vcpus);
      this.#vms.set(vcpu.name, vm);
      this.bus.post(MACHINE, addresses.vm, { type: "vm.boot" });
      return vm;
    } catch (error) {
      dismantle(this.#stage, addresses);
      parts.pager.dispose();
      throw error;
    }
  }

  /** The guest in memory and in the registers, a pager, and every actor but the supervisor. `kept`: what a reset has left of the devices. */
  #fitOut(made: Made, kept: KeptDevices = {}): Pick<VmParts, "pager" | "devices"> {
    const { options, roms, set, wheel, memory, upper } = made;
    memory.p2m.openA20();
    upper?.reset();
    placeRoms(memory, roms);
    for (const vcpu of set.vcpus) {
      this.#powerOn(vcpu, (state) => {
        if (options.apic === true) state.set(APIC_BASE, apicBaseAtReset(vcpu.number) | APIC_PRESENT);
        state.set(APIC_ID, vcpu.number);
        if (vcpu.number === 0) options.boot(memory, state);
      });
      vcpu.awaitsStartup = vcpu.number !== 0;
    }
    const facts = new FactLog();
    const { processor, frames } = this;
    const { pager, paging } = makeVmPager({ options, processor, frames, memory, set, facts });
    if (isKvm(pager) && set.vcpus.length > 1) set.onTurn = () => this.#turnKvm(pager, set);
    try {
      const { addresses, devices, routes, contextActor, interrupts } = buildPlant({
        stage: this.#stage,
        set,
        wheel,
        memory,
        upper,
        paging,
        pager,
        facts,
        eip: () => this.processor.state.eip,
        rtcEpochSeconds: options.rtcEpochSeconds,
        keyboard: options.keyboard ?? false,
        disks: options.disks ?? [],
        cdrom: options.cdrom,
        virtio: { disks: options.virtioDisks ?? [], console: options.virtioConsole ?? false },
        consolePorts: options.consolePorts ?? [],
        vga: options.vga ?? false,
        testDevice: options.testDevice ?? false,
        apic: options.apic ?? false,
        firmwareOnSerial: options.firmwareOnSerial ?? true,
        firmwareFiles: {
          ...(options.apic === true &&
            acpiFiles({ cpus: set.vcpus.length, keyboard: options.keyboard === true })),
          ...options.firmwareFiles,
        },
        kept,
      });
      for (const vcpu of set.vcpus)
        this.#wirings[vcpu.index] = {
          vcpu,
          addresses,
          routes,
          contextActor,
          interrupts: interrupts[vcpu.number] as string,
        };
      return { pager, devices };
    } catch (error) {
      dismantle(this.#stage, addressesOf(options.name));
      pager.dispose();
      throw error;
    }
  }

  /**
   * The vm's vcpus are suspended: everything is made as at power-on, but for memory, which keeps what the boot does not write, disks, the battery-backed
   * clock, virtual time and counts.
   */
  #restart(vm: Vm, made: Made, by: string): number {
    const { set, wheel } = made;
    const { addresses, devices } = vm;
    if (this.#worldSwitch.loaded?.set === set) this.#worldSwitch.save();
    const isOld = (actor: string) => vmOf(actor) === vm.name && actor !== addresses.vm;
    this.bus.discard(
      ({ sender, receiver }) => isOld(receiver) || (isOld(sender) && receiver !== addresses.vm),
    );
    clearForReset(this.#stage, addresses);
    vm.takeOff();
    wheel.clear();
    set.reset();
    const parts = this.#fitOut(made, { rtc: devices.rtc.state });
    for (const vcpu of set.vcpus) vcpu.restartTimestamp();
    return vm.markRestarted(parts, by);
  }

  #release(vm: Vm): void {
    dismantle(this.#stage, vm.addresses);
    this.#framesReused = true;
    vm.release();
  }

  /** Video memory and ROMs, as far as the vm has them. */
  #addRegions({ p2m }: GuestMemory, { roms = [], vga = false }: VmOptions): void {
    const regions = roms.map(({ gpa, bytes }) => ({ gpa, sizeBytes: bytes.length, what: "a ROM image" }));
    if (vga) regions.push({ gpa: TEXT_MEMORY, sizeBytes: TEXT_MEMORY_BYTES, what: "video memory" });
    for (const { gpa, sizeBytes, what } of regions) {
      if (gpa % PAGE_SIZE !== 0 || sizeBytes % PAGE_SIZE !== 0 || sizeBytes === 0)
        throw new SettingError(
          `${what} begins and ends at multiples of 4096, not 0x${gpa.toString(16)}, ${sizeBytes} bytes`,
        );
      try {
        p2m.addRegion((gpa / PAGE_SIZE) as Gfn, sizeBytes / PAGE_SIZE);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        throw new SettingError(`${what} cannot be at 0x${gpa.toString(16)}: ${error.message}`);
      }
    }
  }

  /** A fresh processor state, as `boot` leaves it, saved for the first world switch. */
  #powerOn(vcpu: Vcpu, boot: (state: CpuState) => void): void {
    const { processor } = this;
    const before = this.#worldSwitch.loaded;
    this.#worldSwitch.save();
    try {
      processor.reset();
      boot(processor.state);
      processor.saveState(vcpu.saved);
    } finally {
      if (before !== undefined) this.#worldSwitch.load(before);
    }
  }

  /** Another vcpu's turn: the shadow follows its registers. A guest for which no frame is left for that is killed. */
  #turnKvm(pager: KvmPager, { active }: VcpuSet): void {
    try {
      pager.vcpuChanged();
    } catch (error) {
      if (!(error instanceof PagerError || error instanceof OutOfFrames) || active === undefined) throw error;
      active.stopped = true;
      const { vm } = addressesOf(active.name);
      this.bus.post(MACHINE, vm, { type: "vm.kill", reason: `pager kvm: ${error.message}` });
    }
  }

  #goal(vm: Vm, options: RunOptions): RunGoal {
    const { budget, until, maxInstructions } = options;
    if (budget !== undefined && !(Number.isSafeInteger(budget) && budget > 0))
      throw new SettingError(`a budget is a whole number of instructions above 0, not ${budget}`);
    vm.vcpu.set.pauseAt = budget === undefined ? Number.POSITIVE_INFINITY : vm.vcpu.set.retired + budget;
    if (maxInstructions !== undefined) vm.vcpu.set.maxInstructions = maxInstructions;
    return { vm, until };
  }

  #exclusively<Result>(work: () => Result): Result {
    if (this.#loop.busy) throw new MachineBusyError();
    return work();
  }

  /** An actor has thrown: the guest concerned fails, the others go on. */
  #contain({ error, envelope, causes }: BusFault<Message>): void {
    const actor = envelope.receiver ?? envelope.sender;
    const name = vmOf(actor) ?? this.#worldSwitch.loaded?.name;
    const vm = name === undefined ? undefined : this.#vms.get(name);
    if (vm === undefined) {
      this.#failure = new MachineFailedError(
        `${actor} threw while no vm was loaded: ${error instanceof Error ? error.message : error}`,
        { cause: error },
      );
      return;
    }
    const message = { type: "vm.fail", actor, error, causes } as const;
    if (actor !== vm.addresses.vm && this.bus.isRegistered(vm.addresses.vm)) {
      this.bus.post(MACHINE, vm.addresses.vm, message);
      return;
    }
    // The supervisor itself: nobody is left to end the vm in an orderly way.
    vm.markRetired({ status: "failed", reason: failureReason(message), error });
    if (vm.ended) return;
    for (const vcpu of vm.vcpus) {
      vcpu.stopped = true;
      this.bus.post(MACHINE, SWITCHER, { type: "sched.remove", vcpu: vcpu.index });
    }
    this.#release(vm);
  }
}

/** A BIOS of the embedder's own brings its own tables. */
const coversFirmware = (roms: readonly RomImage[]): boolean =>
  roms.some(({ gpa, bytes }) => gpa < LEGACY_HOLE_END && gpa + bytes.length > FIRMWARE_BASE);

function placeRoms(memory: GuestMemory, roms: readonly RomImage[]): void {
  for (const { gpa, bytes } of roms) {
    memory.setReadOnly(gpa as Gpa, bytes.length, false);
    memory.writeBytes(gpa as Gpa, bytes);
    memory.setReadOnly(gpa as Gpa, bytes.length, true);
  }
}

const hasPci = (options: VmOptions): boolean => options.pci ?? hasBusMasters(options);

/** What a vm is made of, at power-on and after each reset. */
interface Made {
  readonly options: VmOptions;
  /** Those of the options, and the firmware's. */
  readonly roms: readonly RomImage[];
  readonly set: VcpuSet;
  readonly wheel: TimerWheel;
  readonly memory: GuestMemory;
  /** Where there is a PCI bus. */
  readonly upper: UpperMemory | undefined;
}

function wholeCpus({ cpus = 1, apic = false }: VmOptions): number {
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > MOST_CPUS)
    throw new SettingError(`a vm has 1 to ${MOST_CPUS} processors, not ${cpus}`);
  if (cpus > 1 && !apic)
    throw new SettingError("several processors start each other by their local APICs: set apic to true");
  return cpus;
}

function wholeQuantum(quantum: number): number {
  if (!Number.isSafeInteger(quantum) || quantum < 1)
    throw new SettingError(`a quantum is a whole number of instructions of at least 1, not ${quantum}`);
  return quantum;
}

function onePlaceEach({ disks = [], cdrom }: VmOptions): void {
  if (cdrom !== undefined && disks[CD_PLACE] !== undefined)
    throw new SettingError(
      "the CD-ROM drive is the secondary master: leave the third of the disks undefined",
    );
}

function wholeReboots(reboots: number): void {
  if (!(Number.isSafeInteger(reboots) || reboots === Number.POSITIVE_INFINITY) || reboots < 0)
    throw new SettingError(`reboots is a whole number of at least 0, or Infinity, not ${reboots}`);
}

function wholeMiB(setting: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1)
    throw new SettingError(`${setting} is a whole number of MiB of at least 1, not ${value}`);
  return value;
}

export function createMachine(options: MachineOptions = {}): Machine {
  return new Machine(options);
}
