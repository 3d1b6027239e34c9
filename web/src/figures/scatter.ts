// Points in a plane: splatted into pixels by the processor, so that a million redraw within a frame or two.
import { LEGEND, colourBar, keys, tickRoom, xAxis, yAxis, type Frame } from "./axes";
import { category, ends, hex, lut, step, type Rgb } from "./colour";
import { axisKey, fixedPlace, linked, type Place } from "./link";
import { exact, extent, grouped, numbers, short, visible, type Numbers } from "./numbers";
import type { Context } from "./part";
import { measure, type Pen, type Pixels } from "./pen";
import type { Box, Plot } from "./plot";
import { scale, type Scale } from "./scale";
import type { Sheet } from "./sheet";
import type { Scatter } from "./types";

const MOST_CIRCLES = 3000;

export class ScatterPlot implements Plot {
  private readonly x: Numbers;
  private readonly y: Numbers;
  private readonly values: Numbers | null;
  private readonly classes: Numbers | null;
  private readonly ends: [number, number];
  private readonly key: string | null;
  private readonly always: Place;
  private frame: Frame = { x: 0, y: 0, w: 1, h: 1 };
  private sx!: Scale;
  private sy!: Scale;
  /** Points by square of the plane, for finding what is under the pointer. */
  private grid: { across: number; down: number; start: Uint32Array; items: Uint32Array } | null = null;
  readonly filtered = true;

  constructor(
    private readonly f: Scatter,
    private readonly cx: Context,
  ) {
    this.x = numbers(f.x);
    this.y = numbers(f.y);
    this.values = f.values ? numbers(f.values) : null;
    this.classes = !this.values && f.classes ? numbers(f.classes) : null;
    this.ends = ends(f.colour, this.values ?? []);
    const axis = f.x.dims[0];
    this.key = linked(axis) ? axisKey(axis, undefined, (dim) => cx.space(dim)) : null;
    this.always = fixedPlace(f.at, (dim) => cx.space(dim));
  }
  get marks(): number {
    return Math.min(this.x.length, this.y.length);
  }
  private get classNames(): string[] {
    return this.classes ? (this.f.class_names ?? []) : [];
  }
  private radius(): number {
    const n = this.marks;
    return n > 200000 ? 0.75 : n > 20000 ? 1.1 : n > 3000 ? 1.8 : n > 300 ? 2.8 : 4;
  }
  layout(width: number) {
    const top = (this.classNames.length ? keys(null, this.classNames, 0, 0, width, "dot") + 8 : 0) + 8;
    const height = Math.round(Math.min(440, Math.max(200, width * 0.66)));
    const pad = ([low, high]: [number, number]): [number, number] => (low < high ? [low - (high - low) * 0.03, high + (high - low) * 0.03] : [low, high]);
    const bottom = top + height - 44;
    this.sy = scale(pad(extent(this.y)), [bottom, top], "linear", (bottom - top) / 48);
    const left = tickRoom(this.sy.ticks) + (this.f.y_label ? 20 : 4);
    this.frame = { x: left, y: top, w: Math.max(40, width - left - (this.values ? LEGEND + 16 : 12)), h: bottom - top };
    this.sx = scale(pad(extent(this.x)), [left, left + this.frame.w], "linear", this.frame.w / 80);
    this.grid = null;
    return { width, height: bottom + (this.f.x_label ? 40 : 24) };
  }
  private passing(): ((i: number) => boolean) | null {
    const { bus, id } = this.cx;
    if (!this.key) return null;
    const foreign = [...bus.filters].filter(([source, sel]) => source !== id && sel[this.key!]);
    if (!foreign.length) return null;
    const passed = new Uint8Array(this.marks);
    for (const [, sel] of foreign) for (const i of sel[this.key]) if (i < passed.length) passed[i]++;
    return (i) => passed[i] === foreign.length;
  }
  draw(pen: Pen): void {
    const { theme } = pen;
    const { frame } = this;
    const names = this.classNames;
    if (names.length) keys(pen, names, frame.x, 0, frame.w, "dot");
    yAxis(pen, frame, this.sy, this.f.y_label ?? "");
    for (const tick of this.sx.ticks) {
      const x = Math.round(this.sx.at(tick.value)) + 0.5;
      pen.line([x, frame.y, x, frame.y + frame.h], theme.grid);
    }
    xAxis(pen, frame, this.sx.ticks.map((tick) => ({ at: this.sx.at(tick.value), name: tick.name })), this.f.x_label ?? "");
    if (this.values) colourBar(pen, this.f.colour, this.ends, frame.x + frame.w + 16, frame.y, Math.min(190, frame.h));
    const passes = this.passing();
    if (this.marks <= MOST_CIRCLES) {
      const r = this.radius();
      for (let i = 0; i < this.marks; i++) {
        if (Number.isNaN(this.x[i] + this.y[i])) continue;
        pen.alpha(passes && !passes(i) ? 0.12 : 0.85);
        pen.circle(this.sx.at(this.x[i]), this.sy.at(this.y[i]), r, hex(this.colour(i, theme.dark)), theme.page, 0.5);
      }
      pen.alpha(1);
      if (this.f.names?.length && this.marks <= 40) {
        for (let i = 0; i < this.marks; i++) {
          const name = visible(this.f.names[i] ?? "");
          const x = this.sx.at(this.x[i]);
          const right = x + 8 + measure(name, { size: 11 }) < frame.x + frame.w;
          pen.text(right ? x + 7 : x - 7, this.sy.at(this.y[i]) + 4, name, { size: 11, fill: theme.muted, anchor: right ? "start" : "end" });
        }
      }
    } else {
      pen.image(frame.x, frame.y, frame.w, frame.h, this.splat(pen.density, theme.dark, passes));
    }
  }
  private colour(i: number, dark: boolean): Rgb {
    if (this.values) {
      const table = lut(this.f.colour.map, dark);
      const at = step(this.values[i], ...this.ends) * 4;
      return at < 0 ? [0x99, 0x99, 0x99] : [table[at], table[at + 1], table[at + 2]];
    }
    return category(this.classes ? this.classes[i] : 0, dark);
  }
  private splat(density: number, dark: boolean, passes: ((i: number) => boolean) | null): Pixels {
    const [w, h] = [Math.round(this.frame.w * density), Math.round(this.frame.h * density)];
    const data = new Uint8ClampedArray(w * h * 4);
    const pixels = new Uint32Array(data.buffer);
    const size = Math.max(1, Math.round(this.radius() * 2 * density));
    const half = size >> 1;
    const palette = this.values ? new Uint32Array(lut(this.f.colour.map, dark).buffer) : null;
    const pack = ([r, g, b]: Rgb, a: number) => ((a << 24) | (b << 16) | (g << 8) | r) >>> 0;
    const solid = Array.from({ length: 8 }, (_, c) => pack(category(c, dark), 255));
    const [low, high] = this.ends;
    const [ax, bx] = [(w - 1) / (this.sx.high - this.sx.low), this.sx.low];
    const [ay, by] = [(h - 1) / (this.sy.high - this.sy.low), this.sy.high];
    // Those left out first, so that those that are meant lie above.
    for (let round = passes ? 0 : 1; round < 2; round++) {
      for (let i = 0; i < this.marks; i++) {
        const inside = !passes || passes(i);
        if (inside !== (round === 1)) continue;
        const px = Math.round((this.x[i] - bx) * ax);
        const py = Math.round((by - this.y[i]) * ay);
        if (!(px >= 0 && py >= 0 && px < w && py < h)) continue;
        let colour = solid[0];
        if (palette) {
          const s = step(this.values![i], low, high);
          colour = s < 0 ? 0xff999999 : palette[s];
        } else if (this.classes) colour = solid[this.classes[i] & 7];
        if (!inside) colour = (colour & 0xffffff) | (0x22 << 24);
        colour >>>= 0;
        if (size === 1) pixels[py * w + px] = colour;
        else {
          const [x0, x1] = [Math.max(0, px - half), Math.min(w, px - half + size)];
          const [y0, y1] = [Math.max(0, py - half), Math.min(h, py - half + size)];
          for (let y = y0; y < y1; y++) {
            for (let x = x0; x < x1; x++) {
              // Corners off: points look round.
              if (size > 3 && (y === y0 || y === y1 - 1) && (x === x0 || x === x1 - 1)) continue;
              pixels[y * w + x] = colour;
            }
          }
        }
      }
    }
    return { width: w, height: h, data };
  }
  private index() {
    const [across, down] = [Math.max(1, Math.ceil(this.frame.w / 8)), Math.max(1, Math.ceil(this.frame.h / 8))];
    const start = new Uint32Array(across * down + 1);
    const cell = new Int32Array(this.marks);
    for (let i = 0; i < this.marks; i++) {
      const cx = Math.floor((this.sx.at(this.x[i]) - this.frame.x) / 8);
      const cy = Math.floor((this.sy.at(this.y[i]) - this.frame.y) / 8);
      cell[i] = cx >= 0 && cy >= 0 && cx < across && cy < down ? cy * across + cx : -1;
      if (cell[i] >= 0) start[cell[i] + 1]++;
    }
    for (let i = 1; i < start.length; i++) start[i] += start[i - 1];
    const items = new Uint32Array(start[start.length - 1]);
    const next = start.slice();
    for (let i = 0; i < this.marks; i++) if (cell[i] >= 0) items[next[cell[i]]++] = i;
    return (this.grid = { across, down, start, items });
  }
  hit(x: number, y: number): number {
    const { across, down, start, items } = this.grid ?? this.index();
    const [cx, cy] = [Math.floor((x - this.frame.x) / 8), Math.floor((y - this.frame.y) / 8)];
    let [best, far] = [-1, 9];
    for (let gy = Math.max(0, cy - 1); gy <= Math.min(down - 1, cy + 1); gy++) {
      for (let gx = Math.max(0, cx - 1); gx <= Math.min(across - 1, cx + 1); gx++) {
        for (let k = start[gy * across + gx]; k < start[gy * across + gx + 1]; k++) {
          const i = items[k];
          const d = Math.hypot(this.sx.at(this.x[i]) - x, this.sy.at(this.y[i]) - y);
          if (d < far) [best, far] = [i, d];
        }
      }
    }
    return best;
  }
  box(mark: number): Box {
    const r = this.radius() + 2;
    return [this.sx.at(this.x[mark]) - r, this.sy.at(this.y[mark]) - r, 2 * r, 2 * r];
  }
  step(mark: number, dx: number, dy: number): number {
    // The nearest point that way.
    if (this.marks > 50000) return mark + dx + dy;
    const [x, y] = [this.sx.at(this.x[mark]), this.sy.at(this.y[mark])];
    let [best, far] = [mark, Infinity];
    for (let i = 0; i < this.marks; i++) {
      const [ox, oy] = [this.sx.at(this.x[i]) - x, this.sy.at(this.y[i]) - y];
      const along = ox * dx + oy * dy;
      const d = along + 2 * Math.abs(ox * dy - oy * dx);
      if (along > 0.01 && d < far) [best, far] = [i, d];
    }
    return best;
  }
  note(mark: number) {
    const single = (a: Numbers) => a instanceof Float32Array;
    const name = this.f.names?.[mark];
    const lines = [`${this.f.x_label || "x"} ${exact(this.x[mark], single(this.x))}`, `${this.f.y_label || "y"} ${exact(this.y[mark], single(this.y))}`];
    if (this.values) lines.unshift(`${this.f.colour.label || "value"} ${exact(this.values[mark], single(this.values))}`);
    if (this.classes) lines.unshift(visible(this.classNames[this.classes[mark]] ?? `class ${this.classes[mark]}`));
    return { head: name ? visible(name) : `${this.f.x.dims[0] ?? "point"} ${mark}`, lines };
  }
  place(mark: number): Place {
    return this.key ? { ...this.always, [this.key]: mark } : { ...this.always };
  }
  brush([x, y, w, h]: Box): Record<string, number[]> {
    if (!this.key) return {};
    const inside: number[] = [];
    const [x0, x1] = [this.sx.from(x), this.sx.from(x + w)];
    const [y0, y1] = [this.sy.from(y + h), this.sy.from(y)];
    for (let i = 0; i < this.marks; i++) if (this.x[i] >= x0 && this.x[i] <= x1 && this.y[i] >= y0 && this.y[i] <= y1) inside.push(i);
    return { [this.key]: inside };
  }
  overlay(pen: Pen): void {
    const { bus, id } = this.cx;
    if (!this.key) return;
    const own = bus.filters.get(id);
    if (own?.[this.key]) pen.text(this.frame.x + this.frame.w - 4, this.frame.y + 14, `${grouped(own[this.key].length)} of ${grouped(this.marks)}`, { size: 11, bold: true, anchor: "end" });
    const r = this.radius();
    for (const [sel, colour, width] of [[bus.pin, pen.theme.pin, 2], [bus.hover, pen.theme.hover, 2]] as const) {
      for (const i of (sel?.[this.key] ?? []).slice(0, 20000)) {
        if (i >= this.marks || Number.isNaN(this.x[i] + this.y[i])) continue;
        const [x, y] = [this.sx.at(this.x[i]), this.sy.at(this.y[i])];
        pen.circle(x, y, r + 3, null, pen.theme.page, width + 2);
        pen.circle(x, y, r + 3, null, colour, width);
      }
    }
  }
  summary(): string {
    const [[a, b], [c, d]] = [extent(this.x), extent(this.y)];
    return `Scatter of ${grouped(this.marks)} points, ${this.f.x_label || "x"} from ${short(a)} to ${short(b)}, ${this.f.y_label || "y"} from ${short(c)} to ${short(d)}; drag to brush`;
  }
  sheet(): Sheet {
    const columns: [string, boolean, (i: number) => string][] = [
      [this.f.x.dims[0] ?? "point", true, (i) => String(i)],
      [this.f.x_label || "x", true, (i) => exact(this.x[i], this.x instanceof Float32Array)],
      [this.f.y_label || "y", true, (i) => exact(this.y[i], this.y instanceof Float32Array)],
    ];
    const { values, classes } = this;
    if (this.f.names?.length) columns.push(["name", false, (i) => this.f.names![i] ?? ""]);
    if (values) columns.push([this.f.colour.label || "value", true, (i) => exact(values[i], values instanceof Float32Array)]);
    if (classes) columns.push(["class", false, (i) => this.classNames[classes[i]] ?? String(classes[i])]);
    return {
      headings: columns.map(([heading]) => heading),
      numeric: columns.map(([, numeric]) => numeric),
      rows: this.marks,
      cell: (row, column) => columns[column][2](row),
      key: (row, column) => (columns[column][1] ? Number(columns[column][2](row)) : columns[column][2](row)),
      place: (row) => this.place(row),
    };
  }
}
