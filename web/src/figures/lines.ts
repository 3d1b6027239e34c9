// Curves over a common x.
import { keys, tickRoom, xAxis, yAxis, type Frame } from "./axes";
import { match } from "./bus";
import { category, hex } from "./colour";
import { axisKey, fixedPlace, indexAt, linked, nameAt, placesIn, type Place } from "./link";
import { letter, looks, type Look } from "./looks";
import { exact, extent, numbers, product, short, toNumber, visible, visibleToken, type Numbers } from "./numbers";
import type { Context } from "./part";
import type { Pen } from "./pen";
import type { Box, Plot } from "./plot";
import { scale, type Scale } from "./scale";
import { longSheet, type Sheet } from "./sheet";
import type { Lines } from "./types";

const MOST_KEYS = 24;

export class LinesPlot implements Plot {
  private readonly y: Numbers;
  private readonly x: Numbers | null;
  private readonly band: [Numbers, Numbers] | null;
  private readonly series: number;
  private readonly places: number;
  private readonly seriesKey: string | null;
  private readonly xKey: string | null;
  private readonly always: Place;
  private readonly names: string[];
  private frame: Frame = { x: 0, y: 0, w: 1, h: 1 };
  private sx!: Scale;
  private sy!: Scale;
  private keysHeight = 0;

  constructor(
    private readonly f: Lines,
    private readonly cx: Context,
  ) {
    this.y = numbers(f.y);
    this.x = f.x ? numbers(f.x) : null;
    this.band = f.band ? [numbers(f.band[0]), numbers(f.band[1])] : null;
    const { shape, dims } = f.y;
    this.places = shape.at(-1) ?? 1;
    this.series = this.y.length ? product(shape.slice(0, -1)) : 0;
    const space = (dim: string) => cx.space(dim);
    const key = (axis: string | undefined, guide: Lines["series"]) => (linked(axis) ? axisKey(axis, guide, space) : null);
    this.xKey = key(dims.at(-1), f.x_axis);
    this.seriesKey = dims.length === 2 ? key(dims[0], f.series) : null;
    this.always = fixedPlace(f.at, space);
    const dim = f.series.label || dims.at(-2) || "series";
    this.names = Array.from({ length: this.series }, (_, i) => visible(f.series.ticks?.[i] ?? `${dim} ${indexAt(f.series, i)}`));
  }
  get marks(): number {
    return this.series * this.places;
  }
  private xAt(place: number): number {
    return this.x ? this.x[place] : place;
  }
  private point(mark: number): [number, number] {
    return [this.sx.at(this.xAt(mark % this.places)), this.sy.at(this.y[mark])];
  }
  layout(width: number) {
    const height = Math.round(Math.min(300, Math.max(170, width * 0.5)));
    const shown = this.series > 1 ? this.names.slice(0, MOST_KEYS) : [];
    this.keysHeight = keys(null, shown, 0, 0, width, "line") + (shown.length ? 8 : 0);
    const given = this.f.y_domain?.map(toNumber) as [number, number] | undefined;
    const log = this.f.y_scale === "log";
    const heights = given ?? extent([...this.y, ...(this.band ? [...this.band[0], ...this.band[1]] : [])].filter((v) => !log || v > 0));
    let [low, high] = heights;
    if (!given && !log && low < high) {
      const pad = (high - low) * 0.04;
      [low, high] = [low >= 0 && low < (high - low) * 0.3 ? Math.min(0, low) : low - pad, high + pad];
    }
    const top = this.keysHeight + 8;
    const bottom = height + this.keysHeight - 40;
    this.sy = scale([low, high], [bottom, top], this.f.y_scale, (bottom - top) / 42);
    const left = tickRoom(this.sy.ticks) + (this.f.y_label ? 20 : 4);
    const ends = this.x ? extent(this.f.x_scale === "log" ? this.x.filter((v) => v > 0) : this.x) : ([0, Math.max(0, this.places - 1)] as [number, number]);
    const right = 14;
    const whole = this.f.x_scale === "linear" && (!this.x || this.x.every((v: number) => v % 1 === 0));
    this.frame = { x: left, y: top, w: Math.max(40, width - left - right), h: bottom - top };
    this.sx = scale(ends, [left + (this.places === 1 ? this.frame.w / 2 : 0), left + this.frame.w], this.f.x_scale, this.frame.w / 70, whole);
    return { width, height: height + this.keysHeight };
  }
  private xTicks() {
    const ticks = this.f.x_axis.ticks;
    if (ticks?.length) return ticks.slice(0, this.places).map((name, i) => ({ at: this.sx.at(this.xAt(i)), name: visibleToken(name) }));
    if (!this.x && this.f.x_axis.indices?.length) return this.f.x_axis.indices.map((index, i) => ({ at: this.sx.at(i), name: String(index) }));
    return this.sx.ticks.map((tick) => ({ at: this.sx.at(tick.value), name: tick.name }));
  }
  private path(series: number, values: Numbers = this.y): number[] {
    const out: number[] = [];
    for (let i = 0; i < this.places; i++) out.push(this.sx.at(this.xAt(i)), this.sy.at(values[series * this.places + i]));
    return out;
  }
  draw(pen: Pen): void {
    if (this.series > 1) keys(pen, this.names.slice(0, MOST_KEYS), this.frame.x, 0, this.frame.w, "line");
    yAxis(pen, this.frame, this.sy, this.f.y_label ?? "");
    xAxis(pen, this.frame, this.xTicks(), this.f.x_axis.label || (this.f.y.dims.at(-1) ?? ""));
    if (this.sy.low < 0 && this.sy.high > 0) {
      const y = Math.round(this.sy.at(0)) + 0.5;
      pen.line([this.frame.x, y, this.frame.x + this.frame.w, y], pen.theme.rule);
    }
    const { x, y, w, h } = this.frame;
    pen.clip(x - 3, y - 3, w + 6, h + 6, () => {
      for (let s = 0; s < this.series; s++) this.curve(pen, s, this.series > 12 ? 1.25 : 1.75);
    });
  }
  private curve(pen: Pen, s: number, width: number) {
    const colour = hex(category(s, pen.theme.dark));
    if (this.band) {
      const [low, high] = [this.path(s, this.band[0]), this.path(s, this.band[1])];
      const back: number[] = [];
      for (let i = high.length - 2; i >= 0; i -= 2) back.push(high[i], high[i + 1]);
      pen.alpha(0.15);
      pen.area([...low, ...back], colour);
      pen.alpha(1);
    }
    const path = this.path(s);
    pen.line(path, colour, width);
    // A point between two gaps is no line.
    for (let i = 0; i < path.length; i += 2) {
      const alone = Number.isNaN(path[i - 1] ?? NaN) && Number.isNaN(path[i + 3] ?? NaN);
      if (alone && !Number.isNaN(path[i + 1])) pen.circle(path[i], path[i + 1], 2.5, colour);
    }
  }
  hit(x: number, y: number): number {
    const { frame } = this;
    if (x < frame.x - 8 || x > frame.x + frame.w + 8 || y < frame.y - 6 || y > frame.y + frame.h + 6) return -1;
    let [near, far] = [0, Infinity];
    for (let i = 0; i < this.places; i++) {
      const d = Math.abs(this.sx.at(this.xAt(i)) - x);
      if (d < far) [near, far] = [i, d];
    }
    let [best, gap] = [-1, Infinity];
    for (let s = 0; s < this.series; s++) {
      const d = Math.abs(this.sy.at(this.y[s * this.places + near]) - y);
      if (d < gap) [best, gap] = [s * this.places + near, d];
    }
    return best;
  }
  box(mark: number): Box {
    const [x, y] = this.point(mark);
    const middle = Number.isNaN(y) ? this.frame.y + this.frame.h : y;
    return [x - 4, middle - 4, 8, 8];
  }
  step(mark: number, dx: number, dy: number): number {
    const s = Math.max(0, Math.min(this.series - 1, Math.floor(mark / this.places) + dy));
    const i = Math.max(0, Math.min(this.places - 1, (mark % this.places) + dx));
    return s * this.places + i;
  }
  private xName(place: number): string {
    const tick = this.f.x_axis.ticks?.[place];
    if (tick !== undefined) return visibleToken(tick);
    return this.x ? exact(this.x[place]) : nameAt(this.f.x_axis, place);
  }
  note(mark: number) {
    const place = mark % this.places;
    const label = this.f.x_axis.label || this.f.y.dims.at(-1) || "x";
    const lines = [`${label} ${this.xName(place)}`];
    if (this.series > 1) lines.unshift(this.names[Math.floor(mark / this.places)]);
    if (this.band) lines.push(`band ${short(this.band[0][mark])} to ${short(this.band[1][mark])}`);
    return { head: `${this.f.y_label ? this.f.y_label + " " : ""}${exact(this.y[mark], this.y instanceof Float32Array)}`, lines };
  }
  place(mark: number): Place {
    const place: Place = { ...this.always };
    if (this.xKey) place[this.xKey] = indexAt(this.f.x_axis, mark % this.places);
    if (this.seriesKey) place[this.seriesKey] = indexAt(this.f.series, Math.floor(mark / this.places));
    return place;
  }
  private seriesPlace(s: number): Place {
    return this.seriesKey ? { ...this.always, [this.seriesKey]: indexAt(this.f.series, s) } : this.always;
  }
  overlay(pen: Pen): void {
    const { bus, id } = this.cx;
    for (const look of looks(bus, pen.theme)) {
      if (match(this.always, look.sel) === false) continue;
      const inSeries = this.seriesKey ? placesIn(look.sel, this.seriesKey, this.series, this.f.series) : null;
      const inPlaces = this.xKey ? placesIn(look.sel, this.xKey, this.places, this.f.x_axis) : null;
      if (inPlaces) this.markPlaces(pen, look, inPlaces, inSeries ?? Array.from({ length: this.series }, (_, s) => s));
      else for (const s of inSeries ?? []) this.markSeries(pen, look, s);
    }
    if (bus.filters.size) {
      for (let s = 0; s < this.series; s++) {
        if (!this.seriesKey || bus.passes(this.seriesPlace(s), id)) continue;
        pen.alpha(0.8);
        pen.line(this.path(s), pen.theme.page, 3);
        pen.alpha(1);
      }
    }
  }
  private markSeries(pen: Pen, look: Look, s: number): void {
    const path = this.path(s);
    pen.line(path, pen.theme.page, 7);
    if (look.letter) pen.line(path, look.colour, 6, look.dash);
    this.curve(pen, s, 3.25);
    let last = path.length - 2;
    while (last > 0 && Number.isNaN(path[last + 1])) last -= 2;
    letter(pen, path[last] - 24, path[last + 1] - 6, look);
  }
  private markPlaces(pen: Pen, look: Look, places: readonly number[], series: readonly number[]): void {
    const { y, h } = this.frame;
    const round = look.channel === "hover" ? 4 : 4.5;
    for (const place of places) {
      const x = this.sx.at(this.xAt(place));
      pen.line([x, y, x, y + h], look.colour, look.channel === "hover" ? 1 : 1.5, look.channel === "hover" ? [3, 3] : look.dash);
      letter(pen, x - 5, y + 12, look);
      for (const s of series) {
        const value = this.sy.at(this.y[s * this.places + place]);
        if (!Number.isNaN(value)) pen.circle(x, value, round, hex(category(s, pen.theme.dark)), pen.theme.page, 1.5);
      }
    }
  }
  summary(): string {
    const [low, high] = extent(this.y);
    return `${this.series} curve${this.series === 1 ? "" : "s"} over ${this.places} places of ${this.f.x_axis.label || this.f.y.dims.at(-1) || "x"}, ${this.f.y_label || "heights"} from ${short(low)} to ${short(high)}`;
  }
  sheet(): Sheet {
    const guides = this.f.y.dims.map((_, i) => [this.f.x_axis, this.f.series][this.f.y.dims.length - 1 - i]);
    const { x } = this;
    const spread = x && this.marks <= 1e6 ? Float64Array.from({ length: this.marks }, (_, i) => x[i % this.places]) : null;
    return longSheet(
      this.f.y.dims,
      this.f.y.shape,
      guides,
      [
        ...(spread ? [{ name: "x", numbers: spread }] : []),
        { name: this.f.y_label || "y", numbers: this.y },
        ...(this.band ? [{ name: "low", numbers: this.band[0] }, { name: "high", numbers: this.band[1] }] : []),
      ],
      (at) => this.place((at.length > 1 ? at[at.length - 2] * this.places : 0) + (at.at(-1) ?? 0)),
    );
  }
}
