// Where the panels of a heatmap stand, how large their cells are, and what fits along their sides.
import { LEGEND, legendFoot } from "./axes";
import type { Cells } from "./cells";
import { nameAt } from "./link";
import { product, short, visibleToken } from "./numbers";
import { measure } from "./pen";
import type { Heatmap } from "./types";

export const HEADING = 17;
export const TICK = { size: 10.5 };
/** A tile narrower than this has no names along its sides; its readout has them. */
const DENSE = 64;
/** From this width on, four tiles stand in one line. */
const LINE_OF_FOUR = 44;
const MOST_WRITTEN = 6000;

export interface Tile {
  panel: number;
  x: number;
  y: number;
  /** In the first column of tiles, in the last line. */
  first: boolean;
  last: boolean;
}

export interface Names {
  turned: boolean;
  every: number;
  height: number;
}

export class Tiles {
  /** The panel that has all the room, -1 where all have some. */
  enlarged = -1;
  /** Size of a cell. */
  cell: [number, number] = [10, 10];
  per = 1;
  left = 0;
  top = 0;
  gap = 12;
  /** Words or numbers stand in the cells. */
  written = false;
  /** Tiles stand close together, without names along their sides. */
  dense = false;
  names: Names = { turned: false, every: 1, height: 18 };

  constructor(
    private readonly f: Heatmap,
    private readonly cells: Cells,
    private readonly labels: ArrayLike<string> | null,
  ) {}

  private get one(): boolean {
    return this.cells.panels === 1 || this.enlarged >= 0;
  }
  get shown(): number {
    return this.enlarged >= 0 ? 1 : this.cells.panels;
  }
  get lines(): number {
    return Math.ceil(this.shown / this.per);
  }
  get wide(): number {
    return this.cell[0] * this.cells.columns;
  }
  get tall(): number {
    return this.cell[1] * this.cells.rows;
  }
  /** All tiles together. */
  get across(): number {
    return Math.min(this.per, this.shown) * (this.wide + this.gap) - this.gap;
  }
  get down(): number {
    return this.lines * (this.tall + HEADING + this.gap) - HEADING - this.gap;
  }
  get barHeight(): number {
    return Math.max(84, Math.min(this.down, 190));
  }

  layout(width: number): { width: number; height: number } {
    const { panels, rows } = this.cells;
    if (!panels) return { width, height: 24 };
    let widest = 0;
    for (let row = 0; row < Math.min(rows, 1000); row++) widest = Math.max(widest, measure(visibleToken(nameAt(this.f.y, row)), TICK));
    this.left = Math.min(widest, 110) + 8 + 20;
    this.top = panels === 1 ? 4 : HEADING + 4;
    this.gap = 12;
    this.dense = false;
    const room = Math.max(80, width - this.left - LEGEND - 14);
    this.written = this.writtenIn(room);
    if (!this.written) this.drawnIn(room, width);
    this.names = this.columnNames();
    const foot = legendFoot(this.cells.shading(Math.max(0, this.enlarged)), this.cells.own && this.enlarged < 0);
    const height = Math.max(this.top + this.down + this.names.height + 20, this.top + this.barHeight + foot + 8);
    return { width, height: Math.ceil(height) };
  }
  /** Cells with words in them, where those fit. */
  private writtenIn(room: number): boolean {
    const { panels, rows, columns, pooled } = this.cells;
    const count = product([panels, rows, columns]);
    if (pooled || count > MOST_WRITTEN || !(this.labels || (this.one && rows <= 32 && columns <= 14))) return false;
    let wide = 0;
    for (let i = 0; i < count; i++) {
      const at = i % (rows * columns);
      const text = this.labels ? visibleToken(this.labels[i]) : short(this.cells.value((i - at) / (rows * columns), Math.floor(at / columns), at % columns) ?? NaN);
      wide = Math.max(wide, Math.min(88, measure(text, { size: 11 })));
    }
    const cell = Math.max(34, wide + 10);
    if (cell * columns > room) return false;
    this.cell = [this.one ? Math.min(room / columns, cell * 1.5) : cell, 21];
    this.per = Math.max(1, Math.min(this.shown, Math.floor((room + this.gap) / (cell * columns + this.gap))));
    return true;
  }
  /** Cells of colour alone, as large as there is room for. */
  private drawnIn(room: number, width: number): void {
    const { rows, columns, leading } = this.cells;
    const { dims } = this.f.values;
    const square = rows === columns || dims.at(-1)?.split("/")[0] === dims.at(-2)?.split("/")[0];
    const headings = leading.shape.at(-1) ?? 1;
    let most = Math.max(1, Math.floor((room + this.gap) / (DENSE + this.gap)));
    // A grid of layers by heads is laid out as one, if need be of small tiles close together.
    const asGrid = !this.one && leading.shape.length > 1;
    if (asGrid && headings > most && (width - LEGEND - 34) / headings >= 22) {
      this.dense = true;
      this.gap = 5;
      this.left = 22;
      most = headings;
    }
    // Four are a line or a square, never three and one.
    const four = (room + this.gap) / 4 - this.gap < LINE_OF_FOUR ? 2 : 4;
    const natural = asGrid && headings <= most ? headings : this.shown === 4 ? four : Math.round(Math.sqrt(this.shown * 1.9));
    this.per = Math.max(1, Math.min(natural, this.shown === 4 ? 4 : most, this.shown));
    const tile = ((this.dense ? width - LEGEND - 34 : room) + this.gap) / this.per - this.gap;
    let w = Math.min(tile / columns, this.one ? 30 : 26);
    let h = Math.min(w, (this.one ? 560 : Math.max(120, tile * 1.4)) / rows);
    if (square) w = h = Math.min(w, h);
    if (!this.dense) {
      h = Math.max(h, Math.min(22, 44 / rows));
      w = Math.max(w, Math.min(22, 44 / columns, room / columns));
    }
    this.cell = [w, h];
  }
  /** Names below the columns: level where they fit, else upright, else every so many. */
  private columnNames(): Names {
    if (this.dense) return { turned: false, every: Infinity, height: 4 };
    let widest = 0;
    for (let i = 0; i < Math.min(this.cells.columns, 1000); i++) widest = Math.max(widest, measure(visibleToken(nameAt(this.f.x, i)), TICK));
    const [w] = this.cell;
    if (widest + 6 <= w) return { turned: false, every: 1, height: 18 };
    if (this.f.x.ticks?.length) return { turned: true, every: w >= 12 ? 1 : Math.ceil(12 / w), height: Math.min(widest, 80) + 10 };
    const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((m) => m * w >= widest + 8) ?? 10000;
    return { turned: false, every, height: 18 };
  }
  /** The line that a row is drawn in, and the row of a line. */
  line(row: number): number {
    return this.f.upwards ? this.cells.rows - 1 - row : row;
  }
  corner(panel: number): [x: number, y: number] {
    if (this.enlarged >= 0) return [this.left, this.top];
    const [line, place] = [Math.floor(panel / this.per), panel % this.per];
    return [this.left + place * (this.wide + this.gap), this.top + line * (this.tall + HEADING + this.gap)];
  }
  *[Symbol.iterator](): Generator<Tile> {
    const [from, to] = this.enlarged >= 0 ? [this.enlarged, this.enlarged + 1] : [0, this.cells.panels];
    for (let panel = from; panel < to; panel++) {
      const [x, y] = this.corner(panel);
      const one = this.enlarged >= 0;
      yield { panel, x, y, first: one || panel % this.per === 0, last: one || panel + this.per >= this.cells.panels };
    }
  }
}
