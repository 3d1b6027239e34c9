// Named bars from zero, lying, so that names read.
import { keys } from "./axes";
import { match } from "./bus";
import { category, hex } from "./colour";
import { axisKey, fixedPlace, indexAt, linked, nameAt, placesIn, type Place } from "./link";
import { letter, looks, outline } from "./looks";
import { exact, extent, numbers, product, short, toNumber, visible, visibleToken, type Numbers } from "./numbers";
import type { Context } from "./part";
import { fit, measure, type Pen } from "./pen";
import type { Box, Plot } from "./plot";
import { scale, type Scale } from "./scale";
import { longSheet, type Sheet } from "./sheet";
import { sieve } from "./sieve";
import type { Bars, Guide } from "./types";

const NAME = { size: 11.5 };

export class BarsPlot implements Plot {
  private readonly values: Numbers;
  private readonly series: number;
  private readonly bars: number;
  private readonly barKey: string | null;
  private readonly seriesKey: string | null;
  private readonly always: Place;
  private readonly names: string[];
  private s!: Scale;
  private top = 0;
  private left = 0;
  private thick = 15;
  private width = 0;
  readonly filtered = true;

  constructor(
    private readonly f: Bars,
    private readonly cx: Context,
  ) {
    this.values = numbers(f.values);
    const { dims, shape } = f.values;
    this.bars = shape.at(-1) ?? 1;
    this.series = this.values.length ? product(shape.slice(0, -1)) : 0;
    const space = (dim: string) => cx.space(dim);
    const key = (axis: string | undefined, guide: Guide) => (linked(axis) ? axisKey(axis, guide, space) : null);
    this.barKey = key(dims.at(-1), f.bars);
    this.seriesKey = dims.length === 2 ? key(dims[0], f.series) : null;
    this.always = fixedPlace(f.at, space);
    this.names = Array.from({ length: this.series }, (_, i) => visible(nameAt(f.series, i)));
  }
  get marks(): number {
    return this.series * this.bars;
  }
  private get step1(): number {
    return this.series > 1 ? this.thick * this.series + 8 : this.thick + 5;
  }
  layout(width: number) {
    this.thick = this.series > 1 ? (this.series > 4 ? 6 : 9) : this.bars > 60 ? 9 : 15;
    const keysHeight = this.series > 1 ? keys(null, this.names, 0, 0, width, "box") + 6 : 0;
    this.top = keysHeight + 4;
    let widest = 0;
    for (let i = 0; i < Math.min(this.bars, 1000); i++) widest = Math.max(widest, measure(visibleToken(nameAt(this.f.bars, i)), NAME));
    this.left = Math.min(widest, width * 0.36, 190) + 12;
    const given = this.f.domain?.map(toNumber).filter(Number.isFinite) ?? extent(this.values).filter(Number.isFinite);
    const [low, high] = [Math.min(0, ...given), Math.max(0, ...given)];
    const written = this.written ? 50 : 12;
    this.s = scale([low, high], [this.left + (low < 0 ? written : 0), Math.max(this.left + 60, width - (high > 0 ? written : 8))], "linear", Math.max(2, (width - this.left) / 90));
    this.width = width;
    return { width, height: this.top + this.bars * this.step1 + 40 };
  }
  private get written(): boolean {
    return this.series === 1 && this.thick >= 11;
  }
  box(mark: number): Box {
    const [s, bar] = [Math.floor(mark / this.bars), mark % this.bars];
    const value = this.values[mark];
    const [zero, end] = [this.s.at(0), this.s.at(Number.isNaN(value) ? 0 : Math.max(this.s.low, Math.min(this.s.high, value)))];
    return [Math.min(zero, end), this.top + bar * this.step1 + s * this.thick, Math.max(1, Math.abs(end - zero)), this.thick - (this.series > 1 ? 1 : 0)];
  }
  draw(pen: Pen): void {
    const { theme } = pen;
    if (!this.marks) return pen.text(0, 16, "no values", { fill: theme.muted });
    if (this.series > 1) keys(pen, this.names, this.left, 0, this.width - this.left, "box");
    const bottom = this.top + this.bars * this.step1;
    for (const tick of this.s.ticks) {
      const x = Math.round(this.s.at(tick.value)) + 0.5;
      pen.line([x, this.top - 2, x, bottom], theme.grid);
      pen.text(x, bottom + 14, tick.name, { size: 11, anchor: "middle", fill: theme.muted });
    }
    const axes = [this.seriesKey ? { key: this.seriesKey, size: this.series, guide: this.f.series } : null, this.barKey ? { key: this.barKey, size: this.bars, guide: this.f.bars } : null];
    const passes = sieve(this.cx.bus.filters, this.cx.id, this.always, axes);
    for (let bar = 0; bar < this.bars; bar++) {
      const y = this.top + bar * this.step1 + (this.step1 - (this.series > 1 ? 8 : 5)) / 2 + 4;
      if (this.step1 >= 12 || bar % Math.ceil(12 / this.step1) === 0) {
        pen.text(this.left - 8, y, fit(visibleToken(nameAt(this.f.bars, bar)), this.left - 10, NAME), { ...NAME, anchor: "end" });
      }
      for (let s = 0; s < this.series; s++) {
        const mark = s * this.bars + bar;
        const [x, top, w, h] = this.box(mark);
        const value = this.values[mark];
        pen.alpha(passes === null || (passes !== "none" && passes(s, bar)) ? 1 : 0.2);
        if (Number.isNaN(value)) pen.hatch(this.s.at(0), top, 24, h);
        else pen.rect(x, top, w, h, hex(category(this.series > 1 ? s : value < 0 && this.s.low < 0 ? 1 : 0, theme.dark)), undefined, 1, Math.min(2, w / 2));
        if (this.written) {
          const left = value < 0;
          pen.text(left ? x - 5 : x + w + 5, y, short(value), { size: 11, fill: theme.muted, anchor: left ? "end" : "start" });
        }
        pen.alpha(1);
      }
    }
    const zero = Math.round(this.s.at(0)) + 0.5;
    pen.line([zero, this.top - 2, zero, bottom], theme.rule);
    pen.text((this.s.at(this.s.low) + this.s.at(this.s.high)) / 2, bottom + 31, this.f.label ?? "", { size: 11, anchor: "middle" });
  }
  hit(x: number, y: number): number {
    const bar = Math.floor((y - this.top) / this.step1);
    if (bar < 0 || bar >= this.bars || x < 0) return -1;
    const s = Math.min(this.series - 1, Math.floor((y - this.top - bar * this.step1) / this.thick));
    return s * this.bars + bar;
  }
  step(mark: number, dx: number, dy: number): number {
    const s = Math.max(0, Math.min(this.series - 1, Math.floor(mark / this.bars) + dx));
    return s * this.bars + Math.max(0, Math.min(this.bars - 1, (mark % this.bars) + dy));
  }
  note(mark: number) {
    const name = visibleToken(nameAt(this.f.bars, mark % this.bars));
    return {
      head: `${this.f.label ? this.f.label + " " : ""}${exact(this.values[mark], this.values instanceof Float32Array)}`,
      lines: [...(this.series > 1 ? [this.names[Math.floor(mark / this.bars)]] : []), `${this.f.bars.label || this.f.values.dims.at(-1) || "bar"} ${name}`],
    };
  }
  place(mark: number): Place {
    const place: Place = { ...this.always };
    if (this.barKey) place[this.barKey] = indexAt(this.f.bars, mark % this.bars);
    if (this.seriesKey) place[this.seriesKey] = indexAt(this.f.series, Math.floor(mark / this.bars));
    return place;
  }
  overlay(pen: Pen): void {
    for (const look of looks(this.cx.bus, pen.theme)) {
      const always = match(this.always, look.sel);
      if (always === false) continue;
      const bars = this.barKey ? placesIn(look.sel, this.barKey, this.bars, this.f.bars) : null;
      const series = this.seriesKey ? placesIn(look.sel, this.seriesKey, this.series, this.f.series) : null;
      if (!bars && !series && !always) continue;
      let named = false;
      for (const s of series ?? Array.from({ length: this.series }, (_, i) => i)) {
        for (const bar of bars ?? Array.from({ length: this.bars }, (_, i) => i)) {
          const [x, y, w, h] = this.box(s * this.bars + bar);
          outline(pen, [x - 1, y - 1, w + 2, h + 2], look, look.dash ? 0 : 2);
          if (!named) letter(pen, x + 3, y + 12, look);
          named = true;
        }
      }
    }
  }
  summary(): string {
    const [low, high] = extent(this.values);
    return `${this.bars} bars${this.series > 1 ? ` in ${this.series} series` : ""}, ${this.f.label || "lengths"} from ${short(low)} to ${short(high)}`;
  }
  sheet(): Sheet {
    const { dims, shape } = this.f.values;
    const guides = dims.map((_, i) => [this.f.bars, this.f.series][dims.length - 1 - i]);
    return longSheet(dims, shape, guides, [{ name: this.f.label || "value", numbers: this.values }], (at) =>
      this.place((at.length > 1 ? at[at.length - 2] * this.bars : 0) + (at.at(-1) ?? 0)),
    );
  }
}
