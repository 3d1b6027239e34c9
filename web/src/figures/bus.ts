// Linked selection. Free of any framework and of the page, so that it can be tested by itself.
import { lookup, ordered, sameIndices, type Indices } from "./indices";

/** "dim@space" to indices; also "dim/dst@space" and "dim/src@space" where a mark has two places along one dim. */
export type Selection = Record<string, number[]>;
/** A selection that may be large. */
export type Brush = Record<string, Indices>;
export type Channel = "hover" | "pin" | "filter" | "compare";
export type PinMode = "replace" | "add" | "extend";

export interface Change {
  channel: Channel;
  source: string;
}

/** A brush over more indices than this is not saved: its list would be larger than all else of a workspace. */
export const MOST_SAVED = 10_000;

/** How many indices a brush has. */
export const brushed = (sel: Brush): number => Object.values(sel).reduce((sum, indices) => sum + indices.length, 0);

/** What is saved of a selection; never what the pointer is on, nor a brush over more than `MOST_SAVED`. */
export interface SavedSelection {
  pin: Selection;
  filters: Record<string, Selection>;
  compare?: [Selection | null, Selection | null];
}

export interface Bus {
  readonly hover: Selection | null;
  readonly pin: Selection;
  readonly filters: ReadonlyMap<string, Brush>;
  readonly compare: [Selection | null, Selection | null];
  readonly frozen: boolean;
  setHover(sel: Selection | null, source: string): void;
  /** While frozen, hovering changes nothing. */
  freeze(on: boolean): void;
  /** The same selection again unpins it. */
  togglePin(sel: Selection, source: string, mode?: PinMode): void;
  /** A brush. The source itself is not filtered by it. */
  setFilter(sel: Brush | null, source: string): void;
  unpin(source: string): void;
  setCompare(slot: 0 | 1, sel: Selection | null, source: string): void;
  /** Unwinds one level: hover, the newest filter, pins, the comparison. False where nothing is left. */
  escape(): boolean;
  state(): SavedSelection;
  restore(saved: SavedSelection): void;
  /** A mark matches if every dim it shares matches and it shares at least one. For `filter`, see `passes`. */
  matches(at: Record<string, number>, channel: Channel, source?: string): boolean;
  /** Whether no brush of another source excludes the mark. One that shares no dim with a brush is not excluded by it. */
  passes(at: Record<string, number>, source?: string): boolean;
  /** Called at most once per animation frame. */
  subscribe(fn: (changes: Change[]) => void): () => void;
}

/** "pos/dst@space" to "pos@space", else nothing. */
export function withoutRole(key: string): string | null {
  const slash = key.indexOf("/");
  const end = key.indexOf("@");
  return slash >= 0 && (end < 0 || slash < end) ? key.slice(0, slash) + (end < 0 ? "" : key.slice(end)) : null;
}

/** Whether a mark matches a selection; null where they share no dim. */
export function match(at: Record<string, number>, sel: Brush): boolean | null {
  let shares = false;
  // Of two places along one dim, either may match a selection that does not tell them apart.
  let either: Map<string, boolean> | null = null;
  for (const key in at) {
    const index = at[key];
    const own = sel[key];
    if (own) {
      if (!lookup(own).has(index)) return false;
      shares = true;
      continue;
    }
    const plain = withoutRole(key);
    const loose = plain === null || plain in at ? undefined : sel[plain];
    if (loose && plain !== null) {
      either ??= new Map();
      either.set(plain, (either.get(plain) ?? false) || lookup(loose).has(index));
      shares = true;
    }
  }
  if (either) for (const found of either.values()) if (!found) return false;
  return shares ? true : null;
}

export function isEmpty(sel: Brush | null): boolean {
  return !sel || Object.values(sel).every((indices) => indices.length === 0);
}

function tidy<T extends Brush>(sel: T): T {
  const out: Brush = {};
  for (const key of Object.keys(sel).sort()) {
    const indices = ordered(sel[key]);
    if (indices.length) out[key] = indices;
  }
  return out as T;
}

export function equal(a: Brush | null, b: Brush | null): boolean {
  if (a === b) return true;
  if (!a || !b) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && sameIndices(a[key], b[key]));
}

function includes(whole: Selection, part: Selection): boolean {
  return Object.entries(part).every(([key, indices]) => {
    const set = whole[key] && lookup(whole[key]);
    return !!set && indices.every((index) => set.has(index));
  });
}

function readSelection(value: unknown): Selection {
  const out: Selection = {};
  if (!value || typeof value !== "object" || Array.isArray(value)) return out;
  for (const [key, indices] of Object.entries(value)) {
    if (Array.isArray(indices)) out[key] = indices.filter((i): i is number => Number.isInteger(i) && i >= 0);
  }
  return tidy(out);
}

/** Runs a function before the next frame; at once after the current task where there are no frames. */
function nextFrame(fn: () => void): void {
  if (typeof requestAnimationFrame === "function" && !(typeof document !== "undefined" && document.hidden)) {
    requestAnimationFrame(fn);
  } else setTimeout(fn, 0);
}

export function createBus(schedule: (fn: () => void) => void = nextFrame): Bus {
  let hover: Selection | null = null;
  let pin: Selection = {};
  // The newest filter is last.
  const filters = new Map<string, Brush>();
  let compare: [Selection | null, Selection | null] = [null, null];
  // Where a range of pins starts.
  let anchor: Selection = {};
  let frozen = false;
  let pending: Change[] = [];
  let scheduled = false;
  const listeners = new Set<(changes: Change[]) => void>();

  function flush() {
    scheduled = false;
    const changes = pending;
    pending = [];
    for (const listener of [...listeners]) listener(changes);
  }
  function changed(channel: Channel, source: string) {
    if (!pending.some((change) => change.channel === channel && change.source === source)) {
      pending.push({ channel, source });
    }
    if (!scheduled) {
      scheduled = true;
      schedule(flush);
    }
  }

  const bus: Bus = {
    get hover() {
      return hover;
    },
    get pin() {
      return pin;
    },
    get filters() {
      return filters;
    },
    get compare() {
      return compare;
    },
    get frozen() {
      return frozen;
    },
    setHover(sel, source) {
      if (frozen) return;
      const next = isEmpty(sel) ? null : sel;
      if (equal(next, hover)) return;
      hover = next;
      changed("hover", source);
    },
    freeze(on) {
      frozen = on;
    },
    togglePin(sel, source, mode = "replace") {
      const given = tidy(sel);
      if (isEmpty(given)) return;
      if (mode === "replace") {
        pin = equal(pin, given) ? {} : given;
        anchor = given;
      } else if (mode === "add") {
        const next: Selection = { ...pin };
        const remove = includes(pin, given);
        for (const [key, indices] of Object.entries(given)) {
          const old = pin[key] ?? [];
          next[key] = remove ? old.filter((index) => !lookup(indices).has(index)) : [...old, ...indices];
        }
        pin = tidy(next);
        anchor = given;
      } else {
        const next: Selection = { ...pin };
        for (const [key, indices] of Object.entries(given)) {
          const from = anchor[key] ?? indices;
          const ends = [...from, ...indices];
          const [low, high] = [Math.min(...ends), Math.max(...ends)];
          next[key] = Array.from({ length: high - low + 1 }, (_, i) => low + i);
        }
        if (isEmpty(anchor)) anchor = given;
        pin = tidy(next);
      }
      changed("pin", source);
    },
    setFilter(sel, source) {
      const next = sel && tidy(sel);
      const old = filters.get(source) ?? null;
      if (!next) {
        if (!old) return;
        filters.delete(source);
      } else {
        // A brush over nothing is kept as given: it excludes every mark that shares its dim.
        const kept: Brush = { ...next };
        for (const key of Object.keys(sel)) kept[key] ??= [];
        if (equal(kept, old)) return;
        filters.delete(source);
        filters.set(source, kept);
      }
      changed("filter", source);
    },
    unpin(source) {
      if (isEmpty(pin)) return;
      pin = {};
      anchor = {};
      changed("pin", source);
    },
    setCompare(slot, sel, source) {
      const next = sel && tidy(sel);
      if (equal(next, compare[slot])) return;
      compare = slot === 0 ? [next, compare[1]] : [compare[0], next];
      changed("compare", source);
    },
    escape() {
      if (hover) {
        hover = null;
        changed("hover", "");
        return true;
      }
      const newest = [...filters.keys()].pop();
      if (newest !== undefined) {
        filters.delete(newest);
        changed("filter", newest);
        return true;
      }
      if (!isEmpty(pin)) {
        pin = {};
        anchor = {};
        changed("pin", "");
        return true;
      }
      if (compare[0] || compare[1]) {
        compare = [null, null];
        changed("compare", "");
        return true;
      }
      return false;
    },
    state() {
      const saved: SavedSelection = { pin: structuredClone(pin), filters: {} };
      for (const [source, sel] of filters) if (brushed(sel) <= MOST_SAVED) saved.filters[source] = Object.fromEntries(Object.entries(sel).map(([key, indices]) => [key, [...indices]]));
      if (compare[0] || compare[1]) saved.compare = structuredClone(compare);
      return saved;
    },
    restore(saved) {
      pin = readSelection(saved?.pin);
      anchor = pin;
      filters.clear();
      for (const [source, sel] of Object.entries(saved?.filters ?? {})) filters.set(source, readSelection(sel));
      const [a, b] = Array.isArray(saved?.compare) ? saved.compare : [null, null];
      compare = [a ? readSelection(a) : null, b ? readSelection(b) : null];
      hover = null;
      for (const channel of ["hover", "pin", "filter", "compare"] as const) changed(channel, "");
    },
    matches(at, channel, source) {
      switch (channel) {
        case "hover":
          return !!hover && match(at, hover) === true;
        case "pin":
          return match(at, pin) === true;
        case "compare":
          return compare.some((sel) => !!sel && match(at, sel) === true);
        case "filter": {
          let shares = false;
          for (const [from, sel] of filters) {
            if (from === source) continue;
            const found = match(at, sel);
            if (found === false) return false;
            shares ||= found === true;
          }
          return shares;
        }
      }
    },
    passes(at, source) {
      for (const [from, sel] of filters) if (from !== source && match(at, sel) === false) return false;
      return true;
    },
    subscribe(fn) {
      listeners.add(fn);
      return () => void listeners.delete(fn);
    },
  };
  return bus;
}
