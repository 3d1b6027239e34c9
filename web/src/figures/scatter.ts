// Points in a plane.
import { LEGEND, colourBar, keys, legendFoot, tickRoom, xAxis, yAxis, type Frame } from "./axes";
import type { Brush } from "./bus";
import { category, hex, type Rgb } from "./colour";
import { axisKey, fixedPlace, linked, type Place } from "./link";
import { letter, looks } from "./looks";
import { exact, extent, grouped, numbers, short, visible, type Numbers } from "./numbers";
import type { Drawn } from "./part";
import { measure, type Pen } from "./pen";
import type { Box, Plot } from "./plot";
import { scale, type Scale } from "./scale";
import { mannerOf, shade, type Shading } from "./shading";
import type { Sheet } from "./sheet";
import { passing } from "./sieve";
import { Splat, type Points } from "./splat";
import { SIGN, SPREAD, type Control } from "./tools";
import type { Scatter } from "./types";

const MOST_CIRCLES = 3000;
/** A pinned or hovered set larger than this is shown in part. */
const MOST_RINGS = 20_000;

export class ScatterPlot implements Plot {
  private readonly x: Numbers;
  private readonly y: Numbers;
  private readonly values: Numbers | null;
  private readonly classes: Numbers | null;
  private shading!: Shading;
  private readonly key: string | null;
  private readonly always: Place;
  private readonly reach: { x: [number, number]; y: [number, number] };
  private frame: Frame = { x: 0, y: 0, w: 1, h: 1 };
  private sx!: Scale;
  private sy!: Scale;
  /** Points by square of the plane, for finding what is under the pointer. */
  private grid: { across: number; down: number; start: Uint32Array; items: Uint32Array } | null = null;
  private splat: Splat | null = null;
  readonly filtered = true;

  constructor(
    private readonly f: Scatter,
    private readonly cx: Drawn,
  ) {
    this.x = numbers(f.x);
    this.y = numbers(f.y);
    this.values = f.values ? numbers(f.values) : null;
    this.classes = !this.values && f.classes ? numbers(f.classes) : null;
    this.reach = { x: extent(this.x), y: extent(this.y) };
    const axis = f.x.dims[0];
    this.key = linked(axis) ? axisKey(axis, undefined, (dim) => cx.space(dim)) : null;
    this.always = fixedPlace(f.at, (dim) => cx.space(dim));
    this.adjust();
  }
  get marks(): number {
    return Math.min(this.x.length, this.y.length);
  }
  controls(): Control[] {
    if (!this.values || this.marks < 2) return [];
    return this.f.colour.map === "diverging" ? [SPREAD, SIGN] : [SPREAD];
  }
  adjust(): void {
    const { beside } = this.cx;
    const other = beside?.kind === "scatter" && beside.values && beside.colour.map === this.f.colour.map ? numbers(beside.values) : null;
    this.shading = shade(this.f.colour, this.values ?? [], mannerOf(this.cx.options, this.f.colour.map), false, this.values && other);
    this.splat = null;
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
    this.sy = scale(pad(this.reach.y), [bottom, top], "linear", (bottom - top) / 48);
    const left = tickRoom(this.sy.ticks) + (this.f.y_label ? 20 : 4);
    this.frame = { x: left, y: top, w: Math.max(40, width - left - (this.values ? LEGEND + 16 : 12)), h: bottom - top };
    this.sx = scale(pad(this.reach.x), [left, left + this.frame.w], "linear", this.frame.w / 80);
    this.grid = null;
    return { width, height: bottom + (this.f.x_label ? 40 : 24) };
  }
  private passes(): Uint8Array | null {
    const { bus, id } = this.cx;
    return passing(bus.filters, id, this.always, this.key ? { key: this.key, size: this.marks } : null, this.marks);
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
    if (this.values) colourBar(pen, this.shading, { x: frame.x + frame.w + 16, y: frame.y, height: Math.min(190, frame.h - legendFoot(this.shading)), label: this.f.colour.label });
    const passes = this.passes();
    if (this.marks > MOST_CIRCLES) {
      this.splat = Splat.fitting(this.splat, this.points(), frame, [this.sx, this.sy], this.radius(), pen.density, theme.dark);
      pen.image(frame.x, frame.y, frame.w, frame.h, this.splat.picture(passes));
      return;
    }
    const r = this.radius();
    for (let i = 0; i < this.marks; i++) {
      if (Number.isNaN(this.x[i] + this.y[i])) continue;
      const colour = this.colour(i, theme.dark);
      pen.alpha(!colour || (passes && !passes[i]) ? 0.12 : 0.85);
      pen.circle(this.sx.at(this.x[i]), this.sy.at(this.y[i]), r, colour ? hex(colour) : theme.muted, theme.page, 0.5);
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
  }
  /** Null where the sign is left out. */
  private colour(i: number, dark: boolean): Rgb | null {
    return this.values ? this.shading.colour(this.values[i], dark) : category(this.classes ? this.classes[i] : 0, dark);
  }
  private points(): Points {
    return { count: this.marks, x: this.x, y: this.y, values: this.values, classes: this.classes, shading: this.shading };
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
    if (this.values && this.shading.leavesOut(this.values[mark])) lines.push("left out of the colours: its sign");
    if (this.values) lines.unshift(`${this.f.colour.label || "value"} ${exact(this.values[mark], single(this.values))}`);
    if (this.classes) lines.unshift(visible(this.classNames[this.classes[mark]] ?? `class ${this.classes[mark]}`));
    return { head: name ? visible(name) : `${this.f.x.dims[0] ?? "point"} ${mark}`, lines };
  }
  place(mark: number): Place {
    return this.key ? { ...this.always, [this.key]: mark } : { ...this.always };
  }
  brush([x, y, w, h]: Box): Brush {
    if (!this.key) return {};
    const [x0, x1] = [this.sx.from(x), this.sx.from(x + w)];
    const [y0, y1] = [this.sy.from(y + h), this.sy.from(y)];
    const { x: xs, y: ys, marks } = this;
    const inside = new Uint32Array(marks);
    let n = 0;
    for (let i = 0; i < marks; i++) if (xs[i] >= x0 && xs[i] <= x1 && ys[i] >= y0 && ys[i] <= y1) inside[n++] = i;
    return { [this.key]: inside.slice(0, n) };
  }
  overlay(pen: Pen): void {
    const { bus, id } = this.cx;
    if (!this.key) return;
    const own = bus.filters.get(id);
    if (own?.[this.key]) pen.text(this.frame.x + this.frame.w - 4, this.frame.y + 14, `${grouped(own[this.key].length)} of ${grouped(this.marks)}`, { size: 11, bold: true, anchor: "end" });
    const r = this.radius() + 3;
    for (const look of looks(bus, pen.theme)) {
      for (const i of (look.sel[this.key] ?? []).slice(0, MOST_RINGS)) {
        if (i >= this.marks || Number.isNaN(this.x[i] + this.y[i])) continue;
        const [x, y] = [this.sx.at(this.x[i]), this.sy.at(this.y[i])];
        pen.circle(x, y, r, null, pen.theme.page, 4);
        if (look.dash) pen.line(Array.from({ length: 26 }, (_, k) => (k % 2 ? y + r * Math.sin(((k >> 1) * Math.PI) / 6) : x + r * Math.cos(((k >> 1) * Math.PI) / 6))), look.colour, 2, [3, 2]);
        else pen.circle(x, y, r, null, look.colour, 2);
        letter(pen, x + r, y - r + 2, look);
      }
    }
  }
  summary(): string {
    const { x: [a, b], y: [c, d] } = this.reach;
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
      along: this.key ? { key: this.key, fixed: this.always } : undefined,
    };
  }
}
