// Places of views on a grid of 12 columns that grows downwards.

export interface Place {
  x: number;
  y: number;
  w: number;
  h: number;
}

export const COLUMNS = 12;
const ROW = 40;
const LEAST_ROW = 30;
const MOST_ROW = 72;
export const GAP = 8;
const MIN_W = 2;
const MIN_H = 3;
const MAX_H = 60;

export function clamp(p: Place): Place {
  const whole = (v: number, or: number) => (Number.isFinite(v) ? Math.round(v) : or);
  const w = Math.min(COLUMNS, Math.max(MIN_W, whole(p.w, 6)));
  const h = Math.min(MAX_H, Math.max(MIN_H, whole(p.h, 8)));
  return { w, h, x: Math.min(COLUMNS - w, Math.max(0, whole(p.x, 0))), y: Math.max(0, whole(p.y, 0)) };
}

export function meet(a: Place, b: Place): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

/**
 * Moves `id` to `to`; what is in the way goes down, and then everything rises as far as it can. The order of the
 * others is kept, so that a move and its reverse end where they began wherever nothing was pushed.
 */
export function arrange(places: ReadonlyMap<string, Place>, id: string | null, to?: Place): Map<string, Place> {
  const wanted = [...places].map(([key, p]) => ({ key, p: clamp(key === id && to ? to : p) }));
  wanted.sort((a, b) => a.p.y - b.p.y || Number(b.key === id) - Number(a.key === id) || a.p.x - b.p.x);
  const done: { key: string; p: Place }[] = [];
  for (const { key, p } of wanted) {
    const place = { ...p };
    const taken = () => done.some((d) => meet(d.p, place));
    while (taken()) place.y += 1;
    while (place.y > 0) {
      place.y -= 1;
      if (taken()) {
        place.y += 1;
        break;
      }
    }
    done.push({ key, p: place });
  }
  return new Map(done.map(({ key, p }) => [key, p]));
}

/** The first free place of this size, row by row. */
export function freePlace(places: Iterable<Place>, w: number, h: number): Place {
  const taken = [...places];
  for (let y = 0; ; y += 1) {
    for (let x = 0; x + w <= COLUMNS; x += 1) {
      const place = { x, y, w, h };
      if (!taken.some((p) => meet(p, place))) return place;
    }
  }
}

/**
 * How high rows are: as much as fills the room, so that a layout made for one window is seen whole in another, as long as
 * that leaves views enough. Where it does not, rows are as high as ever, and the page scrolls.
 */
export function rowHeight(places: Iterable<Place>, room: number): number {
  const rows = Math.max(0, ...[...places].map((p) => p.y + p.h));
  const whole = Math.floor(((room + GAP) / rows - GAP) * 10) / 10;
  return rows > 0 && whole >= LEAST_ROW ? Math.min(MOST_ROW, whole) : ROW;
}

/** Ids in reading order. */
export function readingOrder(places: ReadonlyMap<string, Place>): string[] {
  return [...places].sort(([, a], [, b]) => a.y - b.y || a.x - b.x).map(([id]) => id);
}
