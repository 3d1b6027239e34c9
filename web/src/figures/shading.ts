// From values to colours, as the reader wants them spread: linear, arcsinh or clipped, both signs or one.
import { ends, lut, step, MISSING, MISSING_DARK, type Rgb } from "./colour";
import type { Options } from "./options";
import type { ColourMap, ColourScale } from "./types";

export type Spread = "linear" | "arcsinh" | "clip";
export type Sign = "both" | "plus" | "minus";

export interface Manner {
  spread: Spread;
  sign: Sign;
}

export const PLAIN: Manner = { spread: "linear", sign: "both" };

export const mannerOf = (options: Options, map: ColourMap): Manner => ({
  spread: options.one("values", ["linear", "arcsinh", "clip"]),
  sign: map === "diverging" ? options.one("sign", ["both", "plus", "minus"]) : "both",
});

/** arcsinh is about linear up to the largest magnitude over this. */
const KNEE = 20;
/** The share of values beyond each end that `clip` lets go. */
const CLIPPED = 0.01;

/** What `step` gives for a value that is no number, and for one that is left out. */
export const NOT_A_NUMBER = -1;
export const LEFT_OUT = -2;

export class Shading {
  /** The ends of the legend. */
  readonly limits: [number, number];
  private readonly from: number;
  private readonly to: number;
  private readonly knee: number;

  constructor(
    readonly map: ColourMap,
    [low, high]: [number, number],
    readonly manner: Manner = PLAIN,
    /** How many values are beyond the limits, and how many are no numbers. */
    readonly outside = 0,
    readonly missing = 0,
  ) {
    const { spread, sign } = manner;
    this.knee = spread === "arcsinh" ? Math.max(Math.abs(low), Math.abs(high)) / KNEE : 0;
    // Colours span the symmetric range even where one sign is left out: leaving it out recolours nothing.
    this.from = this.bend(low);
    this.to = this.bend(high);
    this.limits = [sign === "plus" ? 0 : low, sign === "minus" ? 0 : high];
  }
  private bend(value: number): number {
    return this.knee > 0 ? Math.asinh(value / this.knee) : value;
  }
  leavesOut(value: number): boolean {
    const { sign } = this.manner;
    return sign === "plus" ? value < 0 : sign === "minus" ? value > 0 : false;
  }
  /** Where a value falls in the map's table of colours. */
  step(value: number): number {
    if (this.leavesOut(value)) return LEFT_OUT;
    return step(this.bend(value), this.from, this.to);
  }
  /** Null for a value that is left out. */
  colour(value: number, dark: boolean): Rgb | null {
    const i = this.step(value);
    if (i === LEFT_OUT) return null;
    if (i === NOT_A_NUMBER) return dark ? MISSING_DARK : MISSING;
    const table = lut(this.map, dark);
    return [table[i * 4], table[i * 4 + 1], table[i * 4 + 2]];
  }
  /** How strong a value is, from 0 to 1, whatever its sign; 0 where it is left out. */
  strength(value: number): number {
    if (Number.isNaN(value) || this.leavesOut(value)) return 0;
    const share = this.map === "diverging" ? Math.abs(this.bend(value)) / this.to : (this.bend(value) - this.from) / (this.to - this.from);
    return Math.max(0, Math.min(1, share));
  }
  /** Where a value stands along the legend, 0 at its lower end and 1 at its upper. */
  along(value: number): number {
    const [a, b] = this.limits.map((limit) => this.bend(limit));
    return (this.bend(value) - a) / (b - a);
  }
}

/** The k-th smallest of some numbers, which are put in another order: Hoare's selection. */
function smallest(values: Float32Array | Float64Array, k: number): number {
  let [left, right] = [0, values.length - 1];
  while (left < right) {
    const pivot = values[(left + right) >> 1];
    let [i, j] = [left, right];
    while (i <= j) {
      while (values[i] < pivot) i++;
      while (values[j] > pivot) j--;
      if (i <= j) {
        const kept = values[i];
        values[i++] = values[j];
        values[j--] = kept;
      }
    }
    if (k <= j) right = j;
    else if (k >= i) left = i;
    else break;
  }
  return values[k];
}

function clipped(map: ColourMap, values: ArrayLike<number>): [number, number] | null {
  const finite = Float64Array.from(values).filter(Number.isFinite);
  const n = finite.length;
  if (n < 2) return null;
  const beyond = Math.floor(n * CLIPPED);
  let limits: [number, number];
  if (map === "diverging") {
    const reach = smallest(finite.map(Math.abs), n - 1 - beyond);
    limits = [-reach, reach];
  } else {
    limits = [smallest(finite, beyond), smallest(finite, n - 1 - beyond)];
    if (map === "tint") limits = [Math.min(0, limits[0]), Math.max(0, limits[1])];
  }
  return limits[0] < limits[1] ? limits : null;
}

/**
 * A shading for some values, which spans those of what they are compared with too. The domain that the figure gives
 * holds as long as all of them are shown, on one scale.
 */
export function shade(scale: ColourScale, values: ArrayLike<number>, manner: Manner, part = false, beside: ArrayLike<number> | null = null): Shading {
  const own = part || manner.spread === "clip" ? { ...scale, domain: undefined } : scale;
  const all = joined(values, beside);
  const limits = (manner.spread === "clip" ? clipped(scale.map, all) : null) ?? ends(own, all);
  let [outside, missing] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value < limits[0] || value > limits[1]) outside++;
    else if (Number.isNaN(value)) missing++;
  }
  return new Shading(scale.map, limits, manner, outside, missing);
}

/** The values of two that are compared. */
function joined(a: ArrayLike<number>, b: ArrayLike<number> | null): ArrayLike<number> {
  if (!b) return a;
  const both = new Float64Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
