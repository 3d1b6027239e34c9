// Many points as pixels, by the processor, so that a million redraw within a frame or two: where each falls and its
// colour are found once, the points that a brush leaves out are one picture beneath, and only those it lets through are
// put down anew.
import type { Frame } from "./axes";
import { category, lut, type Rgb } from "./colour";
import type { Numbers } from "./numbers";
import type { Pixels } from "./pen";
import type { Scale } from "./scale";
import { LEFT_OUT, NOT_A_NUMBER, type Shading } from "./shading";

export interface Points {
  count: number;
  x: Numbers;
  y: Numbers;
  values: Numbers | null;
  classes: Numbers | null;
  shading: Shading;
}

const FAINT = 0x22;
const OFF = 0xffffffff;
const pack = ([r, g, b]: Rgb, a: number) => ((a << 24) | (b << 16) | (g << 8) | r) >>> 0;

export class Splat {
  /** The pixel of each point, OFF where it is not in the frame. */
  private readonly at: Uint32Array;
  private readonly colours: Uint32Array;
  private readonly w: number;
  private readonly h: number;
  private readonly size: number;
  private whole: Uint32Array | null = null;
  private faint: Uint32Array | null = null;

  private constructor(
    points: Points,
    [w, h]: [number, number],
    [sx, sy]: [Scale, Scale],
    radius: number,
    density: number,
    dark: boolean,
    private readonly fits: string,
  ) {
    [this.w, this.h] = [w, h];
    this.size = Math.max(1, Math.round(radius * 2 * density));
    this.at = new Uint32Array(points.count);
    this.colours = new Uint32Array(points.count);
    const { x, y, values, classes, shading } = points;
    const [ax, bx] = [(w - 1) / (sx.high - sx.low), sx.low];
    const [ay, by] = [(h - 1) / (sy.high - sy.low), sy.high];
    const palette = new Uint32Array(lut(shading.map, dark).buffer);
    const solid = Uint32Array.from({ length: 8 }, (_, c) => pack(category(c, dark), 255));
    for (let i = 0; i < points.count; i++) {
      const px = Math.round((x[i] - bx) * ax);
      const py = Math.round((by - y[i]) * ay);
      this.at[i] = px >= 0 && py >= 0 && px < w && py < h ? py * w + px : OFF;
      if (values) {
        const step = shading.step(values[i]);
        this.colours[i] = step === LEFT_OUT ? pack([0x88, 0x88, 0x88], FAINT) : step === NOT_A_NUMBER ? 0xff999999 : palette[step];
      } else this.colours[i] = solid[classes ? classes[i] & 7 : 0];
    }
  }
  /** The one there is, if it is of these points in such a frame, else another. */
  static fitting(kept: Splat | null, points: Points, frame: Frame, scales: [Scale, Scale], radius: number, density: number, dark: boolean): Splat {
    const [w, h] = [Math.round(frame.w * density), Math.round(frame.h * density)];
    const fits = `${w} ${h} ${density} ${dark}`;
    return kept?.fits === fits ? kept : new Splat(points, [w, h], scales, radius, density, dark, fits);
  }
  private put(pixels: Uint32Array, i: number, colour: number): void {
    const { w, h, size } = this;
    const at = this.at[i];
    if (at === OFF) return;
    if (size === 1) {
      pixels[at] = colour;
      return;
    }
    const half = size >> 1;
    const [px, py] = [at % w, Math.floor(at / w)];
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
  /** All points; of those that do not pass, only a trace. */
  picture(passes: Uint8Array | null): Pixels {
    const { w, h, colours } = this;
    let pixels: Uint32Array;
    if (!passes) {
      if (!this.whole) {
        this.whole = new Uint32Array(w * h);
        for (let i = 0; i < colours.length; i++) this.put(this.whole, i, colours[i]);
      }
      pixels = this.whole;
    } else {
      if (!this.faint) {
        this.faint = new Uint32Array(w * h);
        for (let i = 0; i < colours.length; i++) this.put(this.faint, i, ((colours[i] & 0xffffff) | (FAINT << 24)) >>> 0);
      }
      pixels = this.faint.slice();
      for (let i = 0; i < colours.length; i++) if (passes[i]) this.put(pixels, i, colours[i]);
    }
    return { width: w, height: h, data: new Uint8ClampedArray(pixels.buffer as ArrayBuffer) };
  }
}
