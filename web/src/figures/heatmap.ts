// One matrix as coloured cells, or a stack of them, on one canvas.
import { match, type Selection } from "./bus";
import { Cells } from "./cells";
import { axisKey, fixedPlace, indexAt, knowsRole, linked, placesIn, type Place } from "./link";
import { letter, looks, outline, type Look } from "./looks";
import { exact, grouped, short, visible, visibleToken } from "./numbers";
import { Paint } from "./paint";
import type { Drawn } from "./part";
import type { Pen } from "./pen";
import type { Box, Host, Plot } from "./plot";
import { longSheet, type Sheet } from "./sheet";
import { sieve } from "./sieve";
import { HEADING, Tiles } from "./tiles";
import { FIRST, SCALE, SIGN, SPREAD, type Control } from "./tools";
import type { Guide, Heatmap } from "./types";

/** Above this many cells, a brush elsewhere fades whole panels only. */
const MOST_VEILED = 20_000;
/** A row of a pooled array is fetched once the pointer has stayed in it this long. */
const PAUSE = 60;

/** What there is to choose for a heatmap. */
export function heatmapControls(f: Heatmap, cells: Cells): Control[] {
  if (!cells.panels) return [];
  const out: Control[] = [];
  if (cells.panels > 1) out.push(SCALE);
  if (cells.rows * cells.columns * cells.panels > 1) out.push(SPREAD);
  if (f.colour.map === "diverging") out.push(SIGN);
  if (cells.hasFirst) out.push(FIRST);
  return out;
}

export class HeatmapPlot implements Plot {
  private readonly labels: ArrayLike<string> | null;
  private readonly details: ArrayLike<string> | null;
  private readonly keys: (string | null)[];
  private readonly places: Place[];
  private readonly tiles: Tiles;
  private readonly paint: Paint;
  private host: Host | null = null;
  private wait: ReturnType<typeof setTimeout> | undefined;
  readonly filtered = true;

  constructor(
    private readonly f: Heatmap,
    private readonly cx: Drawn,
    readonly cells = new Cells(f, cx),
  ) {
    const count = this.marks;
    this.labels = f.labels?.data?.length === count ? f.labels.data : null;
    this.details = f.details?.data?.length === count ? f.details.data : null;
    this.tiles = new Tiles(f, cells, this.labels);
    this.paint = new Paint(f, cells, this.tiles, this.labels);
    const { dims } = f.values;
    const space = (dim: string) => cx.space(dim);
    const key = (axis: string | undefined, guide?: Guide) => (linked(axis) ? axisKey(axis, guide, space) : null);
    const { leading } = cells;
    const panelKeys = leading.dims.map((dim) => key(dim, leading.dims.length === 1 ? f.panels : undefined));
    this.keys = [key(dims.length > 1 ? dims[dims.length - 2] : undefined, f.y), key(dims.at(-1), f.x), ...panelKeys];
    const always = fixedPlace(f.at, space);
    this.places = Array.from({ length: cells.panels }, (_, panel) => {
      const place: Place = { ...always };
      cells.panelAt(panel).forEach((index, i) => {
        const key = panelKeys[i];
        if (key) place[key] = leading.dims.length === 1 ? indexAt(f.panels, index) : index;
      });
      return place;
    });
  }

  get marks(): number {
    return this.cells.panels * this.cells.rows * this.cells.columns;
  }
  attach(host: Host): void {
    this.host = host;
  }
  controls(): Control[] {
    return heatmapControls(this.f, this.cells);
  }
  adjust(): void {
    this.cells.adjust();
  }
  private axisName(fromLast: number, guide: Guide): string {
    const { dims } = this.f.values;
    return guide.label || dims[dims.length - 1 - fromLast] || "";
  }
  panelName(panel: number): string {
    const tick = this.f.panels.ticks?.[panel];
    if (tick !== undefined) return visible(tick);
    const { dims } = this.cells.leading;
    if (dims.length < 2) return `${this.axisName(2, this.f.panels)} ${indexAt(this.f.panels, panel)}`;
    return this.cells.panelAt(panel).map((index, i) => `${dims[i]} ${index}`).join(" ");
  }
  panelPlace(panel: number): Place {
    return this.places[panel];
  }
  layout(width: number): { width: number; height: number } {
    return this.tiles.layout(width);
  }

  draw(pen: Pen): void {
    const { cells, tiles, paint } = this;
    if (!cells.panels) {
      pen.text(0, 15, "no values", { fill: pen.theme.muted });
      return;
    }
    for (const { panel, x, y, first, last } of tiles) {
      if (cells.panels > 1) {
        const full = this.panelName(panel);
        paint.heading(pen, panel, x, y, full, cells.leading.dims.length > 1 ? cells.panelAt(panel).join(".") : full);
      }
      paint.panel(pen, panel, x, y);
      this.veil(pen, panel, x, y);
      if (first && !tiles.dense) paint.rowNames(pen, x, y);
      if (last && !tiles.dense) paint.columnNames(pen, x, y + tiles.tall);
    }
    paint.around(pen, this.axisName(0, this.f.x), this.axisName(1, this.f.y));
  }
  /** Fades what a brush elsewhere leaves out. */
  private veil(pen: Pen, panel: number, x: number, y: number) {
    const { bus, id } = this.cx;
    const { rows, columns } = this.cells;
    const [yKey, xKey] = this.keys;
    const axes = [yKey ? { key: yKey, size: rows, guide: this.f.y } : null, xKey ? { key: xKey, size: columns, guide: this.f.x } : null];
    const passes = sieve(bus.filters, id, this.places[panel], axes);
    if (!passes) return;
    const [w, h] = this.tiles.cell;
    pen.alpha(0.78);
    if (passes === "none") pen.rect(x, y, w * columns, h * rows, pen.theme.page);
    else if (rows * columns <= MOST_VEILED) {
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) if (!passes(row, column)) pen.rect(x + column * w, y + this.tiles.line(row) * h, w, h, pen.theme.page);
      }
    }
    pen.alpha(1);
  }

  hit(px: number, py: number): number {
    const { cells, tiles } = this;
    const [w, h] = tiles.cell;
    for (const { panel, x, y } of tiles) {
      if (px < x || py < y || px >= x + tiles.wide || py >= y + tiles.tall) continue;
      const [row, column] = [tiles.line(Math.min(cells.rows - 1, Math.floor((py - y) / h))), Math.min(cells.columns - 1, Math.floor((px - x) / w))];
      return cells.exists(row, column) ? (panel * cells.rows + row) * cells.columns + column : -1;
    }
    return -1;
  }
  private split(mark: number): [panel: number, row: number, column: number] {
    const { rows, columns } = this.cells;
    return [Math.floor(mark / (rows * columns)), Math.floor(mark / columns) % rows, mark % columns];
  }
  box(mark: number): Box {
    const [panel, row, column] = this.split(mark);
    const [x, y] = this.tiles.corner(panel);
    const [w, h] = this.tiles.cell;
    return [x + column * w, y + this.tiles.line(row) * h, w, h];
  }
  step(mark: number, dx: number, dy: number): number {
    const { panels, rows, columns } = this.cells;
    const { enlarged } = this.tiles;
    let [panel, row, column] = this.split(mark);
    if (enlarged >= 0 && panel !== enlarged) panel = enlarged;
    column += dx;
    row += this.f.upwards ? -dy : dy;
    if (enlarged < 0 && column < 0 && panel > 0) [panel, column] = [panel - 1, columns - 1];
    if (enlarged < 0 && column >= columns && panel < panels - 1) [panel, column] = [panel + 1, 0];
    column = Math.max(0, Math.min(columns - 1, column));
    row = Math.max(0, Math.min(rows - 1, row));
    return this.cells.exists(row, column) ? (panel * rows + row) * columns + column : mark;
  }
  note(mark: number) {
    const { cells } = this;
    const [panel, row, column] = this.split(mark);
    const of = (fromLast: number, guide: Guide, place: number) => {
      const tick = guide.ticks?.[place];
      const index = indexAt(guide, place);
      const name = tick === undefined || tick === String(index) ? String(index) : `${visibleToken(tick)} (${index})`;
      return `${this.axisName(fromLast, guide)} ${name}`;
    };
    const lines = [of(1, this.f.y, row) + "  ·  " + of(0, this.f.x, column)];
    if (cells.panels > 1) lines.unshift(this.panelName(panel));
    if (this.labels) lines.push(visibleToken(this.labels[mark]));
    if (this.details?.[mark]) lines.push(...this.details[mark].split("\n").map(visible));
    const value = cells.value(panel, row, column);
    const shading = cells.shading(panel);
    if (cells.isFirst(row, column)) lines.push("left out of the colours: the first token");
    else if (value !== null && shading.leavesOut(value)) lines.push("left out of the colours: its sign");
    else if (value !== null && (value < shading.limits[0] || value > shading.limits[1])) lines.push("outside the limits of the colours");
    if (cells.own) lines.push(`colours of this panel from ${short(shading.limits[0])} to ${short(shading.limits[1])}`);
    const label = this.f.colour.label ? `${this.f.colour.label} ` : "";
    if (value !== null) return { head: label + exact(value, cells.single), lines };
    this.want(panel, row, mark);
    return { head: `${label}${short(cells.block(panel, row, column))}, the largest of ${cells.blockSize} cells pooled`, lines };
  }
  /** Fetches the row of a pooled array that someone stays in, and notes its mark again with the value itself. */
  private want(panel: number, row: number, mark: number) {
    clearTimeout(this.wait);
    this.wait = setTimeout(() => void this.cells.fetchRow(panel, row).then((fresh) => fresh && this.host?.noteAgain(mark)), PAUSE);
  }
  place(mark: number): Place {
    const [panel, row, column] = this.split(mark);
    const place = { ...this.places[panel] };
    const [y, x] = this.keys;
    if (y) place[y] = indexAt(this.f.y, row);
    if (x) place[x] = indexAt(this.f.x, column);
    return place;
  }
  overlay(pen: Pen): void {
    for (const look of looks(this.cx.bus, pen.theme)) this.mark(pen, look);
  }
  /** Outlines what a selection names: cells where it names row and column, else whole rows, columns or tiles. */
  private mark(pen: Pen, look: Look) {
    const { cells, tiles } = this;
    const { panels, rows, columns } = cells;
    if (!panels) return;
    const sel: Selection = look.sel;
    const [w, h] = tiles.cell;
    const [yKey, xKey] = this.keys;
    const inRows = yKey ? placesIn(sel, yKey, rows, this.f.y) : null;
    const inColumns = xKey ? placesIn(sel, xKey, columns, this.f.x) : null;
    const sameDim = !!yKey && !!xKey && yKey.split(/[/@]/)[0] === xKey.split(/[/@]/)[0] && !knowsRole(sel, yKey) && !knowsRole(sel, xKey);
    let named = false;
    const draw = (x: number, y: number, bw: number, bh: number) => {
      outline(pen, [x, y, Math.max(bw, 3), Math.max(bh, 3)], look);
      // Of many alike, the first has the letter.
      if (!named) letter(pen, x, y, look);
      named = true;
    };
    for (const { panel, x, y } of tiles) {
      const here = match(this.places[panel], sel);
      if (here === false) continue;
      if (!tiles.dense) named = false;
      const top = (row: number) => y + tiles.line(row) * h;
      if (inRows && inColumns && !sameDim) {
        for (const r of inRows) for (const c of inColumns) if (cells.exists(r, c)) draw(x + c * w, top(r), w, h);
      } else if (inRows || inColumns) {
        for (const r of inRows ?? []) draw(x, top(r), w * (this.f.causal ? Math.min(columns, r + 1) : columns), h);
        for (const c of inColumns ?? []) {
          const from = this.f.causal ? c : 0;
          draw(x + c * w, this.f.upwards ? y : y + from * h, w, h * (rows - from));
        }
      } else if (here && (panels > 1 || rows * columns > 1)) draw(x, y, tiles.wide, tiles.tall);
    }
  }
  tiny(): boolean {
    return this.cells.panels > 1 && this.tiles.enlarged < 0 && Math.min(...this.tiles.cell) < 5;
  }
  click(px: number, py: number, heading = false): boolean {
    const { tiles } = this;
    if (this.cells.panels < 2) return false;
    if (tiles.enlarged >= 0) {
      if (heading && py >= tiles.top) return false;
      tiles.enlarged = -1;
      return true;
    }
    for (const { panel, x, y } of tiles) {
      if (px < x || px >= x + tiles.wide || py < y - HEADING || py >= y + tiles.tall) continue;
      if (heading && py >= y) return false;
      tiles.enlarged = panel;
      // Alone, a panel of a pooled stack is shown as it is.
      void this.cells.fetchPanel(panel).then((fresh) => fresh && this.host?.redraw());
      return true;
    }
    return false;
  }
  back(): boolean {
    if (this.tiles.enlarged < 0) return false;
    this.tiles.enlarged = -1;
    return true;
  }
  summary(): string {
    const { panels, rows, columns, blockSize } = this.cells;
    if (!panels) return "Heatmap without values";
    const seen = Math.max(0, this.tiles.enlarged);
    const shading = this.cells.shading(seen);
    const many = panels > 1 ? `${panels} heatmaps` : "Heatmap";
    const label = this.f.colour.label ? `${this.f.colour.label} ` : "";
    const range = this.cells.own && this.tiles.enlarged < 0 ? `${label}on a scale of its own in each` : `${label}from ${short(shading.limits[0])} to ${short(shading.limits[1])}`;
    const notes = [
      ...(shading.missing ? [`${grouped(shading.missing)} not a number`] : []),
      ...(shading.outside ? [`${grouped(shading.outside)} outside the limits`] : []),
      ...(this.cells.leavesFirst ? ["the first token left out"] : []),
      ...(this.cells.isCoarse(seen) ? [`drawn from the largest of each ${blockSize} cells`] : []),
    ];
    return [`${many} of ${rows} rows (${this.axisName(1, this.f.y)}) by ${columns} columns (${this.axisName(0, this.f.x)}), ${range}`, ...notes].join("; ");
  }
  sheet(): Sheet {
    const { dims, shape } = this.f.values;
    const { pooled, blockSize } = this.cells;
    // Of a pooled array the rows are blocks: their places are theirs alone.
    const guides = pooled ? [] : dims.map((_, i) => [this.f.x, this.f.y, this.cells.leading.dims.length === 1 ? this.f.panels : undefined][dims.length - 1 - i]);
    const name = this.f.colour.label || "value";
    const names = pooled ? dims.map((dim, i) => (i >= dims.length - 2 ? `block of ${dim}` : dim)) : dims;
    const columns = [
      { name: pooled ? `${name}, largest of ${blockSize}` : name, numbers: this.cells.numbers },
      ...(this.labels ? [{ name: "label", words: this.labels }] : []),
      ...(this.details ? [{ name: "detail", words: this.details }] : []),
    ];
    const flat = (at: number[]) => at.reduce((sum, index, axis) => sum * shape[axis] + index, 0);
    return longSheet(names, shape, guides, columns, pooled ? undefined : (at) => this.place(flat(at)));
  }
}
