// Counts over bins, for one or several distributions.
import { keys, tickRoom, xAxis, yAxis, type Frame } from "./axes";
import { category, hex } from "./colour";
import { axisKey, fixedPlace, indexAt, linked, nameAt, type Place } from "./link";
import { isIn, letter, looks } from "./looks";
import { exact, extent, grouped, numbers, product, short, visible, type Numbers } from "./numbers";
import type { Context } from "./part";
import type { Pen } from "./pen";
import type { Box, Plot } from "./plot";
import { scale, type Scale } from "./scale";
import type { Sheet } from "./sheet";
import type { Histogram } from "./types";

export class HistogramPlot implements Plot {
  private readonly counts: Numbers;
  private readonly edges: Numbers;
  private readonly series: number;
  private readonly bins: number;
  private readonly names: string[];
  private readonly seriesKey: string | null;
  private readonly always: Place;
  private frame: Frame = { x: 0, y: 0, w: 1, h: 1 };
  private sx!: Scale;
  private sy!: Scale;

  constructor(
    private readonly f: Histogram,
    private readonly cx: Context,
  ) {
    this.counts = numbers(f.counts);
    this.edges = numbers(f.edges);
    this.bins = Math.min(f.counts.shape.at(-1) ?? 1, Math.max(0, this.edges.length - 1));
    this.series = this.counts.length ? product(f.counts.shape.slice(0, -1)) : 0;
    this.names = Array.from({ length: this.series }, (_, i) => visible(nameAt(f.series, i)));
    const space = (dim: string) => cx.space(dim);
    const axis = f.counts.dims.length === 2 ? f.counts.dims[0] : undefined;
    this.seriesKey = linked(axis) ? axisKey(axis, f.series, space) : null;
    this.always = fixedPlace(f.at, space);
  }
  get marks(): number {
    return this.series * this.bins;
  }
  layout(width: number) {
    const height = Math.round(Math.min(260, Math.max(160, width * 0.42)));
    const top = (this.series > 1 ? keys(null, this.names, 0, 0, width, "box") + 8 : 0) + 8;
    const log = this.f.y_scale === "log";
    const [low, high] = extent(this.counts);
    const bottom = top + height - 48;
    this.sy = scale([log ? 0.5 : Math.min(0, low), Math.max(log ? 1 : 0, high)], [bottom, top], this.f.y_scale, (bottom - top) / 42, low >= 0);
    const left = tickRoom(this.sy.ticks) + 20;
    this.frame = { x: left, y: top, w: Math.max(40, width - left - 14), h: bottom - top };
    this.sx = scale(extent(this.edges), [left, left + this.frame.w], "linear", this.frame.w / 80);
    return { width, height: bottom + 40 };
  }
  box(mark: number): Box {
    const bin = mark % this.bins;
    const [x0, x1] = [this.sx.at(this.edges[bin]), this.sx.at(this.edges[bin + 1])];
    const foot = this.sy.at(this.f.y_scale === "log" ? this.sy.low : 0);
    const count = this.counts[mark];
    const head = count > 0 || this.f.y_scale !== "log" ? this.sy.at(count) : foot;
    return [x0, Math.min(foot, head), Math.max(0.5, x1 - x0), Math.abs(foot - head)];
  }
  draw(pen: Pen): void {
    if (this.series > 1) keys(pen, this.names, this.frame.x, 0, this.frame.w, "box");
    yAxis(pen, this.frame, this.sy, "count");
    for (let s = 0; s < this.series; s++) {
      const colour = hex(category(s, pen.theme.dark));
      pen.alpha(this.series > 1 ? 0.35 : 0.9);
      const outline: number[] = [];
      for (let bin = 0; bin < this.bins; bin++) {
        const [x, y, w, h] = this.box(s * this.bins + bin);
        const gap = this.series === 1 && w > 4 ? 1 : 0;
        if (h > 0) pen.rect(x, y, w - gap, h, colour);
        const up = this.counts[s * this.bins + bin] >= 0;
        outline.push(x, up ? y : y + h, x + w, up ? y : y + h);
      }
      pen.alpha(1);
      if (this.series > 1) pen.line(outline, colour, 1.5);
    }
    xAxis(pen, this.frame, this.sx.ticks.map((tick) => ({ at: this.sx.at(tick.value), name: tick.name })), this.f.label ?? "");
  }
  hit(x: number, y: number): number {
    const { frame } = this;
    if (x < frame.x || x > frame.x + frame.w || y < frame.y || y > frame.y + frame.h) return -1;
    const value = this.sx.from(x);
    let bin = 0;
    while (bin < this.bins - 1 && this.edges[bin + 1] <= value) bin++;
    // Of the distributions, the lowest that reaches the pointer.
    let [best, height] = [bin, Infinity];
    for (let s = 0; s < this.series; s++) {
      const [, top, , h] = this.box(s * this.bins + bin);
      if (y >= top && h < height) [best, height] = [s * this.bins + bin, h];
    }
    return this.marks ? best : -1;
  }
  step(mark: number, dx: number, dy: number): number {
    const s = Math.max(0, Math.min(this.series - 1, Math.floor(mark / this.bins) + dy));
    return s * this.bins + Math.max(0, Math.min(this.bins - 1, (mark % this.bins) + dx));
  }
  note(mark: number) {
    const bin = mark % this.bins;
    return {
      head: `${exact(this.counts[mark])} in the bin`,
      lines: [...(this.series > 1 ? [this.names[Math.floor(mark / this.bins)]] : []), `${this.f.label || "value"} ${short(this.edges[bin])} to ${short(this.edges[bin + 1])}`],
    };
  }
  place(mark: number): Place {
    return this.seriesKey ? { ...this.always, [this.seriesKey]: indexAt(this.f.series, Math.floor(mark / this.bins)) } : { ...this.always };
  }
  overlay(pen: Pen): void {
    if (!this.seriesKey) return;
    for (const look of looks(this.cx.bus, pen.theme)) {
      for (let s = 0; s < this.series; s++) {
        if (!isIn(this.place(s * this.bins), look)) continue;
        const outline: number[] = [];
        for (let bin = 0; bin < this.bins; bin++) {
          const [x, y, w] = this.box(s * this.bins + bin);
          outline.push(x, y, x + w, y);
        }
        pen.line(outline, look.colour, look.width, look.dash);
        letter(pen, outline[0] + 3, outline[1] + 14, look);
      }
    }
  }
  summary(): string {
    let total = 0;
    for (const count of this.counts) total += count;
    return `Histogram of ${this.bins} bins, ${grouped(Math.round(total))} values of ${this.f.label || "something"} from ${short(this.edges[0] ?? NaN)} to ${short(this.edges.at(-1) ?? NaN)}`;
  }
  sheet(): Sheet {
    const many = this.series > 1;
    return {
      headings: [...(many ? ["series"] : []), "from", "to", "count"],
      numeric: [...(many ? [false] : []), true, true, true],
      rows: this.marks,
      cell: (row, column) => {
        const bin = row % this.bins;
        const cells = [this.names[Math.floor(row / this.bins)], exact(this.edges[bin]), exact(this.edges[bin + 1]), exact(this.counts[row])];
        return cells[many ? column : column + 1];
      },
      place: (row) => this.place(row),
    };
  }
}
