// Which coordinates a mark has: axes by name, guides by place.
import type { Selection } from "./bus";
import { withoutRole } from "./bus";
import { lookup } from "./indices";
import type { At, Guide } from "./types";

export type Place = Record<string, number>;

/** The key of an axis in a selection: `pos/dst` in space `p` is `pos/dst@p`. */
export function axisKey(axis: string, guide: Guide | undefined, space: (dim: string) => string): string {
  const dim = axis.split("/")[0];
  return `${axis}@${guide?.space || space(dim)}`;
}

/** The index of a place that is none of its dim, such as the embedding among layers. */
const NONE = 0xffffffff;

export const indexAt = (guide: Guide | undefined, place: number) => guide?.indices?.[place] ?? place;
export const nameAt = (guide: Guide | undefined, place: number) => guide?.ticks?.[place] ?? String(indexAt(guide, place));

/** Axes by which nothing elsewhere is meant: never linked. */
const LOCAL = new Set(["k", "bin", "row", "x", "y"]);
export const linked = (axis: string | undefined): axis is string => !!axis && !LOCAL.has(axis);

export function fixedPlace(at: At[] | undefined, space: (dim: string) => string): Place {
  const out: Place = {};
  for (const { axis, index } of at ?? []) out[axisKey(axis, undefined, space)] = index;
  return out;
}

/** The selection of one mark. A dim with two roles is also given without them, for figures that know only the dim. */
export function selectionOf(place: Place): Selection {
  const out: Selection = {};
  for (const [key, index] of Object.entries(place)) {
    if (index === NONE) continue;
    out[key] = [index];
    const plain = withoutRole(key);
    if (plain) out[plain] = [...new Set([...(out[plain] ?? []), index])];
  }
  return out;
}

/** Places along one axis that a selection names: null where it says nothing about the axis. */
export function placesIn(sel: Selection | null, key: string, size: number, guide?: Guide): number[] | null {
  if (!sel) return null;
  const plain = withoutRole(key);
  const own = sel[key] ?? (plain ? sel[plain] : undefined);
  if (!own) return null;
  if (!guide?.indices?.length) return own.filter((index) => index < size);
  const set = lookup(own);
  const out: number[] = [];
  for (let i = 0; i < size; i++) if (set.has(indexAt(guide, i))) out.push(i);
  return out;
}

/** Whether a selection tells the roles of a dim apart. */
export const knowsRole = (sel: Selection | null, key: string) => !!sel && key in sel;
