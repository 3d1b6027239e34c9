// One matrix as coloured cells, or a stack of them, on one canvas.
import { LEGEND, colourBar } from "./axes";
import { at as colourAt, ends, hex, ink, lut, step, MISSING, MISSING_DARK } from "./colour";
import { axisKey, fixedPlace, indexAt, knowsRole, linked, nameAt, placesIn, type Place } from "./link";
import { match, type Selection } from "./bus";
import { exact, grouped, numbers, product, short, visible, visibleToken, type Numbers } from "./numbers";
import type { Context } from "./part";
import { fit, measure, type Pen, type Pixels } from "./pen";
import type { Box, Plot } from "./plot";
import { longSheet, type Sheet } from "./sheet";
import type { Guide, Heatmap } from "./types";

const HEADING = 17;
/** A tile narrower than this has no names along its sides; its readout has them. */
const DENSE = 64;
const TICK = { size: 10.5 };
const MOST_WRITTEN = 6000;

export class HeatmapPlot implements Plot {
  private readonly values: Numbers;
  private readonly labels: ArrayLike<string> | null;
  private readonly details: ArrayLike<string> | null;
  private readonly size: [panels: number, rows: number, columns: number];
  private readonly ends: [number, number];
  private readonly missing: number;
  private readonly keys: (string | null)[];
  private readonly leading: { dims: string[]; shape: number[] };
  private readonly always: Place;
  private enlarged = -1;
  // The layout: sizes of a cell and of a tile, and where the first tile is.
  private cell: [number, number] = [10, 10];
  private per = 1;
  private left = 0;
  private top = 0;
  private written = false;
  private dense = false;
  private gap = 12;
  private height = 0;
  readonly filtered = true;

  constructor(
    private readonly f: Heatmap,
    private readonly cx: Context,
  ) {
    const { shape, dims } = f.values;
    this.values = numbers(f.values);
    const rank = shape.length;
    const rest = shape.slice(0, Math.max(0, rank - 2));
    this.size = rank === 0 ? [1, 1, 1] : [product(rest), rank > 1 ? shape[rank - 2] : 1, shape[rank - 1]];
    if (this.values.length === 0) this.size = [0, 0, 0];
    this.leading = { dims: dims.slice(0, Math.max(0, rank - 2)), shape: rest };
    const cells = product(this.size);
    this.labels = f.labels?.data?.length === cells ? f.labels.data : null;
    this.details = f.details?.data?.length === cells ? f.details.data : null;
    this.ends = ends(f.colour, this.values);
    let missing = 0;
    for (let i = 0; i < cells; i++) if (Number.isNaN(this.values[i]) && this.exists(i)) missing++;
    this.missing = missing;
    const space = (dim: string) => cx.space(dim);
    const key = (axis: string | undefined, guide?: Guide) => (linked(axis) ? axisKey(axis, guide, space) : null);
    const panelKeys = this.leading.dims.map((dim) => key(dim, this.leading.dims.length === 1 ? f.panels : undefined));
    this.keys = [key(rank > 1 ? dims[rank - 2] : undefined, f.y), key(dims[rank - 1], f.x), ...panelKeys];
    this.always = fixedPlace(f.at, space);
  }

  get marks(): number {
    return product(this.size);
  }
  private exists(mark: number): boolean {
    const [, rows, columns] = this.size;
    return !this.f.causal || mark % columns <= Math.floor(mark / columns) % rows;
  }
  private rowAt(line: number): number {
    return this.f.upwards ? this.size[1] - 1 - line : line;
  }
  private axisName(fromLast: number, guide: Guide): string {
    const dims = this.f.values.dims;
    return guide.label || dims[dims.length - 1 - fromLast] || "";
  }
  private panelName(panel: number): string {
    const tick = this.f.panels.ticks?.[panel];
    if (tick !== undefined) return visible(tick);
    if (this.leading.dims.length < 2) return `${this.axisName(2, this.f.panels)} ${indexAt(this.f.panels, panel)}`;
    return this.panelAt(panel).map((index, i) => `${this.leading.dims[i]} ${index}`).join(" ");
  }
  private panelAt(panel: number): number[] {
    const out: number[] = [];
    for (let i = this.leading.shape.length - 1; i >= 0; i--) {
      out.unshift(panel % this.leading.shape[i]);
      panel = Math.floor(panel / this.leading.shape[i]);
    }
    return out;
  }

  layout(width: number): { width: number; height: number } {
    const [panels, rows, columns] = this.size;
    if (!panels) return { width, height: (this.height = 24) };
    const one = panels === 1 || this.enlarged >= 0;
    const shown = one ? 1 : panels;
    const name = (row: number) => measure(visibleToken(nameAt(this.f.y, row)), TICK);
    const widest = Math.max(0, ...Array.from({ length: Math.min(rows, 1000) }, (_, row) => name(row)));
    this.left = Math.min(widest, 110) + 8 + 20;
    this.top = one && panels === 1 ? 4 : HEADING + 4;
    const room = Math.max(80, width - this.left - LEGEND - 14);
    this.written = false;
    this.dense = false;
    this.gap = 12;
    const words = this.labels;
    if (product(this.size) <= MOST_WRITTEN && (words || (one && rows <= 32 && columns <= 14))) {
      const style = { size: 11 };
      let wide = 0;
      const count = product(this.size);
      for (let i = 0; i < count; i++) {
        const text = words ? visibleToken(words[i]) : short(this.values[i]);
        wide = Math.max(wide, Math.min(88, measure(text, style)));
      }
      const cell = Math.max(34, wide + 10);
      const per = Math.max(1, Math.min(shown, Math.floor((room + this.gap) / (cell * columns + this.gap))));
      if (cell * columns <= room) {
        const grown = one ? Math.min(room / columns, cell * 1.5) : cell;
        this.written = true;
        this.cell = [grown, 21];
        this.per = per;
      }
    }
    if (!this.written) {
      const dims = this.f.values.dims;
      const square = rows === columns || dims.at(-1)?.split("/")[0] === dims.at(-2)?.split("/")[0];
      const headings = this.leading.shape.at(-1) ?? 1;
      let most = Math.max(1, Math.floor((room + this.gap) / (DENSE + this.gap)));
      // A grid of layers by heads is laid out as one, if need be of small tiles close together.
      const asGrid = !one && this.leading.shape.length > 1;
      if (asGrid && headings > most && (width - LEGEND - 34) / headings >= 22) {
        this.dense = true;
        this.gap = 5;
        this.left = 22;
        most = headings;
      }
      const natural = asGrid && headings <= most ? headings : Math.round(Math.sqrt(shown * 1.9));
      this.per = Math.max(1, Math.min(natural, most, shown));
      const tile = ((this.dense ? width - LEGEND - 34 : room) + this.gap) / this.per - this.gap;
      let w = Math.min(tile / columns, one ? 30 : 26);
      const high = one ? 560 : Math.max(120, tile * 1.4);
      let h = Math.min(w, high / rows);
      if (square) w = h = Math.min(w, h);
      if (!this.dense) {
        h = Math.max(h, Math.min(22, 44 / rows));
        w = Math.max(w, Math.min(22, 44 / columns, room / columns));
      }
      this.cell = [w, h];
    }
    const lines = Math.ceil(shown / this.per);
    const tall = this.cell[1] * rows;
    const names = this.columnNames();
    this.height = this.top + lines * (tall + HEADING + this.gap) - HEADING - this.gap + names.height + 20;
    this.height = Math.max(this.height, this.top + Math.max(84, Math.min(tall, 190)) + (this.missing ? 30 : 8));
    return { width, height: Math.ceil(this.height) };
  }

  /** Names below the columns: level where they fit, else upright, else every so many. */
  private columnNames(): { turned: boolean; every: number; height: number } {
    if (this.dense) return { turned: false, every: Infinity, height: 4 };
    const columns = this.size[2];
    let widest = 0;
    for (let i = 0; i < Math.min(columns, 1000); i++) widest = Math.max(widest, measure(visibleToken(nameAt(this.f.x, i)), TICK));
    const [w] = this.cell;
    if (widest + 6 <= w) return { turned: false, every: 1, height: 18 };
    if (this.f.x.ticks?.length) {
      if (w >= 12) return { turned: true, every: 1, height: Math.min(widest, 80) + 10 };
      return { turned: true, every: Math.ceil(12 / w), height: Math.min(widest, 80) + 10 };
    }
    let every = 1;
    for (const m of [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000]) {
      every = m;
      if (m * w >= widest + 8) break;
    }
    return { turned: false, every, height: 18 };
  }

  /** Panels on show, and where each is. */
  private *tiles(): Generator<{ panel: number; x: number; y: number; first: boolean; last: boolean }> {
    const [panels, rows, columns] = this.size;
    const [w, h] = this.cell;
    if (this.enlarged >= 0) {
      yield { panel: this.enlarged, x: this.left, y: this.top, first: true, last: true };
      return;
    }
    for (let panel = 0; panel < panels; panel++) {
      const [line, place] = [Math.floor(panel / this.per), panel % this.per];
      yield {
        panel,
        x: this.left + place * (w * columns + this.gap),
        y: this.top + line * (h * rows + HEADING + this.gap),
        first: place === 0,
        last: panel + this.per >= panels,
      };
    }
  }

  private pixels(panel: number, density: number, dark: boolean): Pixels {
    const [, rows, columns] = this.size;
    const table = lut(this.f.colour.map, dark);
    const [low, high] = this.ends;
    const base = panel * rows * columns;
    const missing = dark ? MISSING_DARK : MISSING;
    const put = (data: Uint8ClampedArray, to: number, value: number) => {
      const i = step(value, low, high) * 4;
      if (i >= 0) {
        data[to] = table[i];
        data[to + 1] = table[i + 1];
        data[to + 2] = table[i + 2];
      } else [data[to], data[to + 1], data[to + 2]] = missing;
      data[to + 3] = 255;
    };
    const [w, h] = [Math.max(1, Math.round(this.cell[0] * columns * density)), Math.max(1, Math.round(this.cell[1] * rows * density))];
    const [across, down] = [Math.min(columns, w), Math.min(rows, h)];
    const data = new Uint8ClampedArray(across * down * 4);
    if (across === columns && down === rows) {
      for (let line = 0; line < rows; line++) {
        const row = this.rowAt(line);
        const end = this.f.causal ? Math.min(columns, row + 1) : columns;
        for (let column = 0; column < end; column++) put(data, (line * columns + column) * 4, this.values[base + row * columns + column]);
      }
      return { width: across, height: down, data };
    }
    // More cells than pixels: each pixel is the cell of largest magnitude below it, so that none is lost.
    for (let py = 0; py < down; py++) {
      const [y0, y1] = [Math.floor((py * rows) / down), Math.max(Math.floor((py * rows) / down) + 1, Math.floor(((py + 1) * rows) / down))];
      for (let px = 0; px < across; px++) {
        const [x0, x1] = [Math.floor((px * columns) / across), Math.max(Math.floor((px * columns) / across) + 1, Math.floor(((px + 1) * columns) / across))];
        let [best, size, any] = [NaN, -1, false];
        for (let y = y0; y < y1; y++) {
          const row = this.rowAt(y);
          const end = this.f.causal ? Math.min(x1, row + 1) : x1;
          for (let x = x0; x < end; x++) {
            any = true;
            const value = this.values[base + row * columns + x];
            if (Math.abs(value) > size) [best, size] = [value, Math.abs(value)];
          }
        }
        if (any) put(data, (py * across + px) * 4, best);
      }
    }
    return { width: across, height: down, data };
  }

  draw(pen: Pen): void {
    const { theme } = pen;
    const [panels, rows, columns] = this.size;
    if (!panels) {
      pen.text(0, 15, "no values", { fill: theme.muted });
      return;
    }
    const [w, h] = this.cell;
    const [wide, tall] = [w * columns, h * rows];
    for (const tile of this.tiles()) {
      const { panel, x, y } = tile;
      if (panels > 1) {
        const style = { size: this.dense ? 10 : 11, bold: !this.dense, fill: this.dense ? theme.muted : theme.ink };
        const full = this.panelName(panel);
        const brief = this.leading.dims.length > 1 && measure(full, style) > wide ? this.panelAt(panel).join(".") : full;
        pen.text(x, y - (this.dense ? 3.5 : 5), fit(brief, wide - (this.enlarged >= 0 ? 60 : 0), style), style);
      }
      if (this.f.causal) pen.rect(x, y, wide, tall, theme.masked);
      pen.image(x, y, wide, tall, this.pixels(panel, pen.density, theme.dark));
      if (this.missing && Math.min(w, h) >= 5) this.hatches(pen, panel, x, y);
      if (this.written) this.words(pen, panel, x, y);
      else pen.rect(x - 0.5, y - 0.5, wide + 1, tall + 1, null, theme.grid);
      this.veil(pen, panel, x, y);
      if (tile.first && !this.dense) this.rowNames(pen, x, y);
      if (tile.last && !this.dense) this.below(pen, x, y + tall);
    }
    if (this.enlarged >= 0) pen.text(this.left + wide, this.top - 5, "Esc: all", { size: 10.5, anchor: "end", fill: theme.muted });
    const shown = this.enlarged >= 0 ? 1 : panels;
    const across = Math.min(this.per, shown) * (wide + this.gap) - this.gap;
    const names = this.columnNames();
    const label = this.axisName(0, this.f.x);
    pen.text(this.left + across / 2, this.bottom() + names.height + 12, fit(label, Math.max(60, across), { size: 11 }), { size: 11, anchor: "middle" });
    const lines = Math.ceil(shown / this.per);
    const whole = lines * (tall + HEADING + this.gap) - HEADING - this.gap;
    pen.text(11, this.top + whole / 2, fit(this.axisName(1, this.f.y), Math.max(60, whole), { size: 11 }), { size: 11, anchor: "middle", turn: -1 });
    colourBar(pen, this.f.colour, this.ends, this.left + across + 16, this.top, Math.max(84, Math.min(whole, 190)), this.missing);
  }
  private bottom(): number {
    const lines = Math.ceil((this.enlarged >= 0 ? 1 : this.size[0]) / this.per);
    return this.top + lines * (this.cell[1] * this.size[1] + HEADING + this.gap) - HEADING - this.gap;
  }
  private hatches(pen: Pen, panel: number, x: number, y: number) {
    const [, rows, columns] = this.size;
    const [w, h] = this.cell;
    for (let line = 0; line < rows; line++) {
      const row = this.rowAt(line);
      for (let column = 0; column < columns; column++) {
        const mark = (panel * rows + row) * columns + column;
        if (!Number.isNaN(this.values[mark]) || !this.exists(mark)) continue;
        pen.rect(x + column * w, y + line * h, w, h, pen.theme.panel);
        pen.hatch(x + column * w, y + line * h, w, h);
      }
    }
  }
  private words(pen: Pen, panel: number, x: number, y: number) {
    const [, rows, columns] = this.size;
    const [w, h] = this.cell;
    const style = { size: 11, anchor: "middle" as const };
    for (let i = 1; i < columns; i++) pen.line([x + i * w, y, x + i * w, y + h * rows], pen.theme.page, 1);
    for (let i = 1; i < rows; i++) pen.line([x, y + i * h, x + columns * w, y + i * h], pen.theme.page, 1);
    pen.rect(x - 0.5, y - 0.5, w * columns + 1, h * rows + 1, null, pen.theme.grid);
    for (let line = 0; line < rows; line++) {
      for (let column = 0; column < columns; column++) {
        const mark = (panel * rows + this.rowAt(line)) * columns + column;
        if (!this.exists(mark)) continue;
        const value = this.values[mark];
        const text = this.labels ? visibleToken(this.labels[mark]) : short(value);
        const fill = Number.isNaN(value) ? pen.theme.ink : hex(ink(colourAt(this.f.colour.map, value, this.ends, pen.theme.dark)));
        pen.text(x + (column + 0.5) * w, y + (line + 0.5) * h + 4, fit(text, w - 6, style), { ...style, fill });
      }
    }
  }
  /** Fades what a brush elsewhere leaves out. */
  private veil(pen: Pen, panel: number, x: number, y: number) {
    const { bus, id } = this.cx;
    if (![...bus.filters.keys()].some((source) => source !== id)) return;
    const [, rows, columns] = this.size;
    const [w, h] = this.cell;
    pen.alpha(0.78);
    const fixedPart = this.panelPlace(panel);
    const [yKey, xKey] = this.keys;
    const out = (place: Place) => !bus.passes(place, id);
    if (out(fixedPart)) pen.rect(x, y, w * columns, h * rows, pen.theme.page);
    else if (rows * columns <= 20000) {
      for (let line = 0; line < rows; line++) {
        const row = this.rowAt(line);
        for (let column = 0; column < columns; column++) {
          const place = { ...fixedPart };
          if (yKey) place[yKey] = indexAt(this.f.y, row);
          if (xKey) place[xKey] = indexAt(this.f.x, column);
          if (out(place)) pen.rect(x + column * w, y + line * h, w, h, pen.theme.page);
        }
      }
    }
    pen.alpha(1);
  }
  private rowNames(pen: Pen, x: number, y: number) {
    const rows = this.size[1];
    const h = this.cell[1];
    const every = h >= 11 ? 1 : this.f.y.ticks?.length ? Math.ceil(11 / h) : ([2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((m) => m * h >= 12) ?? 10000);
    for (let line = 0; line < rows; line++) {
      const row = this.rowAt(line);
      if (row % every) continue;
      const name = fit(visibleToken(nameAt(this.f.y, row)), 110, TICK);
      pen.text(x - 7, y + (line + 0.5) * h + 3.7, name, { ...TICK, anchor: "end", fill: pen.theme.muted });
    }
  }
  private below(pen: Pen, x: number, y: number) {
    const { turned, every } = this.columnNames();
    const w = this.cell[0];
    const fill = pen.theme.muted;
    for (let column = 0; column < this.size[2]; column += every) {
      const name = fit(visibleToken(nameAt(this.f.x, column)), turned ? 80 : Math.max(w * every, 30), TICK);
      if (turned) pen.text(x + (column + 0.5) * w + 3.7, y + 6, name, { ...TICK, fill, turn: 1 });
      else pen.text(x + (column + 0.5) * w, y + 15, name, { ...TICK, fill, anchor: "middle" });
    }
  }

  hit(px: number, py: number): number {
    const [, rows, columns] = this.size;
    const [w, h] = this.cell;
    for (const { panel, x, y } of this.tiles()) {
      if (px < x || py < y || px >= x + w * columns || py >= y + h * rows) continue;
      const mark = (panel * rows + this.rowAt(Math.floor((py - y) / h))) * columns + Math.floor((px - x) / w);
      return this.exists(mark) ? mark : -1;
    }
    return -1;
  }
  private tileOf(panel: number): [number, number] {
    if (this.enlarged >= 0) return [this.left, this.top];
    const [line, place] = [Math.floor(panel / this.per), panel % this.per];
    return [this.left + place * (this.cell[0] * this.size[2] + this.gap), this.top + line * (this.cell[1] * this.size[1] + HEADING + this.gap)];
  }
  private split(mark: number): [panel: number, row: number, column: number] {
    const [, rows, columns] = this.size;
    return [Math.floor(mark / (rows * columns)), Math.floor(mark / columns) % rows, mark % columns];
  }
  box(mark: number): Box {
    const [panel, row, column] = this.split(mark);
    const [x, y] = this.tileOf(panel);
    const [w, h] = this.cell;
    return [x + column * w, y + this.rowAt(row) * h, w, h];
  }
  step(mark: number, dx: number, dy: number): number {
    const [panels, rows, columns] = this.size;
    let [panel, row, column] = this.split(mark);
    if (this.enlarged >= 0 && panel !== this.enlarged) panel = this.enlarged;
    column += dx;
    row += this.f.upwards ? -dy : dy;
    if (this.enlarged < 0 && column < 0 && panel > 0) [panel, column] = [panel - 1, columns - 1];
    if (this.enlarged < 0 && column >= columns && panel < panels - 1) [panel, column] = [panel + 1, 0];
    column = Math.max(0, Math.min(columns - 1, column));
    row = Math.max(0, Math.min(rows - 1, row));
    const next = (panel * rows + row) * columns + column;
    return this.exists(next) ? next : mark;
  }
  note(mark: number) {
    const [panel, row, column] = this.split(mark);
    const of = (fromLast: number, guide: Guide, place: number) => {
      const tick = guide.ticks?.[place];
      const index = indexAt(guide, place);
      const name = tick === undefined || tick === String(index) ? String(index) : `${visibleToken(tick)} (${index})`;
      return `${this.axisName(fromLast, guide)} ${name}`;
    };
    const value = exact(this.values[mark], this.values instanceof Float32Array);
    const label = this.f.colour.label ? `${this.f.colour.label} ` : "";
    const lines = [of(1, this.f.y, row) + "  ·  " + of(0, this.f.x, column)];
    if (this.size[0] > 1) lines.unshift(this.panelName(panel));
    if (this.labels) lines.push(visibleToken(this.labels[mark]));
    if (this.details?.[mark]) lines.push(...this.details[mark].split("\n").map(visible));
    return { head: label + value, lines };
  }
  private panelPlace(panel: number): Place {
    const place: Place = { ...this.always };
    const at = this.panelAt(panel);
    at.forEach((index, i) => {
      const key = this.keys[2 + i];
      if (key) place[key] = at.length === 1 ? indexAt(this.f.panels, index) : index;
    });
    return place;
  }
  place(mark: number): Place {
    const [panel, row, column] = this.split(mark);
    const place = this.panelPlace(panel);
    const [y, x] = this.keys;
    if (y) place[y] = indexAt(this.f.y, row);
    if (x) place[x] = indexAt(this.f.x, column);
    return place;
  }
  overlay(pen: Pen): void {
    const { bus } = this.cx;
    for (const sel of [bus.compare[0], bus.compare[1]]) if (sel) this.mark(pen, sel, pen.theme.muted, 1.5);
    this.mark(pen, bus.pin, pen.theme.pin, 2);
    if (bus.hover) this.mark(pen, bus.hover, pen.theme.hover, 1.5);
  }
  /** Outlines what a selection names: cells where it names row and column, else whole rows, columns or tiles. */
  private mark(pen: Pen, sel: Selection, colour: string, width: number) {
    const [panels, rows, columns] = this.size;
    if (!panels) return;
    const [w, h] = this.cell;
    const [yKey, xKey] = this.keys;
    const inRows = yKey ? placesIn(sel, yKey, rows, this.f.y) : null;
    const inColumns = xKey ? placesIn(sel, xKey, columns, this.f.x) : null;
    const sameDim = !!yKey && !!xKey && yKey.split(/[/@]/)[0] === xKey.split(/[/@]/)[0] && !knowsRole(sel, yKey) && !knowsRole(sel, xKey);
    const draw = (x: number, y: number, bw: number, bh: number) => {
      const [ax, ay] = [Math.max(bw, 3), Math.max(bh, 3)];
      pen.rect(x, y, ax, ay, null, pen.theme.page, width + 2);
      pen.rect(x, y, ax, ay, null, colour, width);
    };
    for (const { panel, x, y } of this.tiles()) {
      const here = match(this.panelPlace(panel), sel);
      if (here === false) continue;
      const row = (place: number) => y + this.rowAt(place) * h;
      if (inRows && inColumns && !sameDim) {
        for (const r of inRows) for (const c of inColumns) if (this.exists((panel * rows + r) * columns + c)) draw(x + c * w, row(r), w, h);
      } else if (inRows || inColumns) {
        for (const r of inRows ?? []) draw(x, row(r), w * (this.f.causal ? r + 1 : columns), h);
        for (const c of inColumns ?? []) {
          const from = this.f.causal ? c : 0;
          const [top, tall] = this.f.upwards ? [y, rows - from] : [y + from * h, rows - from];
          draw(x + c * w, top, w, h * tall);
        }
      } else if (here && (panels > 1 || this.size[1] * this.size[2] > 1)) draw(x, y, w * columns, h * rows);
    }
  }
  tiny(): boolean {
    return this.size[0] > 1 && this.enlarged < 0 && Math.min(...this.cell) < 5;
  }
  click(px: number, py: number, heading = false): boolean {
    if (this.size[0] < 2) return false;
    if (this.enlarged >= 0) {
      if (heading && py >= this.top) return false;
      this.enlarged = -1;
      return true;
    }
    const [w, h] = [this.cell[0] * this.size[2], this.cell[1] * this.size[1]];
    for (const { panel, x, y } of this.tiles()) {
      if (px < x || px >= x + w || py < y - HEADING || py >= y + h) continue;
      if (heading && py >= y) return false;
      this.enlarged = panel;
      return true;
    }
    return false;
  }
  back(): boolean {
    if (this.enlarged < 0) return false;
    this.enlarged = -1;
    return true;
  }
  summary(): string {
    const [panels, rows, columns] = this.size;
    if (!panels) return "Heatmap without values";
    const many = panels > 1 ? `${panels} heatmaps` : "Heatmap";
    const label = this.f.colour.label ? `${this.f.colour.label} ` : "";
    const not = this.missing ? `; ${grouped(this.missing)} not a number` : "";
    return `${many} of ${rows} rows (${this.axisName(1, this.f.y)}) by ${columns} columns (${this.axisName(0, this.f.x)}), ${label}from ${short(this.ends[0])} to ${short(this.ends[1])}${not}`;
  }
  sheet(): Sheet {
    const { dims, shape } = this.f.values;
    const guides = dims.map((_, i) => [this.f.x, this.f.y, this.leading.dims.length === 1 ? this.f.panels : undefined][dims.length - 1 - i]);
    const columns = [
      { name: this.f.colour.label || "value", numbers: this.values },
      ...(this.labels ? [{ name: "label", words: this.labels }] : []),
      ...(this.details ? [{ name: "detail", words: this.details }] : []),
    ];
    const flat = (at: number[]) => at.reduce((sum, index, axis) => sum * shape[axis] + index, 0);
    return longSheet(dims, shape, guides, columns, (at) => this.place(flat(at)));
  }
}
