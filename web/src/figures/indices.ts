// Sets of indices along one dim. A brush may hold a million, so they are lists in order, with a bitmap beside them where one is asked for.

/** In ascending order, each once, and never changed once they are in a selection. */
export type Indices = readonly number[] | Uint32Array;

export interface Lookup {
  has(index: number): boolean;
}

/** Bitmaps up to this many places; beyond, sets. */
const MOST_PLACES = 1 << 26;
const FEW = 32;

class Bitmap implements Lookup {
  private readonly bits: Uint8Array;
  constructor(indices: Indices, places: number) {
    this.bits = new Uint8Array(places);
    for (let i = 0; i < indices.length; i++) this.bits[indices[i]] = 1;
  }
  has(index: number): boolean {
    return this.bits[index] === 1;
  }
}

const lookups = new WeakMap<Indices, Lookup>();

/** The indices for asking whether one is among them. */
export function lookup(indices: Indices): Lookup {
  let found = lookups.get(indices);
  if (!found) {
    let most = -1;
    if (indices.length > FEW) for (let i = 0; i < indices.length; i++) if (indices[i] > most) most = indices[i];
    found = most >= 0 && most < MOST_PLACES ? new Bitmap(indices, most + 1) : new Set(indices);
    lookups.set(indices, found);
  }
  return found;
}

function inOrder(indices: Indices): boolean {
  for (let i = 1; i < indices.length; i++) if (!(indices[i - 1] < indices[i])) return false;
  return true;
}

/** The same indices in ascending order, each once; themselves where they are so and typed, for then they are a brush's own. */
export function ordered<T extends Indices>(indices: T): T {
  if (indices instanceof Uint32Array) return inOrder(indices) ? indices : (Uint32Array.from(new Set(indices)).sort() as T);
  return (inOrder(indices) ? indices.slice() : [...new Set(indices)].sort((a, b) => a - b)) as unknown as T;
}

export function sameIndices(a: Indices, b: Indices): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
