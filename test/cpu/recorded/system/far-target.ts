import { DATA_16, randomSelector, Sel, userPlace } from "./descriptors.ts";
import type { Draft } from "./draft.ts";
import { Flags, randomFlags } from "./eflags.ts";
import { At, CODE, GDT_ENTRIES, KERNEL_CODE, type SystemRecord, WINDOW, WINDOW_BYTES } from "./record.ts";

export interface FarTarget {
  readonly offset: number;
  readonly selector: number;
}

interface Segment {
  readonly base: number;
  readonly first: number;
  readonly last: number;
  readonly code: boolean;
  readonly present: boolean;
}

/** The descriptor of a selector, as first and last linear offsets that it lets be used; undefined where there is none of a segment. */
export function segmentOf(record: SystemRecord, selector: number): Segment | undefined {
  const index = selector >> 3;
  if (index === 0 || index >= (selector & 4 ? 16 : GDT_ENTRIES)) return undefined;
  const at = (selector & 4 ? At.ldt : At.tables) + index * 8;
  const [low, high] = [record.get(at), record.get(at + 4)];
  if ((high & 0x1000) === 0) return undefined;
  const pages = (high & 0x800000) !== 0;
  const field = (low & 0xffff) | (high & 0xf0000);
  const limit = pages ? ((field << 12) | 0xfff) >>> 0 : field;
  const base = ((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000)) >>> 0;
  const code = (high & 0x800) !== 0;
  const present = (high & 0x8000) !== 0;
  if (code || (high & 0x400) === 0) return { base, first: 0, last: limit, code, present };
  return { base, first: limit + 1, last: high & 0x400000 ? 0xffffffff : 0xffff, code, present };
}

/**
 * Where a far transfer goes: mostly to code that is there. Calls and returns stay within the limits of code segments, which QEMU compares late
 * (CALL) or not at all (RET, IRET, virtual-8086 mode): system/far-transfer.test.ts has what lies beyond.
 */
export function farTarget(draft: Draft): FarTarget {
  const { form, random, place, record } = draft;
  if (place.virtual) return { offset: random.below(0xff0), selector: (CODE + 0x1000) >> 4 };
  const target = anyTarget(draft);
  const segment = segmentOf(record, target.selector);
  if (
    form.line.helper === "jmp_far" ||
    segment === undefined ||
    !segment.code ||
    target.offset <= segment.last
  )
    return target;
  return { ...target, offset: random.below(Math.min(segment.last, 0x1fef) + 1) };
}

function anyTarget({ random, place }: Draft): FarTarget {
  const kind = random.below(8);
  if (kind === 0) return { offset: random.below(0x2000), selector: random.pick([Sel.half3, Sel.half0]) };
  if (kind === 1) return { offset: userPlace(random), selector: place.code };
  if (kind === 2) return { offset: random.word(), selector: randomSelector(random) };
  return {
    offset: place.ring === 0 ? KERNEL_CODE + random.below(0xff0) : userPlace(random),
    selector: randomSelector(random),
  };
}

/** The frame that IRET or RET far takes from the stack. */
export function putReturnFrame(draft: Draft, linear: number, dropped: number): void {
  const { form, random, record, place } = draft;
  const size = form.operandSize === 32 ? 4 : 2;
  const isIret = form.line.helper === "iret";
  const values: number[] = [];
  const outer = random.below(2) === 0 && !place.virtual;
  const rings = [
    [Sel.code0, Sel.data0],
    [Sel.code1, Sel.data1],
    [Sel.code2, Sel.data2],
    [Sel.code3, Sel.data3],
  ] as const;
  const [code, data] = rings[outer ? place.ring + random.below(4 - place.ring) : place.ring] as readonly [
    number,
    number,
  ];
  let { offset, selector } = farTarget(draft);
  if (!place.virtual && random.below(2)) {
    selector = code;
    offset = (code & 3) === 0 ? KERNEL_CODE + random.below(0xff0) : userPlace(random);
    // A 16-bit frame reaches only what lies low.
    if (size === 2) selector = code & 3 ? Sel.half3 : Sel.half0;
    if (size === 2) offset = random.below(0x1ff0);
  }
  values.push(offset, selector);
  let virtual = false;
  if (isIret) {
    virtual = size === 4 && place.ring === 0 && random.below(5) === 0;
    if (virtual) {
      values[0] = random.below(0x2000);
      values[1] = CODE >> 4;
    }
    values.push(randomFlags(random, true) | (virtual ? Flags.virtual : 0));
  }
  const wanted = random.below(4) ? data : randomSelector(random);
  // A stack that is not there is #SS by the manual, and #NP in QEMU.
  const stack = segmentOf(record, wanted)?.present === false ? data : wanted;
  const pointer = random.below(3) ? WINDOW + 0x40 + random.below(WINDOW_BYTES - 0x80) : random.operand();
  values.push(pointer, virtual ? DATA_16 >> 4 : stack);
  // ES, DS, FS and GS of virtual-8086 mode; what lies behind them is not used.
  for (let n = 0; n < 4; n++) values.push(random.word());
  const head = isIret ? 3 : 2;
  record.put(linear, size, ...values.slice(0, head));
  record.put(linear + head * size + dropped, size, ...values.slice(head));
}
