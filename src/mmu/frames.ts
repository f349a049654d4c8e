import type { Mfn } from "./address.ts";

/** No free frame, or no free run of frames of that length and alignment, is left. */
export class OutOfFrames extends Error {
  override readonly name = "OutOfFrames";
  readonly requested: number;
  readonly free: number;
  constructor(owner: string, requested: number, alignment: number, free: number) {
    const run =
      requested === 1 ? "a frame" : `${requested} contiguous frames aligned to ${alignment * 4} KiB`;
    super(
      `out of machine memory: ${owner} asked for ${run}, ${free} frames are free; give the machine more memory or its guests less`,
    );
    this.requested = requested;
    this.free = free;
  }
}

/** A frame was freed that is free, that someone else owns, or that does not exist: a defect of the monitor. */
export class FrameStateError extends Error {
  override readonly name = "FrameStateError";
  readonly mfn: number;
  constructor(mfn: number, detail: string) {
    super(`frame ${mfn}: ${detail}`);
    this.mfn = mfn;
  }
}

const FREE = 0;

/**
 * Who owns each frame of the machine's memory. Deterministic: single frames and runs are both taken at the lowest place that
 * fits. Frame 0 is never given out, so that a forgotten frame number shows at once.
 */
export class FrameAllocator {
  readonly frames: number;
  /** Index into #names of each frame's owner; 0 = free. */
  readonly #owners: Uint16Array;
  readonly #names: string[] = ["", "machine"];
  readonly #ids = new Map<string, number>([["machine", 1]]);
  readonly #counts: number[] = [0, 1];
  #free: number;
  /** No frame below it is free. */
  #lowestFree = 1;

  constructor(frames: number) {
    this.frames = frames;
    this.#owners = new Uint16Array(frames);
    this.#owners[0] = 1;
    this.#free = frames - 1;
  }

  get freeFrames(): number {
    return this.#free;
  }

  /** Name of the owner, undefined for a free frame or a number beyond memory. */
  ownerOf(mfn: number): string | undefined {
    const id = this.#owners[mfn] ?? FREE;
    return id === FREE ? undefined : this.#names[id];
  }

  /** Frames that an owner holds. */
  heldBy(owner: string): number {
    const id = this.#ids.get(owner);
    return id === undefined ? 0 : (this.#counts[id] as number);
  }

  /** One frame. Throws OutOfFrames. Its content is whatever the last owner left. */
  allocate(owner: string): Mfn {
    const owners = this.#owners;
    for (let mfn = this.#lowestFree; mfn < this.frames; mfn++) {
      if (owners[mfn] !== FREE) continue;
      this.#lowestFree = mfn + 1;
      this.#take(mfn, 1, owner);
      return mfn as Mfn;
    }
    this.#lowestFree = this.frames;
    throw new OutOfFrames(owner, 1, 1, this.#free);
  }

  /** `count` contiguous frames, the first a multiple of `alignment` frames. Throws OutOfFrames. */
  allocateContiguous(count: number, alignment: number, owner: string): Mfn {
    const owners = this.#owners;
    let start = alignment;
    while (count > 0 && start + count <= this.frames) {
      let length = 0;
      while (length < count && owners[start + length] === FREE) length++;
      if (length === count) {
        this.#take(start, count, owner);
        return start as Mfn;
      }
      start = Math.ceil((start + length + 1) / alignment) * alignment;
    }
    throw new OutOfFrames(owner, count, alignment, this.#free);
  }

  /** Gives `count` frames back. Throws FrameStateError, changing nothing, unless `owner` holds all of them. */
  free(mfn: Mfn, owner: string, count = 1): void {
    const id = this.#ids.get(owner) ?? -1;
    for (let i = 0; i < count; i++) {
      const at = mfn + i;
      const held = this.#owners[at];
      if (held === id) continue;
      if (held === undefined)
        throw new FrameStateError(at, `freed by ${owner}, but the machine has only ${this.frames} frames`);
      if (held === FREE) throw new FrameStateError(at, `freed by ${owner}, but it is free already`);
      throw new FrameStateError(at, `freed by ${owner}, but it belongs to ${this.#names[held]}`);
    }
    this.#owners.fill(FREE, mfn, mfn + count);
    this.#counts[id] = (this.#counts[id] as number) - count;
    this.#free += count;
    if (mfn < this.#lowestFree) this.#lowestFree = mfn;
  }

  #take(mfn: number, count: number, owner: string): void {
    let id = this.#ids.get(owner);
    if (id === undefined) {
      id = this.#names.length;
      this.#names.push(owner);
      this.#counts.push(0);
      this.#ids.set(owner, id);
    }
    this.#owners.fill(id, mfn, mfn + count);
    this.#counts[id] = (this.#counts[id] as number) + count;
    this.#free -= count;
  }
}
