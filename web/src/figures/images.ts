// Pictures, from pixels by value or in colour.
import { LEGEND, colourBar } from "./axes";
import { at as colourAt, ends, MISSING } from "./colour";
import { axisKey, fixedPlace, linked, type Place } from "./link";
import { isIn, letter, looks, outline } from "./looks";
import { countMissing, exact, numbers, product, visible, type Numbers } from "./numbers";
import type { Context } from "./part";
import { fit, type Pen, type Pixels } from "./pen";
import type { Box, Plot } from "./plot";
import { PLAIN, Shading } from "./shading";
import { longSheet, type Sheet } from "./sheet";
import type { Images } from "./types";

const GAP = 12;
const NAME = 18;

/** Marks are pixels, picture by picture. */
export class ImagesPlot implements Plot {
  private readonly values: Numbers;
  private readonly ends: [number, number];
  private readonly missing: number;
  private readonly first: number[];
  private readonly where: number[][];
  private readonly steps: [number, number, number];
  private readonly h: number;
  private readonly w: number;
  private readonly channels: number;
  private readonly others: number[];
  private readonly always: Place;
  private scale = 1;
  private per = 1;
  private readonly drawn = new Map<string, Pixels>();

  constructor(
    private readonly f: Images,
    private readonly cx: Context,
  ) {
    this.values = numbers(f.pixels);
    this.ends = ends(f.colour, this.values);
    this.missing = countMissing(this.values);
    const { dims, shape } = f.pixels;
    const stepOf = (axis: number) => product(shape.slice(axis + 1));
    const [y, x, channel] = ["y", "x", "channel"].map((dim) => dims.indexOf(dim));
    const here = y >= 0 && x >= 0 && this.values.length > 0;
    this.h = here ? shape[y] : 0;
    this.w = here ? shape[x] : 0;
    this.channels = channel >= 0 ? shape[channel] : 1;
    this.steps = here ? [stepOf(y), stepOf(x), channel >= 0 ? stepOf(channel) : 0] : [0, 0, 0];
    this.others = dims.map((_, axis) => axis).filter((axis) => axis !== y && axis !== x && axis !== channel);
    this.first = here ? [0] : [];
    this.where = here ? [[]] : [];
    for (const axis of here ? this.others : []) {
      const places = Array.from({ length: shape[axis] }, (_, i) => i);
      this.where = this.where.flatMap((at) => places.map((i) => [...at, i]));
      this.first = this.first.flatMap((at) => places.map((i) => at + i * stepOf(axis)));
    }
    this.always = fixedPlace(f.at, (dim) => cx.space(dim));
  }
  private get coloured(): boolean {
    return this.channels === 3 || this.channels === 4;
  }
  get marks(): number {
    return this.first.length * this.h * this.w;
  }
  layout(width: number) {
    const n = this.first.length;
    if (!n) return { width, height: 24 };
    const room = width - (this.coloured ? 0 : LEGEND + 16);
    const wanted = Math.max(this.w, Math.min(n > 1 ? 132 : 300, this.w * 16));
    this.per = Math.max(1, Math.min(n, Math.floor((room + GAP) / (wanted + GAP))));
    const scale = Math.min(wanted, room) / this.w;
    this.scale = scale >= 1 ? Math.floor(scale) : scale;
    const lines = Math.ceil(n / this.per);
    return { width, height: Math.max(this.coloured ? 0 : this.missing ? 130 : 110, lines * (this.h * this.scale + this.name + GAP) + 2) };
  }
  private get name(): number {
    return this.f.names?.length ? NAME : 0;
  }
  private corner(picture: number): [number, number] {
    const [line, place] = [Math.floor(picture / this.per), picture % this.per];
    return [1 + place * (this.w * this.scale + GAP), 1 + line * (this.h * this.scale + this.name + GAP)];
  }
  private pixels(picture: number, dark: boolean): Pixels {
    const key = `${picture}${dark}`;
    const kept = this.drawn.get(key);
    if (kept) return kept;
    const data = new Uint8ClampedArray(this.w * this.h * 4);
    const [down, across, deep] = this.steps;
    for (let y = 0; y < this.h; y++) {
      for (let x = 0; x < this.w; x++) {
        const from = this.first[picture] + y * down + x * across;
        const to = (y * this.w + x) * 4;
        if (this.coloured) {
          const rgb = [0, 1, 2].map((c) => this.values[from + c * deep]);
          const opaque = this.channels === 4 ? Math.max(0, Math.min(1, this.values[from + 3 * deep])) : 1;
          const missing = rgb.some(Number.isNaN);
          for (let c = 0; c < 3; c++) data[to + c] = missing ? MISSING[c] : 255 + (Math.max(0, Math.min(1, rgb[c])) * 255 - 255) * opaque;
        } else [data[to], data[to + 1], data[to + 2]] = colourAt(this.f.colour.map, this.values[from], this.ends, dark);
        data[to + 3] = 255;
      }
    }
    const out = { width: this.w, height: this.h, data };
    this.drawn.set(key, out);
    return out;
  }
  draw(pen: Pen): void {
    if (!this.first.length) return pen.text(0, 16, "no pictures", { fill: pen.theme.muted });
    const [w, h] = [this.w * this.scale, this.h * this.scale];
    this.first.forEach((_, picture) => {
      const [x, y] = this.corner(picture);
      pen.image(x, y, w, h, this.pixels(picture, pen.theme.dark));
      this.hatches(pen, picture, x, y);
      pen.rect(x - 0.5, y - 0.5, w + 1, h + 1, null, pen.theme.grid);
      const name = this.f.names?.[picture];
      if (name) pen.text(x, y + h + 14, fit(visible(name), w, { size: 11 }), { size: 11, fill: pen.theme.muted });
    });
    if (!this.coloured) {
      const across = Math.min(this.per, this.first.length) * (w + GAP) - GAP;
      colourBar(pen, new Shading(this.f.colour.map, this.ends, PLAIN, 0, this.missing), { x: across + 17, y: 8, height: Math.max(84, Math.min(h, 190)), label: this.f.colour.label });
    }
  }
  private hatches(pen: Pen, picture: number, x: number, y: number): void {
    if (!this.missing || this.scale < 5) return;
    for (let i = 0; i < this.h * this.w; i++) {
      const [row, column] = [Math.floor(i / this.w), i % this.w];
      const from = this.first[picture] + row * this.steps[0] + column * this.steps[1];
      const missing = this.coloured ? [0, 1, 2].some((c) => Number.isNaN(this.values[from + c * this.steps[2]])) : Number.isNaN(this.values[from]);
      if (missing) pen.hatch(x + column * this.scale, y + row * this.scale, this.scale, this.scale);
    }
  }
  private split(mark: number): [picture: number, y: number, x: number] {
    return [Math.floor(mark / (this.h * this.w)), Math.floor(mark / this.w) % this.h, mark % this.w];
  }
  hit(px: number, py: number): number {
    for (let picture = 0; picture < this.first.length; picture++) {
      const [x, y] = this.corner(picture);
      const [ix, iy] = [Math.floor((px - x) / this.scale), Math.floor((py - y) / this.scale)];
      if (ix >= 0 && iy >= 0 && ix < this.w && iy < this.h) return (picture * this.h + iy) * this.w + ix;
    }
    return -1;
  }
  box(mark: number): Box {
    const [picture, iy, ix] = this.split(mark);
    const [x, y] = this.corner(picture);
    return [x + ix * this.scale, y + iy * this.scale, this.scale, this.scale];
  }
  step(mark: number, dx: number, dy: number): number {
    const [picture, y, x] = this.split(mark);
    let [p, nx] = [picture, x + dx];
    if (nx < 0 && p > 0) [p, nx] = [p - 1, this.w - 1];
    if (nx >= this.w && p < this.first.length - 1) [p, nx] = [p + 1, 0];
    return (p * this.h + Math.max(0, Math.min(this.h - 1, y + dy))) * this.w + Math.max(0, Math.min(this.w - 1, nx));
  }
  note(mark: number) {
    const [picture, y, x] = this.split(mark);
    const from = this.first[picture] + y * this.steps[0] + x * this.steps[1];
    const values = Array.from({ length: this.channels }, (_, c) => exact(this.values[from + c * this.steps[2]], this.values instanceof Float32Array));
    return {
      head: this.coloured ? `${this.channels === 4 ? "rgba" : "rgb"} ${values.join(" ")}` : `${this.f.colour.label ?? ""} ${values.join(" ")}`.trim(),
      lines: [visible(this.f.names?.[picture] ?? (this.first.length > 1 ? `picture ${picture}` : "")), `y ${y}  ·  x ${x}`].filter(Boolean),
    };
  }
  private picturePlace(picture: number): Place {
    const place: Place = { ...this.always };
    this.others.forEach((axis, i) => {
      const dim = this.f.pixels.dims[axis];
      if (linked(dim)) place[axisKey(dim, undefined, (d) => this.cx.space(d))] = this.where[picture][i];
    });
    return place;
  }
  place(mark: number): Place {
    return this.picturePlace(this.split(mark)[0]);
  }
  overlay(pen: Pen): void {
    for (const look of looks(this.cx.bus, pen.theme)) {
      this.first.forEach((_, picture) => {
        if (!isIn(this.picturePlace(picture), look)) return;
        const [x, y] = this.corner(picture);
        outline(pen, [x - 1, y - 1, this.w * this.scale + 2, this.h * this.scale + 2], look);
        letter(pen, x + 3, y + 14, look);
      });
    }
  }
  summary(): string {
    return `${this.first.length} picture${this.first.length === 1 ? "" : "s"} of ${this.h} by ${this.w} pixels${this.coloured ? " in colour" : `, ${this.f.colour.label || "values"} from ${exact(this.ends[0])} to ${exact(this.ends[1])}`}`;
  }
  sheet(): Sheet {
    const { dims, shape } = this.f.pixels;
    return longSheet(dims, shape, [], [{ name: this.f.colour.label || "value", numbers: this.values }]);
  }
}
