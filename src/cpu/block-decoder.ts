import { CodeCache } from "./code-cache.ts";
import type { HandlerTable } from "./cold/handlers.ts";
import * as Op from "./cold/micro-op.ts";
import { type HelperNumbers, MAX_BLOCK_OPS, Translator } from "./cold/translator.ts";
import { Decoder } from "./decode/decoder.ts";
import * as L from "./layout.ts";
import { Mode } from "./modes.ts";
import type { CpuState } from "./state.ts";
import type { Tlb } from "./tlb.ts";

const UNLIMITED = 0x7fff;

/** Decoded code of the machine: finds, decodes, links and drops blocks. `host` is a byte index into the WebAssembly memory. */
export class BlockDecoder {
  readonly cache: CodeCache;
  /** First micro-op of the block decoded last. */
  result = 0;
  private readonly state: CpuState;
  private readonly translator: Translator;
  private readonly joined = new Uint8Array(32);
  private lastHost = 0;
  private lastSecond = -1;
  /** What the scratch area holds: host byte (0 nothing), second page, mode, limit. */
  private scratchHost = 0;
  private scratchSecond = -1;
  private scratchMode = 0;
  private scratchLimit = 0;
  /** Generation of the cache: once that is cleared, nobody watches the frame for writes. */
  private scratchGeneration = -1;
  private readonly stale: number;

  /** `features`: CPUID leaf 1 EDX; opcodes of features that it lacks are undefined. */
  constructor(
    state: CpuState,
    frames: number,
    handlers: HandlerTable,
    helpers: HelperNumbers,
    tlb: Tlb,
    features: number,
  ) {
    this.state = state;
    this.stale = handlers.special.stale;
    this.translator = new Translator(state, handlers, new Decoder(features), helpers);
    this.cache = new CodeCache(state.u32, frames, this.stale, {
      marked: (frame) => tlb.revokeWrite(L.PHYS_BASE + frame * 4096),
      dropped: (frame) => this.dropScratch(frame),
    });
  }

  /** The cached block at `host`, or 0. */
  find(host: number): number {
    this.lastHost = host;
    this.lastSecond = -1;
    const block = this.cache.find(host - L.PHYS_BASE, this.state.get(L.MODE));
    if (block !== 0) this.lastSecond = this.secondHostOf(block);
    return block;
  }

  /** Decodes the block at `host`; false when its first instruction crosses into the next page (then use decodeCrossing). */
  decode(host: number): boolean {
    this.makeRoom();
    this.lastHost = host;
    this.lastSecond = -1;
    const mode = this.state.get(L.MODE);
    const arena = this.cache.arena;
    const t = this.translator;
    if (!t.translate(host, host & 0xfff, arena, mode, UNLIMITED)) return false;
    this.cache.add(host - L.PHYS_BASE, mode, t.byteCount, arena, t.opCount, -1);
    this.result = arena;
    return true;
  }

  /** Decodes the one instruction that begins at `host` and goes on at the page of `second`. */
  decodeCrossing(host: number, second: number): void {
    this.makeRoom();
    this.lastHost = host;
    this.lastSecond = second;
    const mode = this.state.get(L.MODE);
    const arena = this.cache.arena;
    this.translateJoined(host, second, arena, mode);
    const t = this.translator;
    this.cache.add(host - L.PHYS_BASE, mode, t.byteCount, arena, t.opCount, (second - L.PHYS_BASE) >>> 12);
    this.result = arena;
  }

  /** The block found or decoded last, decoded anew into the scratch area with at most `limit` instructions. */
  cutShort(limit: number): number {
    const mode = this.state.get(L.MODE);
    // An instruction that leaves the guest is begun again and again with a limit of one.
    if (
      this.scratchHost === this.lastHost &&
      this.scratchLimit === limit &&
      this.scratchMode === mode &&
      this.scratchSecond === this.lastSecond &&
      this.scratchGeneration === this.cache.generation
    )
      return L.SCRATCH_BASE;
    this.decodeShort(limit, mode);
    return L.SCRATCH_BASE;
  }

  private decodeShort(limit: number, mode: number): void {
    this.scratchHost = this.lastHost;
    this.scratchSecond = this.lastSecond;
    this.scratchMode = mode;
    this.scratchLimit = limit;
    this.scratchGeneration = this.cache.generation;
    if (this.lastSecond >= 0) this.translateJoined(this.lastHost, this.lastSecond, L.SCRATCH_BASE, mode);
    else this.translator.translate(this.lastHost, this.lastHost & 0xfff, L.SCRATCH_BASE, mode, limit);
  }

  /** The block found or decoded last is an instruction that crosses into the next page. */
  get isCrossing(): boolean {
    return this.lastSecond >= 0;
  }

  /**
   * The first instruction of the block found or decoded last, in the scratch area, where nothing is linked to it; 0 when it does not
   * end at or before EIP `last`. `eip` is where it begins.
   */
  firstWithin(eip: number, last: number): number {
    this.decodeShort(1, this.state.get(L.MODE));
    return eip + this.translator.byteCount - 1 <= last ? L.SCRATCH_BASE : 0;
  }

  /** Remembers in a branch that its target block, in the same frame, begins at `block`. */
  link(op: number, taken: boolean, block: number): void {
    if (op >= L.SCRATCH_BASE || block >= L.SCRATCH_BASE) return;
    // An instruction that goes on in the next page may pass the limit of CS: it is looked up each time.
    if (this.isCrossing && (this.state.get(L.MODE) & Mode.flat) === 0) return;
    const frame = this.state.u32[(op + Op.OP_DST) >> 2] as number;
    if (frame !== (this.lastHost - L.PHYS_BASE) >>> 12) return;
    this.state.u32[(op + (taken ? Op.OP_LINK : Op.OP_DISP)) >> 2] = block;
  }

  /** A page-crossing instruction met another second page than it was decoded with. */
  dropCrossing(op: number): void {
    if (op < L.SCRATCH_BASE) this.cache.dropBlockOf(op);
  }

  memoryWritten(hpa: number, sizeBytes: number): void {
    for (let at = hpa; at < hpa + sizeBytes; at += 4096 - (at & 0xfff)) {
      const size = Math.min(4096 - (at & 0xfff), hpa + sizeBytes - at);
      if (this.cache.holdsCode(at >>> 12)) this.cache.written(at, size);
    }
  }

  private makeRoom(): void {
    if (this.cache.isFull(MAX_BLOCK_OPS)) this.cache.clear();
  }

  private secondHostOf(block: number): number {
    const handler = this.state.u32[(block + Op.OP_HANDLER) >> 2];
    if (handler !== this.translator.crossHandler) return -1;
    return L.PHYS_BASE + (this.state.u32[(block + Op.OP_DISP) >> 2] as number);
  }

  private translateJoined(host: number, second: number, arena: number, mode: number): void {
    const inFirst = 4096 - (host & 0xfff);
    const secondPage = second - (second & 0xfff);
    this.joined.set(this.state.u8.subarray(host, host + Math.min(inFirst, 15)));
    this.joined.set(this.state.u8.subarray(secondPage, secondPage + 16), inFirst);
    this.translator.translateCrossing(
      this.joined,
      inFirst + 16,
      host & 0xfff,
      arena,
      mode,
      host,
      secondPage - L.PHYS_BASE,
    );
  }

  /** Code of the frame that the scratch block came from was dropped: the scratch block must not go on either. */
  private dropScratch(frame: number): void {
    const second = this.scratchSecond >= 0 ? (this.scratchSecond - L.PHYS_BASE) >>> 12 : -1;
    if (this.scratchHost === 0 || (frame !== (this.scratchHost - L.PHYS_BASE) >>> 12 && frame !== second))
      return;
    this.scratchHost = 0;
    for (let k = 0; k < MAX_BLOCK_OPS; k++)
      this.state.u32[(L.SCRATCH_BASE + k * Op.OP_SIZE + Op.OP_HANDLER) >> 2] = this.stale;
  }
}
