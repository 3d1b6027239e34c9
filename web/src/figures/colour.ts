// Colours: the tables of crates/figure/src/render/palette.rs, so that page and exports agree.
import { extent, toNumber } from "./numbers";
import type { ColourMap, ColourScale } from "./types";

export type Rgb = readonly [number, number, number];

const rgb = (hex: string): Rgb => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)) as unknown as Rgb;
const table = (hexes: string) => hexes.split(" ").map(rgb);

/** Viridis at eighths. */
const SEQUENTIAL = table("440154 472d7b 3b528b 2c728e 21918c 28ae80 5ec962 addc30 fde725");
const TINT = table("ffffff dfecf8 b7d5ee 7fb6df 438fc9 1c62a8");
const TINT_DARK = table("141a22 172d45 1b4875 2269ac 4397dc 96cbf7");
const DIVERGING = table("123f7e 2c72b3 6ba8d3 bad7ea f8f8f8 f8cbb5 e78d73 c44240 861028");
/** Neutral is dark on a dark page, so that nothing shouts where nothing changes. */
const DIVERGING_DARK = table("a9d3f7 5fa6e0 2f74b5 1d4468 20262d 6b2f2c ab4a3d e07a62 fbc0ab");
/** Okabe and Ito 2008, the yellow last because it is faint on white. */
const CATEGORIES = table("0072b2 d55e00 009e73 cc79a7 e69f00 56b4e9 666666 d9c814");
const CATEGORIES_DARK = table("4aa8e0 f0853a 2fc497 e29bc4 f0b73c 8ccdf2 a7adb5 e9dc4c");

export const MISSING: Rgb = [0xb8, 0xb8, 0xb8];
export const MISSING_DARK: Rgb = [0x55, 0x5c, 0x66];

const STEPS = 1024;
const luts = new Map<string, Uint8ClampedArray>();

function colours(map: ColourMap, dark: boolean): Rgb[] {
  if (map === "tint") return dark ? TINT_DARK : TINT;
  if (map === "diverging") return dark ? DIVERGING_DARK : DIVERGING;
  return SEQUENTIAL;
}

/** RGBA at even steps along a map. */
export function lut(map: ColourMap, dark: boolean): Uint8ClampedArray {
  const key = map + dark;
  let out = luts.get(key);
  if (!out) {
    const t = colours(map, dark);
    luts.set(key, (out = new Uint8ClampedArray(STEPS * 4)));
    for (let i = 0; i < STEPS; i++) {
      const place = (i / (STEPS - 1)) * (t.length - 1);
      const below = Math.min(Math.floor(place), t.length - 2);
      for (let c = 0; c < 3; c++) out[i * 4 + c] = Math.round(t[below][c] + (t[below + 1][c] - t[below][c]) * (place - below));
      out[i * 4 + 3] = 255;
    }
  }
  return out;
}

/** Where a value falls in a lookup table; -1 for NaN. */
export function step(value: number, low: number, high: number): number {
  if (Number.isNaN(value)) return -1;
  const t = (value - low) / (high - low);
  return t <= 0 ? 0 : t >= 1 ? STEPS - 1 : Math.round(t * (STEPS - 1));
}

export function at(map: ColourMap, value: number, ends: [number, number], dark: boolean): Rgb {
  const i = step(value, ends[0], ends[1]);
  if (i < 0) return dark ? MISSING_DARK : MISSING;
  const t = lut(map, dark);
  return [t[i * 4], t[i * 4 + 1], t[i * 4 + 2]];
}

export function category(i: number, dark: boolean): Rgb {
  const t = dark ? CATEGORIES_DARK : CATEGORIES;
  return t[((i % t.length) + t.length) % t.length];
}

export const hex = (c: Rgb) => "#" + c.map((x) => Math.round(x).toString(16).padStart(2, "0")).join("");

/** Relative luminance, WCAG 2. */
export function luminance(c: Rgb): number {
  const [r, g, b] = c.map((x) => {
    const v = x / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(a: Rgb, b: Rgb): number {
  const [p, q] = [luminance(a), luminance(b)];
  return (Math.max(p, q) + 0.05) / (Math.min(p, q) + 0.05);
}

const DARK_INK: Rgb = [0x16, 0x1b, 0x22];
const LIGHT_INK: Rgb = [0xff, 0xff, 0xff];

const BLACK: Rgb = [0, 0, 0];

/** Near-black or white, whichever has more contrast with this ground; black where neither has enough. Never below 4.5. */
export function ink(ground: Rgb): Rgb {
  if (contrast(ground, LIGHT_INK) >= 4.5) return LIGHT_INK;
  return contrast(ground, DARK_INK) >= 4.5 ? DARK_INK : BLACK;
}

/** The finite values at the two ends for these data, low below high; symmetric for a diverging map. */
export function ends(scale: ColourScale, values: ArrayLike<number>): [number, number] {
  const given = scale.domain?.map(toNumber);
  let [low, high] = given?.every(Number.isFinite) ? (given as [number, number]) : extent(values);
  if (!given?.every(Number.isFinite)) {
    if (low > high) [low, high] = [0, 1];
    else if (scale.map === "tint") [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  }
  if (low > high) [low, high] = [high, low];
  if (scale.map === "diverging") {
    const reach = Math.max(Math.abs(low), Math.abs(high));
    [low, high] = [-reach, reach];
  }
  if (low === high) {
    const reach = low === 0 ? 1 : Math.max(Math.abs(low) * 0.5, Number.MIN_VALUE);
    [low, high] = [low - reach, Math.min(high + reach, Number.MAX_VALUE)];
  }
  return [Math.max(low, -Number.MAX_VALUE / 4), Math.min(high, Number.MAX_VALUE / 4)];
}
