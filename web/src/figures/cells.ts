// The cells of a heatmap: which there are, what is in them, and how they are shaded. Of a large array only the largest
// values of blocks are here; rows and panels come whole when they are wanted.
import { indexAt } from "./link";
import { numbers, product, type Numbers } from "./numbers";
import type { Drawn } from "./part";
import { mannerOf, shade, PLAIN, type Manner, type Shading } from "./shading";
import type { Arr, Heatmap } from "./types";

/** Whole panels of a pooled array that are kept at a time, and the cells of one that is still fetched. */
const MOST_PANELS = 8;
const MOST_CELLS = 32_000_000;
const MOST_LINES = 512;

/** The numbers of one panel, as fine as they are here. */
export interface Source {
  values: Numbers;
  /** Where the panel starts in `values`. */
  base: number;
  rows: number;
  columns: number;
}

function forgetOldest(kept: Map<number, Numbers>, most: number, forgotten: (key: number) => void): void {
  for (const oldest of kept.keys()) {
    if (kept.size <= most) return;
    kept.delete(oldest);
    forgotten(oldest);
  }
}

export class Cells {
  readonly panels: number;
  readonly rows: number;
  readonly columns: number;
  readonly leading: { dims: string[]; shape: number[] };
  /** The array that this is a coarse picture of. */
  private readonly whole: Arr | null;
  private readonly values: Numbers;
  private readonly grid: [rows: number, columns: number];
  private readonly fine = new Map<number, Numbers>();
  private readonly lines = new Map<number, Numbers>();
  private readonly asked = new Set<string>();
  /** The row and the column of the first token as a source, -1 where there is none or it is shown. */
  private firstRow = -1;
  private firstColumn = -1;
  private manner: Manner = PLAIN;
  private shadings: Shading[] = [];
  own = false;
  /** Changes with whatever changes what cells look like. */
  version = 0;

  constructor(
    private readonly f: Heatmap,
    private readonly cx: Drawn,
  ) {
    this.whole = f.values.whole ?? null;
    const { dims, shape } = this.whole ?? f.values;
    const rank = shape.length;
    this.values = numbers(f.values);
    const empty = this.values.length === 0;
    this.leading = { dims: dims.slice(0, Math.max(0, rank - 2)), shape: shape.slice(0, Math.max(0, rank - 2)) };
    this.panels = empty ? 0 : rank === 0 ? 1 : product(this.leading.shape);
    this.rows = empty ? 0 : rank > 1 ? shape[rank - 2] : 1;
    this.columns = empty ? 0 : rank > 0 ? shape[rank - 1] : 1;
    this.grid = this.whole ? [f.values.shape[rank - 2], f.values.shape[rank - 1]] : [this.rows, this.columns];
    this.adjust();
  }
  /** Whether an axis runs over what tokens attend to, with the first token among its places. */
  get hasFirst(): boolean {
    const { dims } = this.f.values;
    return (dims.at(-1) === "pos/src" && this.columns > 1 && indexAt(this.f.x, 0) === 0) || (dims.at(-2) === "pos/src" && this.rows > 1 && indexAt(this.f.y, 0) === 0);
  }
  get leavesFirst(): boolean {
    return this.firstRow >= 0 || this.firstColumn >= 0;
  }
  get pooled(): boolean {
    return this.whole !== null;
  }
  /** Whether only the largest values of blocks of a panel are here. */
  isCoarse(panel: number): boolean {
    return this.pooled && !this.fine.has(panel);
  }
  /** What is here, pooled or whole. */
  get numbers(): Numbers {
    return this.values;
  }
  get single(): boolean {
    return this.values instanceof Float32Array;
  }
  /** Takes up what the reader has chosen. */
  adjust(): void {
    const { options } = this.cx;
    const { dims } = this.f.values;
    const out = this.hasFirst && options.one("first", ["shown", "out"]) === "out";
    this.firstColumn = out && dims.at(-1) === "pos/src" ? 0 : -1;
    this.firstRow = out && dims.at(-2) === "pos/src" ? 0 : -1;
    this.own = this.panels > 1 && options.one("scale", ["shared", "own"]) === "own";
    this.manner = mannerOf(options, this.f.colour.map);
    this.shadings = [];
    this.version++;
  }
  exists(row: number, column: number): boolean {
    return !this.f.causal || column <= row;
  }
  isFirst(row: number, column: number): boolean {
    return row === this.firstRow || column === this.firstColumn;
  }
  source(panel: number): Source {
    const fine = this.fine.get(panel);
    if (fine) return { values: fine, base: 0, rows: this.rows, columns: this.columns };
    const [rows, columns] = this.grid;
    return { values: this.values, base: panel * rows * columns, rows, columns };
  }
  /** Whether a block of a source has cells below the causal mask, and whether it has the first token. */
  blockExists({ rows, columns }: Source, row: number, column: number): boolean {
    if (!this.f.causal) return true;
    if (rows === this.rows && columns === this.columns) return column <= row;
    return Math.ceil((column * this.columns) / columns) < Math.ceil(((row + 1) * this.rows) / rows);
  }
  /** The exact value of a cell, or null where it is not here. */
  value(panel: number, row: number, column: number): number | null {
    const fine = this.fine.get(panel);
    if (fine) return fine[row * this.columns + column];
    if (!this.whole) return this.values[(panel * this.rows + row) * this.columns + column];
    return this.lines.get(panel * this.rows + row)?.[column] ?? null;
  }
  /** The largest value of the block that a cell is in. */
  block(panel: number, row: number, column: number): number {
    const [rows, columns] = this.grid;
    return this.values[(panel * rows + Math.floor((row * rows) / this.rows)) * columns + Math.floor((column * columns) / this.columns)];
  }
  get blockSize(): string {
    return `${Math.ceil(this.rows / this.grid[0])}×${Math.ceil(this.columns / this.grid[1])}`;
  }
  /** The place of a panel along each leading dim. */
  panelAt(panel: number): number[] {
    const out: number[] = [];
    for (let i = this.leading.shape.length - 1; i >= 0; i--) {
      out.unshift(panel % this.leading.shape[i]);
      panel = Math.floor(panel / this.leading.shape[i]);
    }
    return out;
  }

  /** Fetches something once; true where something new is here. */
  private async fetch(key: string, slice: Record<string, number>, keep: (values: Numbers) => void): Promise<boolean> {
    if (!this.whole || this.asked.has(key)) return false;
    this.asked.add(key);
    try {
      keep(numbers(await this.cx.load(this.whole, { slice })));
      return true;
    } catch {
      // What was coarse stays so, and says it; the next that asks tries again.
      this.asked.delete(key);
      return false;
    }
  }
  private slice(panel: number): Record<string, number> {
    return Object.fromEntries(this.panelAt(panel).map((index, i) => [this.leading.dims[i], index]));
  }
  fetchRow(panel: number, row: number): Promise<boolean> {
    if (this.fine.has(panel)) return Promise.resolve(false);
    const at = panel * this.rows + row;
    const slice = { ...this.slice(panel), [this.whole?.dims.at(-2) ?? ""]: row };
    return this.fetch(`row ${at}`, slice, (values) => {
      this.lines.set(at, values);
      forgetOldest(this.lines, MOST_LINES, (oldest) => this.asked.delete(`row ${oldest}`));
    });
  }
  fetchPanel(panel: number): Promise<boolean> {
    if (!this.leading.dims.length || this.rows * this.columns > MOST_CELLS) return Promise.resolve(false);
    return this.fetch(`panel ${panel}`, this.slice(panel), (values) => {
      this.fine.set(panel, values);
      this.version++;
      forgetOldest(this.fine, MOST_PANELS, (oldest) => this.asked.delete(`panel ${oldest}`));
    });
  }

  /** The values of a panel, or of all, that are shown: neither masked nor of a first token that is left out. */
  private shown(panel: number | null): Numbers {
    const [rows, columns] = this.grid;
    const per = rows * columns;
    const [from, to] = panel === null ? [0, this.panels] : [panel, panel + 1];
    if (!this.f.causal && !this.leavesFirst) return this.values.subarray(from * per, to * per);
    const out = this.single ? new Float32Array((to - from) * per) : new Float64Array((to - from) * per);
    let n = 0;
    const block: Source = { values: this.values, base: 0, rows, columns };
    for (let row = 0; row < rows; row++) {
      if (row === this.firstRow) continue;
      for (let column = 0; column < columns; column++) {
        if (column === this.firstColumn || !this.blockExists(block, row, column)) continue;
        for (let p = from; p < to; p++) out[n++] = this.values[p * per + row * columns + column];
      }
    }
    return out.subarray(0, n);
  }
  shading(panel: number): Shading {
    const at = this.own ? panel : 0;
    return (this.shadings[at] ??= this.shade(this.own ? panel : null));
  }
  private shade(panel: number | null): Shading {
    const values = this.shown(panel);
    const beside = panel === null ? this.beside() : null;
    return shade(this.f.colour, values, this.manner, this.own || this.leavesFirst, beside);
  }
  /** What a figure that is compared with this one shows of itself: both have one scale. */
  private beside(): Numbers | null {
    const other = this.cx.beside;
    return other?.kind === "heatmap" && other.colour.map === this.f.colour.map ? new Cells(other, { ...this.cx, beside: undefined }).shown(null) : null;
  }
}
