// The paint of a heatmap: cells in colour, what is written in them and along their sides.
import { colourBar } from "./axes";
import type { Cells, Source } from "./cells";
import { MISSING, MISSING_DARK, hex, ink, lut } from "./colour";
import { nameAt } from "./link";
import { short, visibleToken } from "./numbers";
import { fit, type Pen, type Pixels } from "./pen";
import { LEFT_OUT, type Shading } from "./shading";
import { TICK, type Tiles } from "./tiles";
import type { Heatmap } from "./types";

/** The pixels of one panel. Where there are more cells than pixels, each pixel is the cell of largest magnitude below it, so that none is lost. */
export function pixels(cells: Cells, panel: number, [width, height]: [number, number], upwards: boolean, dark: boolean): Pixels {
  const source = cells.source(panel);
  const shading = cells.shading(panel);
  const { values, base, rows, columns } = source;
  const [across, down] = [Math.max(1, Math.min(columns, width)), Math.max(1, Math.min(rows, height))];
  const data = new Uint8ClampedArray(across * down * 4);
  const table = lut(shading.map, dark);
  const missing = dark ? MISSING_DARK : MISSING;
  const put = (to: number, value: number) => {
    const step = shading.step(value);
    if (step === LEFT_OUT) return;
    const i = step * 4;
    if (i >= 0) {
      data[to] = table[i];
      data[to + 1] = table[i + 1];
      data[to + 2] = table[i + 2];
    } else [data[to], data[to + 1], data[to + 2]] = missing;
    data[to + 3] = 255;
  };
  const seen = (row: number, column: number) => !cells.isFirst(row, column) && cells.blockExists(source, row, column);
  const one = across === columns && down === rows;
  for (let line = 0; line < down; line++) {
    const y = upwards ? down - 1 - line : line;
    const y0 = Math.floor((y * rows) / down);
    const y1 = Math.max(y0 + 1, Math.floor(((y + 1) * rows) / down));
    for (let x = 0; x < across; x++) {
      if (one) {
        if (seen(y, x)) put((line * across + x) * 4, values[base + y * columns + x]);
        continue;
      }
      const x0 = Math.floor((x * columns) / across);
      const x1 = Math.max(x0 + 1, Math.floor(((x + 1) * columns) / across));
      let [best, size, any] = [NaN, -1, false];
      for (let row = y0; row < y1; row++) {
        for (let column = x0; column < x1; column++) {
          if (!seen(row, column)) continue;
          const value = values[base + row * columns + column];
          if (shading.leavesOut(value)) continue;
          any = true;
          if (Math.abs(value) > size) [best, size] = [value, Math.abs(value)];
        }
      }
      if (any) put((line * across + x) * 4, best);
    }
  }
  return { width: across, height: down, data };
}

/** The name of an axis; where it does not fit, without what it says after a colon. */
function named(label: string, room: number): string {
  const style = { size: 11 };
  return fit(label, room, style) === label ? label : fit(label.replace(/:.*/, ""), room, style);
}

export class Paint {
  /** Pixels of panels, good until what they show changes. */
  private readonly kept = new Map<number, { of: string; pixels: Pixels }>();

  constructor(
    private readonly f: Heatmap,
    private readonly cells: Cells,
    private readonly tiles: Tiles,
    private readonly labels: ArrayLike<string> | null,
  ) {}

  panel(pen: Pen, panel: number, x: number, y: number): void {
    const { cells, tiles } = this;
    const { wide, tall } = tiles;
    const [w, h] = tiles.cell;
    const shading = cells.shading(panel);
    // What is masked or left out shows this ground.
    if (this.f.causal || cells.leavesFirst || shading.manner.sign !== "both") pen.rect(x, y, wide, tall, pen.theme.masked);
    const size: [number, number] = [Math.round(wide * pen.density), Math.round(tall * pen.density)];
    const of = `${size} ${pen.theme.dark} ${cells.version}`;
    let kept = this.kept.get(panel);
    if (kept?.of !== of) this.kept.set(panel, (kept = { of, pixels: pixels(cells, panel, size, !!this.f.upwards, pen.theme.dark) }));
    pen.image(x, y, wide, tall, kept.pixels);
    if (shading.missing && Math.min(w, h) >= 5) this.hatches(pen, panel, x, y);
    if (tiles.written) this.words(pen, panel, x, y, shading);
    else pen.rect(x - 0.5, y - 0.5, wide + 1, tall + 1, null, pen.theme.grid);
  }
  private hatches(pen: Pen, panel: number, x: number, y: number) {
    const { cells, tiles } = this;
    const source: Source = cells.source(panel);
    if (source.rows !== cells.rows || source.columns !== cells.columns) return;
    const [w, h] = tiles.cell;
    for (let row = 0; row < cells.rows; row++) {
      for (let column = 0; column < cells.columns; column++) {
        if (!Number.isNaN(source.values[source.base + row * cells.columns + column]) || !cells.exists(row, column) || cells.isFirst(row, column)) continue;
        const [cx, cy] = [x + column * w, y + tiles.line(row) * h];
        pen.rect(cx, cy, w, h, pen.theme.panel);
        pen.hatch(cx, cy, w, h);
      }
    }
  }
  private words(pen: Pen, panel: number, x: number, y: number, shading: Shading) {
    const { cells, tiles } = this;
    const { rows, columns } = cells;
    const [w, h] = tiles.cell;
    const style = { size: 11, anchor: "middle" as const };
    for (let i = 1; i < columns; i++) pen.line([x + i * w, y, x + i * w, y + h * rows], pen.theme.page, 1);
    for (let i = 1; i < rows; i++) pen.line([x, y + i * h, x + columns * w, y + i * h], pen.theme.page, 1);
    pen.rect(x - 0.5, y - 0.5, w * columns + 1, h * rows + 1, null, pen.theme.grid);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        if (!cells.exists(row, column)) continue;
        const value = cells.value(panel, row, column) ?? NaN;
        const text = this.labels ? visibleToken(this.labels[(panel * rows + row) * columns + column]) : short(value);
        const ground = cells.isFirst(row, column) ? null : shading.colour(value, pen.theme.dark);
        const fill = !ground ? pen.theme.muted : Number.isNaN(value) ? pen.theme.ink : hex(ink(ground));
        pen.text(x + (column + 0.5) * w, y + (tiles.line(row) + 0.5) * h + 4, fit(text, w - 6, style), { ...style, fill, within: w - 4 });
      }
    }
  }
  /** Over a tile: its name, and its limits where it has its own. */
  heading(pen: Pen, panel: number, x: number, y: number, full: string, brief: string): void {
    const { cells, tiles } = this;
    const { dense, wide, enlarged } = tiles;
    const style = { size: dense ? 10 : 11, bold: !dense, fill: dense ? pen.theme.muted : pen.theme.ink };
    const name = fit(full, wide, style) === full ? full : brief;
    const at = y - (dense ? 3.5 : 5);
    const small = { size: 10, fill: pen.theme.muted, anchor: "end" as const };
    let taken = enlarged >= 0 ? 60 : 0;
    if (cells.own && enlarged < 0 && !dense) {
      const [low, high] = cells.shading(panel).limits;
      const limits = `${short(low)} … ${short(high)}`;
      const room = wide - 6;
      if (fit(limits, room / 2, small) === limits) {
        taken = room / 2;
        pen.text(x + wide, at, limits, small);
      }
    }
    pen.text(x, at, fit(name, wide - taken, style), style);
  }
  rowNames(pen: Pen, x: number, y: number): void {
    const h = this.tiles.cell[1];
    const every = h >= 11 ? 1 : this.f.y.ticks?.length ? Math.ceil(11 / h) : ([2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((m) => m * h >= 12) ?? 10000);
    for (let row = 0; row < this.cells.rows; row += every) {
      const name = fit(visibleToken(nameAt(this.f.y, row)), 110, TICK);
      pen.text(x - 7, y + (this.tiles.line(row) + 0.5) * h + 3.7, name, { ...TICK, anchor: "end", fill: pen.theme.muted });
    }
  }
  columnNames(pen: Pen, x: number, y: number): void {
    const { turned, every } = this.tiles.names;
    const w = this.tiles.cell[0];
    const fill = pen.theme.muted;
    for (let column = 0; column < this.cells.columns; column += every) {
      const name = fit(visibleToken(nameAt(this.f.x, column)), turned ? 80 : Math.max(w * every, 30), TICK);
      if (turned) pen.text(x + (column + 0.5) * w + 3.7, y + 6, name, { ...TICK, fill, turn: 1 });
      else pen.text(x + (column + 0.5) * w, y + 15, name, { ...TICK, fill, anchor: "middle" });
    }
  }
  /** What the axes are, and the legend. */
  around(pen: Pen, xLabel: string, yLabel: string): void {
    const { cells, tiles } = this;
    const { left, top, across, down } = tiles;
    pen.text(left + across / 2, top + down + tiles.names.height + 12, named(xLabel, Math.max(60, across)), { size: 11, anchor: "middle" });
    pen.text(11, top + down / 2, named(yLabel, Math.max(60, down)), { size: 11, anchor: "middle", turn: -1 });
    if (tiles.enlarged >= 0) pen.text(left + tiles.wide, top - 5, "Esc: all", { size: 10.5, anchor: "end", fill: pen.theme.muted });
    const each = cells.own && tiles.enlarged < 0;
    const diverging = this.f.colour.map === "diverging";
    const sign = cells.shading(0).manner.sign;
    const lowest = sign === "plus" ? "0" : diverging ? "−max" : "min";
    const largest = sign === "minus" ? "0" : "max";
    colourBar(pen, cells.shading(Math.max(0, tiles.enlarged)), { x: left + across + 16, y: top, height: tiles.barHeight, label: this.f.colour.label, names: each ? [lowest, largest] : undefined });
  }
}
