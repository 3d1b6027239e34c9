// Numbers as people read them, and exactly; as crates/figure/src/render/numerals.rs.
import type { Arr, Num } from "./types";

export type Numbers = Float32Array | Float64Array | Uint32Array | Uint8Array;

export function toNumber(x: Num | number | undefined): number {
  return typeof x === "number" ? x : x === "Infinity" ? Infinity : x === "-Infinity" ? -Infinity : NaN;
}

const read = new WeakMap<object, Numbers>();

/** The numbers of an array that is here, "NaN" and infinities read. */
export function numbers(a: Arr<Num> | Arr<number>): Numbers {
  const data = a.data;
  if (!data) return new Float64Array(0);
  if (data instanceof Float32Array || data instanceof Float64Array || data instanceof Uint32Array || data instanceof Uint8Array) return data;
  let out = read.get(data);
  if (!out) {
    out = new Float64Array(data.length);
    for (let i = 0; i < data.length; i++) out[i] = toNumber(data[i]);
    read.set(data, out);
  }
  return out;
}

function notFinite(x: number): string | null {
  return Number.isNaN(x) ? "NaN" : x === Infinity ? "∞" : x === -Infinity ? "−∞" : null;
}

const trimmed = (s: string) => (s.includes(".") ? s.replace(/\.?0+$/, "") : s);
const minus = (s: string) => s.replace(/^-/, "−");

/** This many significant digits, powers of ten for numbers that would need many zeros. */
export function significant(x: number, digits: number): string {
  const name = notFinite(x);
  if (name) return name;
  if (x === 0) return "0";
  const [mantissa, power] = x.toExponential(digits - 1).split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return minus(trimmed(x.toFixed(Math.max(0, digits - 1 - exponent))));
  return minus(`${trimmed(mantissa)}e${exponent}`);
}

export const short = (x: number) => significant(x, 3);

export function fixed(x: number, decimals: number): string {
  return notFinite(x) ?? minus(x.toFixed(Math.min(decimals, 17)));
}

/** The fewest digits that read back as the same number; single precision where the array is. */
export function exact(x: number, single = false): string {
  const name = notFinite(x);
  if (name) return name.replace("∞", "Infinity").replace("−", "-");
  if (!single) return String(x);
  for (let digits = 1; digits < 9; digits++) {
    const text = Number(x.toPrecision(digits));
    if (Math.fround(text) === x) return String(text);
  }
  return String(Number(x.toPrecision(9)));
}

export function grouped(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** The finite values at the ends of some numbers; [Infinity, -Infinity] where there are none. */
export function extent(values: ArrayLike<number>): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    const x = values[i];
    if (!Number.isFinite(x)) continue;
    if (x < low) low = x;
    if (x > high) high = x;
  }
  return [low, high];
}

export function countMissing(values: ArrayLike<number>): number {
  let n = 0;
  for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i])) n++;
  return n;
}

export const product = (shape: number[]) => shape.reduce((a, b) => a * b, 1);

const HIDDEN =
  /[\u0080-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb\ufdd0-\ufdef]|[\u{e0000}-\u{e0fff}]/gu;

/** Text from outside with everything that would not show, or would turn its neighbours round, written visibly. */
export function visible(text: string): string {
  return text
    .replace(/\n/g, "⏎")
    .replace(/\t/g, "⇥")
    .replace(/[\u0000-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replace(/\u007f/g, "␡")
    .replace(HIDDEN, (c) => `<${c.codePointAt(0)!.toString(16)}>`);
}

/** A token as a label: blanks at its ends are `·`, an empty token is `∅`. */
export function visibleToken(token: string): string {
  if (token === "") return "∅";
  const before = token.length - token.replace(/^ +/, "").length;
  const core = token.slice(before).replace(/ +$/, "");
  return "·".repeat(before) + visible(core) + "·".repeat(token.length - before - core.length);
}
