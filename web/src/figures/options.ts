// What a reader has chosen about how figures are drawn: plain values by string keys, kept by the page where it wants to.

/** Where choices are kept, so that they outlive a figure and are saved with a workspace. */
export interface OptionStore {
  get(key: string): unknown;
  set(key: string, value: unknown): void;
}

/** The choices of one figure. Those of figures inside it have the path to them before their keys: `0/scale`. */
export class Options implements OptionStore {
  private constructor(
    private readonly store: OptionStore,
    private readonly path: string,
    private readonly watchers: Map<() => void, string>,
  ) {}

  /** Over a store that is given, else over one that lives as long as this. */
  static over(store?: OptionStore): Options {
    return new Options(store ?? new Map<string, unknown>(), "", new Map());
  }
  within(part: string): Options {
    return new Options(this.store, `${this.path}${part}/`, this.watchers);
  }
  get(key: string): unknown {
    return this.store.get(this.path + key);
  }
  set(key: string, value: unknown): void {
    this.store.set(this.path + key, value);
    for (const [watcher, path] of [...this.watchers]) if (path === this.path) watcher();
  }
  /** One of some words; the first of them where nothing else was chosen. */
  one<T extends string>(key: string, words: readonly T[]): T {
    const chosen = this.get(key);
    return words.find((word) => word === chosen) ?? words[0];
  }
  /** Places below a size, in their order; none where none were chosen. */
  places(key: string, size: number): number[] {
    const chosen = this.get(key);
    if (!Array.isArray(chosen)) return [];
    return [...new Set(chosen)].filter((i): i is number => Number.isInteger(i) && i >= 0 && i < size);
  }
  /** Tells everyone who watches to look again. */
  reread(): void {
    for (const watcher of [...this.watchers.keys()]) watcher();
  }
  /** Called after a choice of this very figure. */
  watch(fn: () => void): () => void {
    this.watchers.set(fn, this.path);
    return () => void this.watchers.delete(fn);
  }
}
