import { readFileSync } from "node:fs";
import * as L from "../../../../src/cpu/layout.ts";
import { Random } from "../../instructions/support/random.ts";
import { FpuBench } from "../bench-core.ts";
import {
  arctan2,
  cosine,
  exp2m1,
  FRACTION,
  fixedOf,
  log2,
  PI,
  PI_66,
  sine,
  tangent,
  unitsApart,
} from "./reference.ts";

/** How far the transcendental instructions are from the exact values, and how far a real processor is. */

interface Extended {
  readonly se: number;
  readonly significand: bigint;
}

interface Instruction {
  readonly name: string;
  /** Second byte; the first is D9. */
  readonly code: number;
  /** The exact result, of ST(0) and ST(1) in fixed point; undefined outside the domain that is measured. */
  readonly exact: (a: bigint, b: bigint) => bigint | undefined;
  /** Powers of two of the operands. */
  readonly exponents: readonly [low: number, high: number];
  /** Operands of either sign. */
  readonly signed: boolean;
  /** The result is in ST(1) before the 1 that FPTAN pushes. */
  readonly below?: boolean;
}

const ONE = 1n << BigInt(FRACTION);
const times = (a: bigint, b: bigint): bigint => (a * b) >> BigInt(FRACTION);
/** The argument less whole turns, as the processor sees it: multiples of its own π/2. */
function reduced(x: bigint): { angle: bigint; quadrant: number } {
  const half = PI_66 >> 1n;
  const turns = (2n * x + half) / (2n * half) - (2n * x + half < 0n ? 1n : 0n);
  return { angle: x - turns * half, quadrant: Number(((turns % 4n) + 4n) % 4n) };
}
function sineOf(x: bigint): bigint {
  const { angle, quadrant } = reduced(x);
  const value = quadrant & 1 ? cosine(angle) : sine(angle);
  return quadrant & 2 ? -value : value;
}
function cosineOf(x: bigint): bigint {
  const { angle, quadrant } = reduced(x);
  const value = quadrant & 1 ? sine(angle) : cosine(angle);
  return quadrant === 1 || quadrant === 2 ? -value : value;
}
function tangentOf(x: bigint): bigint {
  const { angle, quadrant } = reduced(x);
  const value = tangent(angle);
  return quadrant & 1 ? -(1n << BigInt(2 * FRACTION)) / value : value;
}

export const INSTRUCTIONS: readonly Instruction[] = [
  {
    name: "F2XM1",
    code: 0xf0,
    exact: (a) => (a > ONE || a < -ONE ? undefined : exp2m1(a)),
    exponents: [-40, -1],
    signed: true,
  },
  {
    name: "FYL2X",
    code: 0xf1,
    exact: (a, b) => (a > 0n ? times(b, log2(a)) : undefined),
    exponents: [-60, 60],
    signed: false,
  },
  { name: "FPTAN", code: 0xf2, exact: tangentOf, exponents: [-40, 40], signed: true, below: true },
  { name: "FPATAN", code: 0xf3, exact: (a, b) => arctan2(b, a), exponents: [-30, 30], signed: true },
  {
    name: "FYL2XP1",
    code: 0xf9,
    // |a| below 1 - √½, the domain of the manual.
    exact: (a, b) => ((a < 0n ? -a : a) * 1000n < 292n * ONE ? times(b, log2(ONE + a)) : undefined),
    exponents: [-40, -2],
    signed: true,
  },
  { name: "FSIN", code: 0xfe, exact: sineOf, exponents: [-40, 40], signed: true },
  { name: "FCOS", code: 0xff, exact: cosineOf, exponents: [-40, 40], signed: true },
];

export interface Row {
  readonly name: string;
  /** Largest distance from the exact value, in units in the last place: the engine's, and the recorded processor's. */
  readonly engine: number;
  readonly processor: number;
  /** Of the recorded results: how many are the engine's, and how many are one unit off. The others are further. */
  readonly same: number;
  readonly oneOff: number;
  readonly all: number;
}

/** Operands of each instruction. */
const SAMPLES = 500;
const bench = new FpuBench();

function put(n: number, { se, significand }: Extended): void {
  const { u8 } = bench.state;
  const view = new DataView(u8.buffer);
  view.setBigUint64(L.FPU_REGS + 16 * n, significand, true);
  view.setUint16(L.FPU_REGS + 16 * n + 8, se, true);
}
function get(n: number): Extended {
  const view = new DataView(bench.state.u8.buffer);
  const at = L.FPU_REGS + 16 * (((bench.status >> 11) + n) & 7);
  return { se: view.getUint16(at + 8, true), significand: view.getBigUint64(at, true) };
}

/** What the engine makes of ST(0) = a, ST(1) = b, rounded to nearest in 64 bits. */
export function run({ code, below }: Instruction, a: Extended, b: Extended): Extended {
  bench.register(0xdb, 0xe3);
  bench.state.set(L.FPU_STATUS, 6 << 11);
  bench.state.set(L.FPU_EMPTY, 0x3f);
  put(6, a);
  put(7, b);
  bench.register(0xd9, code);
  return get(below ? 1 : 0);
}

function randomOperand({ exponents: [low, high], signed }: Instruction, random: Random): Extended {
  const exponent = 16383 + low + random.below(high - low + 1);
  const significand = (BigInt(random.word() | 0x80000000) & 0xffffffffn) << 32n;
  return {
    se: exponent | (signed ? random.below(2) << 15 : 0),
    significand: significand | BigInt(random.word()),
  };
}

const fixed = ({ se, significand }: Extended): bigint => fixedOf(se, significand);
interface Sample {
  readonly a: Extended;
  readonly b: Extended;
}

/** The same for ever: fixtures are of these. */
export function samplesOf(one: Instruction): Sample[] {
  const random = new Random(one.code);
  const samples: Sample[] = [];
  while (samples.length < SAMPLES) {
    const [a, b] = [
      randomOperand(one, random),
      randomOperand({ ...one, exponents: [-20, 20], signed: true }, random),
    ];
    if (one.exact(fixed(a), fixed(b)) !== undefined) samples.push({ a, b });
  }
  return samples;
}

/** What a processor made of the samples: by instruction, 10 bytes each, in Base64. */
export interface Recorded {
  readonly processor: string;
  readonly results: Readonly<Record<string, string>>;
}
export const RECORDED_FILE = new URL("./processor.json", import.meta.url);
export const recorded = (): Recorded => JSON.parse(readFileSync(RECORDED_FILE, "utf8")) as Recorded;

function rowOf(one: Instruction, results: Buffer): Row {
  let [engine, processor, same, oneOff] = [0, 0, 0, 0];
  const samples = samplesOf(one);
  samples.forEach(({ a, b }, n) => {
    const exact = one.exact(fixed(a), fixed(b)) as bigint;
    const mine = run(one, a, b);
    const theirs = { significand: results.readBigUInt64LE(10 * n), se: results.readUInt16LE(10 * n + 8) };
    engine = Math.max(engine, unitsApart(mine.se, mine.significand, exact));
    processor = Math.max(processor, unitsApart(theirs.se, theirs.significand, exact));
    const apart = ordinal(mine) - ordinal(theirs);
    if (apart === 0n) same++;
    else if (apart === 1n || apart === -1n) oneOff++;
  });
  return { name: one.name, engine, processor, same, oneOff, all: samples.length };
}

/** Neighbours differ by 1. */
const ordinal = ({ se, significand }: Extended): bigint => {
  const magnitude = (BigInt(se & 0x7fff) << 63n) | (significand & 0x7fffffffffffffffn);
  return se & 0x8000 ? -magnitude : magnitude;
};

export function accuracyRows(): Row[] {
  const { results } = recorded();
  return INSTRUCTIONS.map((one) => rowOf(one, Buffer.from(results[one.name] ?? "", "base64")));
}

/** What the reduction by 66 bits of π costs: FSIN's distance from the sine of the argument itself, around a power of two. */
export function reductionLoss(power: number): number {
  const random = new Random(power);
  const instruction = INSTRUCTIONS.find(({ name }) => name === "FSIN") as Instruction;
  let worst = 0;
  for (let n = 0; n < 50; n++) {
    const a = randomOperand({ ...instruction, exponents: [power, power], signed: false }, random);
    const { se, significand } = run(instruction, a, a);
    const x = fixed(a) % (2n * PI);
    worst = Math.max(worst, unitsApart(se, significand, sine(x > PI ? x - 2n * PI : x)));
  }
  return worst;
}

const POWERS = [-3, 0, 10, 20, 40, 60] as const;

/** Units in the last place: to a tenth, or as a power of two where they are many. */
function units(distance: number): string {
  return distance < 1000
    ? (Math.ceil(distance * 100) / 100).toFixed(2)
    : `2^${Math.round(Math.log2(distance))}`;
}

/** The section of src/cpu/fpu/README.md about accuracy: `npm run docs` writes it. */
export function describeAccuracy(): string {
  const rows = accuracyRows().map(
    ({ name, engine, processor, same, oneOff, all }) =>
      `| ${name} | ${units(engine)} | ${units(processor)} | ${same} | ${oneOff} | ${all - same - oneOff} |`,
  );
  const losses = POWERS.map((power) => `| 2^${power} | ${units(reductionLoss(power))} |`);
  return `Largest distance from the exact value, in units in the last place, over ${SAMPLES} random operands of each, rounded to nearest; exact values by series in
${FRACTION}-bit fixed point (test/cpu/fpu/accuracy). Of ${recorded().processor} the same operands were recorded (\`npm run record:cpu\`): so many of its results
are the engine's, one unit off, further off.

| instruction | here | processor | same | one unit | more |
|---|---:|---:|---:|---:|---:|
${rows.join("\n")}

FSIN, FCOS and FPTAN are measured with the π of 66 bits by which Intel's processors, and this one, reduce the argument. Of the sine of the argument itself, FSIN is so far off
near a power of two, here as there:

| argument | units |
|---|---:|
${losses.join("\n")}
`;
}
