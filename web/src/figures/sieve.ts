// Which of many marks the brushes of others let through: found once per axis, not once per mark.
import type { Brush } from "./bus";
import { withoutRole } from "./bus";
import { lookup, type Indices } from "./indices";
import { indexAt, type Place } from "./link";
import type { Guide } from "./types";

export interface Axis {
  key: string;
  size: number;
  guide?: Guide;
}

/** One thing that a brush asks of a mark: true where either axis has it. */
type Term = (Uint8Array | null)[];

/** Null lets everything through; "none" nothing. */
export type Sieve = null | "none" | ((...places: number[]) => boolean);

/** 1 for each place along an axis whose index is among some. */
function maskOf(indices: Indices, { size, guide }: Axis): Uint8Array {
  const mask = new Uint8Array(size);
  if (!guide?.indices?.length) {
    for (let i = 0; i < indices.length; i++) if (indices[i] < size) mask[indices[i]] = 1;
  } else {
    const set = lookup(indices);
    for (let place = 0; place < size; place++) if (set.has(indexAt(guide, place))) mask[place] = 1;
  }
  return mask;
}

function terms(brush: Brush, fixed: Place, axes: readonly (Axis | null)[]): Term[] | "none" {
  const out: Term[] = [];
  // Of two places along one dim, either may match a brush that does not tell them apart.
  const either = new Map<string, { met: boolean; term: Term }>();
  const has = (key: string) => key in fixed || axes.some((axis) => axis?.key === key);
  const all = [...Object.keys(fixed).map((key) => [key, -1] as const), ...axes.flatMap((axis, i) => (axis ? [[axis.key, i] as const] : []))];
  for (const [key, i] of all) {
    const plain = withoutRole(key);
    const loose = !(key in brush) && plain !== null && !has(plain);
    const indices = brush[loose ? plain : key];
    if (!indices) continue;
    const met = i < 0 && lookup(indices).has(fixed[key]);
    const axis = axes[i];
    const mask = axis ? maskOf(indices, axis) : null;
    if (loose) {
      const shared = either.get(plain) ?? { met: false, term: axes.map(() => null) };
      shared.met ||= met;
      if (mask) shared.term[i] = mask;
      either.set(plain, shared);
    } else if (mask) out.push(axes.map((_, k) => (k === i ? mask : null)));
    else if (!met) return "none";
  }
  for (const { met, term } of either.values()) {
    if (met) continue;
    if (term.every((mask) => mask === null)) return "none";
    out.push(term);
  }
  return out;
}

/** For marks of some fixed coordinates and a place along each of some axes. As `Bus.passes`, mark by mark. */
export function sieve(filters: ReadonlyMap<string, Brush>, source: string, fixed: Place, axes: readonly (Axis | null)[]): Sieve {
  const all: Term[] = [];
  for (const [from, brush] of filters) {
    if (from === source) continue;
    const asked = terms(brush, fixed, axes);
    if (asked === "none") return "none";
    all.push(...asked);
  }
  if (!all.length) return null;
  return (...places) => all.every((term) => term.some((mask, i) => mask !== null && mask[places[i]] === 1));
}

/** For marks along one axis: 1 for each that passes, or null where all do. */
export function passing(filters: ReadonlyMap<string, Brush>, source: string, fixed: Place, axis: Axis | null, marks: number): Uint8Array | null {
  const all: Uint8Array[] = [];
  for (const [from, brush] of filters) {
    if (from === source) continue;
    const asked = terms(brush, fixed, [axis]);
    if (asked === "none") return new Uint8Array(marks);
    for (const [mask] of asked) if (mask) all.push(mask);
  }
  if (!all.length) return null;
  const [first, ...others] = all;
  for (const other of others) for (let i = 0; i < first.length; i++) first[i] &= other[i];
  return first;
}
