// What figures draw with: one set of strokes, onto a canvas or into SVG text.

export interface Theme {
  dark: boolean;
  page: string;
  ink: string;
  muted: string;
  rule: string;
  grid: string;
  panel: string;
  masked: string;
  hover: string;
  pin: string;
}

export const LIGHT: Theme = {
  dark: false,
  page: "#ffffff",
  ink: "#1f2328",
  muted: "#5d6570",
  rule: "#8c959f",
  grid: "#e4e8ec",
  panel: "#f6f8fa",
  masked: "#eceff2",
  hover: "#d1242f",
  pin: "#1f2328",
};

export const DARK: Theme = {
  dark: true,
  page: "#0d1117",
  ink: "#e6edf3",
  muted: "#9da7b3",
  rule: "#6e7681",
  grid: "#2b323b",
  panel: "#161b22",
  masked: "#1b2129",
  hover: "#ff7b72",
  pin: "#ffffff",
};

export const SANS = 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif';
export const MONO = '"JetBrains Mono", ui-monospace, Menlo, Consolas, monospace';

export interface TextStyle {
  size?: number;
  bold?: boolean;
  mono?: boolean;
  fill?: string;
  anchor?: "start" | "middle" | "end";
  /** Quarter turns, clockwise. */
  turn?: -1 | 1;
}

/** RGBA pixels, four bytes each, from the upper left. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray<ArrayBuffer>;
}

export interface Pen {
  readonly theme: Theme;
  /** Device pixels to one of the picture. */
  readonly density: number;
  rect(x: number, y: number, w: number, h: number, fill: string | null, stroke?: string, width?: number, radius?: number): void;
  line(points: ArrayLike<number>, stroke: string, width?: number, dash?: number[]): void;
  area(points: ArrayLike<number>, fill: string): void;
  /** A cubic from one point to another, its ends upright. */
  curve(x0: number, y0: number, x1: number, y1: number, stroke: string, width: number): void;
  circle(x: number, y: number, r: number, fill: string | null, stroke?: string, width?: number): void;
  text(x: number, y: number, text: string, style?: TextStyle): void;
  image(x: number, y: number, w: number, h: number, pixels: Pixels): void;
  /** Diagonal lines over a rectangle: not a number. */
  hatch(x: number, y: number, w: number, h: number): void;
  alpha(share: number): void;
  clip(x: number, y: number, w: number, h: number, inside: () => void): void;
  at(x: number, y: number, inside: () => void): void;
}

export interface Picture {
  width: number;
  height: number;
  draw(pen: Pen): void;
}

const font = (s: TextStyle) => `${s.bold ? 600 : 400} ${s.size ?? 12}px ${s.mono ? MONO : SANS}`;

let ruler: CanvasRenderingContext2D | null = null;
const widths = new Map<string, number>();

/** Width of a text in pixels. */
export function measure(text: string, style: TextStyle = {}): number {
  const key = font(style) + text;
  let width = widths.get(key);
  if (width === undefined) {
    ruler ??= document.createElement("canvas").getContext("2d");
    if (!ruler) return text.length * (style.size ?? 12) * 0.55;
    ruler.font = font(style);
    width = ruler.measureText(text).width;
    if (widths.size > 20000) widths.clear();
    widths.set(key, width);
  }
  return width;
}

/** Fonts change widths once they are here. */
export const forgetWidths = () => widths.clear();

/** The text cut to a width, with an ellipsis where it was cut. */
export function fit(text: string, width: number, style: TextStyle = {}): string {
  if (measure(text, style) <= width) return text;
  const letters = [...text];
  let [low, high] = [0, letters.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (measure(letters.slice(0, middle).join("") + "…", style) <= width) low = middle;
    else high = middle - 1;
  }
  return low === 0 ? "" : letters.slice(0, low).join("") + "…";
}

/** Lines that fit a width; line breaks are kept. */
export function wrap(text: string, width: number, style: TextStyle = {}): string[] {
  const out: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(" ")) {
      const longer = line ? `${line} ${word}` : word;
      if (line && measure(longer, style) > width) {
        out.push(line);
        line = word;
      } else line = longer;
    }
    out.push(line);
  }
  return out;
}

let scratch: HTMLCanvasElement | null = null;
function onScratch(pixels: Pixels): HTMLCanvasElement {
  scratch ??= document.createElement("canvas");
  scratch.width = pixels.width;
  scratch.height = pixels.height;
  scratch.getContext("2d")!.putImageData(new ImageData(pixels.data, pixels.width, pixels.height), 0, 0);
  return scratch;
}

export class CanvasPen implements Pen {
  constructor(
    private readonly c: CanvasRenderingContext2D,
    readonly theme: Theme,
    readonly density: number,
  ) {}
  rect(x: number, y: number, w: number, h: number, fill: string | null, stroke?: string, width = 1, radius = 0) {
    const { c } = this;
    if (radius) {
      c.beginPath();
      c.roundRect(x, y, w, h, radius);
      if (fill) {
        c.fillStyle = fill;
        c.fill();
      }
    } else if (fill) {
      c.fillStyle = fill;
      c.fillRect(x, y, w, h);
    }
    if (stroke) {
      c.strokeStyle = stroke;
      c.lineWidth = width;
      if (radius) c.stroke();
      else c.strokeRect(x, y, w, h);
    }
  }
  private path(points: ArrayLike<number>) {
    const { c } = this;
    c.beginPath();
    let up = true;
    for (let i = 0; i < points.length; i += 2) {
      if (Number.isNaN(points[i + 1])) up = true;
      else if (up) {
        c.moveTo(points[i], points[i + 1]);
        up = false;
      } else c.lineTo(points[i], points[i + 1]);
    }
  }
  line(points: ArrayLike<number>, stroke: string, width = 1, dash?: number[]) {
    this.path(points);
    this.c.strokeStyle = stroke;
    this.c.lineWidth = width;
    this.c.lineJoin = "round";
    this.c.setLineDash(dash ?? []);
    this.c.stroke();
    if (dash) this.c.setLineDash([]);
  }
  area(points: ArrayLike<number>, fill: string) {
    this.path(points);
    this.c.closePath();
    this.c.fillStyle = fill;
    this.c.fill();
  }
  curve(x0: number, y0: number, x1: number, y1: number, stroke: string, width: number) {
    const { c } = this;
    const middle = (y0 + y1) / 2;
    c.beginPath();
    c.moveTo(x0, y0);
    c.bezierCurveTo(x0, middle, x1, middle, x1, y1);
    c.strokeStyle = stroke;
    c.lineWidth = width;
    c.stroke();
  }
  circle(x: number, y: number, r: number, fill: string | null, stroke?: string, width = 1) {
    const { c } = this;
    c.beginPath();
    c.arc(x, y, r, 0, 2 * Math.PI);
    if (fill) {
      c.fillStyle = fill;
      c.fill();
    }
    if (stroke) {
      c.strokeStyle = stroke;
      c.lineWidth = width;
      c.stroke();
    }
  }
  text(x: number, y: number, text: string, style: TextStyle = {}) {
    const { c } = this;
    c.font = font(style);
    c.fillStyle = style.fill ?? this.theme.ink;
    c.textAlign = style.anchor === "middle" ? "center" : style.anchor === "end" ? "right" : "left";
    if (style.turn) {
      c.save();
      c.translate(x, y);
      c.rotate((style.turn * Math.PI) / 2);
      c.fillText(text, 0, 0);
      c.restore();
    } else c.fillText(text, x, y);
  }
  image(x: number, y: number, w: number, h: number, pixels: Pixels) {
    this.c.imageSmoothingEnabled = false;
    this.c.drawImage(onScratch(pixels), x, y, w, h);
  }
  hatch(x: number, y: number, w: number, h: number) {
    this.clip(x, y, w, h, () => {
      const { c } = this;
      c.beginPath();
      for (let d = -h; d < w; d += 5) {
        c.moveTo(x + d, y + h);
        c.lineTo(x + d + h, y);
      }
      c.strokeStyle = this.theme.dark ? "#8b949e" : "#7d858f";
      c.lineWidth = 1;
      c.stroke();
    });
  }
  alpha(share: number) {
    this.c.globalAlpha = share;
  }
  clip(x: number, y: number, w: number, h: number, inside: () => void) {
    this.c.save();
    this.c.beginPath();
    this.c.rect(x, y, w, h);
    this.c.clip();
    inside();
    this.c.restore();
  }
  at(x: number, y: number, inside: () => void) {
    this.c.save();
    this.c.translate(x, y);
    inside();
    this.c.restore();
  }
}

const escape = (s: string) =>
  s
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/"/g, "&quot;");
const n = (x: number) => String(Math.round(x * 100) / 100);

export class SvgPen implements Pen {
  private out: string[] = [];
  private share = 1;
  private clips = 0;
  readonly density = 2;
  constructor(readonly theme: Theme) {}
  private put(element: string) {
    this.out.push(element + (this.share < 1 ? ` opacity="${n(this.share)}"` : "") + "/>");
  }
  rect(x: number, y: number, w: number, h: number, fill: string | null, stroke?: string, width = 1, radius = 0) {
    this.put(
      `<rect x="${n(x)}" y="${n(y)}" width="${n(w)}" height="${n(h)}" fill="${fill ?? "none"}"` +
        (radius ? ` rx="${n(radius)}"` : "") +
        (stroke ? ` stroke="${stroke}" stroke-width="${n(width)}"` : ""),
    );
  }
  private d(points: ArrayLike<number>): string {
    let d = "";
    let up = true;
    for (let i = 0; i < points.length; i += 2) {
      if (Number.isNaN(points[i + 1])) up = true;
      else {
        d += `${up ? "M" : "L"}${n(points[i])} ${n(points[i + 1])}`;
        up = false;
      }
    }
    return d;
  }
  line(points: ArrayLike<number>, stroke: string, width = 1, dash?: number[]) {
    this.put(
      `<path d="${this.d(points)}" fill="none" stroke="${stroke}" stroke-width="${n(width)}" stroke-linejoin="round"` +
        (dash ? ` stroke-dasharray="${dash.join(" ")}"` : ""),
    );
  }
  area(points: ArrayLike<number>, fill: string) {
    this.put(`<path d="${this.d(points)}Z" fill="${fill}"`);
  }
  curve(x0: number, y0: number, x1: number, y1: number, stroke: string, width: number) {
    const middle = n((y0 + y1) / 2);
    this.put(
      `<path d="M${n(x0)} ${n(y0)}C${n(x0)} ${middle} ${n(x1)} ${middle} ${n(x1)} ${n(y1)}" fill="none" stroke="${stroke}" stroke-width="${n(width)}"`,
    );
  }
  circle(x: number, y: number, r: number, fill: string | null, stroke?: string, width = 1) {
    this.put(
      `<circle cx="${n(x)}" cy="${n(y)}" r="${n(r)}" fill="${fill ?? "none"}"` +
        (stroke ? ` stroke="${stroke}" stroke-width="${n(width)}"` : ""),
    );
  }
  text(x: number, y: number, text: string, style: TextStyle = {}) {
    const where = style.turn ? `transform="translate(${n(x)} ${n(y)}) rotate(${style.turn * 90})"` : `x="${n(x)}" y="${n(y)}"`;
    this.out.push(
      `<text ${where} font-size="${n(style.size ?? 12)}" fill="${style.fill ?? this.theme.ink}"` +
        (style.bold ? ' font-weight="600"' : "") +
        (style.mono ? ` font-family="${escape(MONO)}"` : "") +
        (style.anchor && style.anchor !== "start" ? ` text-anchor="${style.anchor}"` : "") +
        (this.share < 1 ? ` opacity="${n(this.share)}"` : "") +
        ` xml:space="preserve">${escape(text)}</text>`,
    );
  }
  image(x: number, y: number, w: number, h: number, pixels: Pixels) {
    const url = onScratch(pixels).toDataURL("image/png");
    this.put(
      `<image x="${n(x)}" y="${n(y)}" width="${n(w)}" height="${n(h)}" preserveAspectRatio="none" image-rendering="pixelated" href="${url}"`,
    );
  }
  hatch(x: number, y: number, w: number, h: number) {
    this.clip(x, y, w, h, () => {
      for (let d = -h; d < w; d += 5) this.line([x + d, y + h, x + d + h, y], this.theme.dark ? "#8b949e" : "#7d858f");
    });
  }
  alpha(share: number) {
    this.share = share;
  }
  clip(x: number, y: number, w: number, h: number, inside: () => void) {
    const id = `clip${this.clips++}`;
    this.out.push(
      `<clipPath id="${id}"><rect x="${n(x)}" y="${n(y)}" width="${n(w)}" height="${n(h)}"/></clipPath><g clip-path="url(#${id})">`,
    );
    inside();
    this.out.push("</g>");
  }
  at(x: number, y: number, inside: () => void) {
    this.out.push(`<g transform="translate(${n(x)} ${n(y)})">`);
    inside();
    this.out.push("</g>");
  }
  finish(width: number, height: number): string {
    const [w, h] = [Math.ceil(width), Math.ceil(height)];
    return (
      `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}" font-family="${escape(SANS)}">` +
      `<rect width="${w}" height="${h}" fill="${this.theme.page}"/>${this.out.join("")}</svg>`
    );
  }
}
