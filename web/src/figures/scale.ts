// Numeric axes: ticks at round numbers, and where values fall.
import { fixed, short } from "./numbers";
import type { Spacing } from "./types";

export interface Tick {
  value: number;
  name: string;
}

export interface Scale {
  low: number;
  high: number;
  spacing: Spacing;
  /** From a value to a place between two pixels. */
  at(value: number): number;
  /** From a pixel to a value. */
  from(pixel: number): number;
  ticks: Tick[];
}

/** Steps of 1, 2 or 5 times a power of ten, about this many. */
export function ticks(low: number, high: number, about: number, whole = false): Tick[] {
  const raw = (high - low) / Math.max(1, about);
  if (!(raw > 0) || !Number.isFinite(raw)) return [{ value: low, name: short(low) }];
  const power = 10 ** Math.floor(Math.log10(raw));
  let step = ([1, 2, 5, 10].find((m) => m * power >= raw * 0.999) ?? 10) * power;
  if (whole) step = Math.max(1, Math.round(step));
  const decimals = Math.max(0, Math.min(12, -Math.floor(Math.log10(step) + 1e-9)));
  const out: Tick[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9 && out.length < 200; i++) {
    const value = i * step || 0;
    const plain = Math.abs(value) < 1e6 && decimals <= 4;
    out.push({ value, name: plain ? fixed(value === 0 ? 0 : value, decimals) : short(value) });
  }
  return out;
}

function logTicks(low: number, high: number, about: number): Tick[] {
  const [from, to] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  const stride = Math.max(1, Math.ceil((to - from + 1) / Math.max(1, about)));
  const out: Tick[] = [];
  for (let e = from; e <= to; e += stride) out.push({ value: 10 ** e, name: short(10 ** e) });
  if (out.length >= 2) return out;
  const finer: Tick[] = [];
  for (let e = from - 1; e <= to; e++) {
    for (const m of [1, 2, 5]) {
      const value = m * 10 ** e;
      if (value >= low * 0.999 && value <= high * 1.001) finer.push({ value, name: short(value) });
    }
  }
  return finer.length ? finer : [{ value: low, name: short(low) }];
}

export function scale(
  [low, high]: [number, number],
  [start, end]: [number, number],
  spacing: Spacing = "linear",
  about = 5,
  whole = false,
): Scale {
  if (!(low <= high)) [low, high] = spacing === "log" ? [1, 10] : [0, 1];
  if (spacing === "log" && low <= 0) low = high > 0 ? high / 1e3 : 0.1;
  if (low === high) {
    if (spacing === "log") [low, high] = [low / 2, high * 2];
    else {
      const reach = low === 0 ? 1 : Math.abs(low) * 0.5;
      [low, high] = [low - reach, high + reach];
    }
  }
  const f = spacing === "log" ? Math.log10 : (x: number) => x;
  const g = spacing === "log" ? (x: number) => 10 ** x : (x: number) => x;
  const [a, b] = [f(low), f(high)];
  return {
    low,
    high,
    spacing,
    at: (value) => (spacing === "log" && value <= 0 ? NaN : start + ((f(value) - a) / (b - a)) * (end - start)),
    from: (pixel) => g(a + ((pixel - start) / (end - start)) * (b - a)),
    ticks: spacing === "log" ? logTicks(low, high, about) : ticks(low, high, about, whole),
  };
}
