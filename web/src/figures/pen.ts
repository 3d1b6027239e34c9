// What figures draw with: one set of strokes, onto a canvas (canvas.ts) or into SVG text (svg.ts).

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
  compare: string;
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
  compare: "#8250df",
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
  compare: "#c297ff",
};

// A picture may be opened where the page's own fonts are not: then it has what the system has, scripts of all kinds last.
export const SANS = 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, "Noto Sans CJK SC", sans-serif';
export const MONO = '"JetBrains Mono", ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace';

export interface TextStyle {
  size?: number;
  bold?: boolean;
  mono?: boolean;
  fill?: string;
  anchor?: "start" | "middle" | "end";
  /** Quarter turns, clockwise. */
  turn?: -1 | 1;
  /** The width of the box that the text stands in: in SVG it keeps to it, whatever font is there. */
  within?: number;
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

export const font = (s: TextStyle) => `${s.bold ? 600 : 400} ${s.size ?? 12}px ${s.mono ? MONO : SANS}`;

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
