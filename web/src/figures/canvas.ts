// A pen that draws onto a canvas.
import { font, type Pen, type Pixels, type TextStyle, type Theme } from "./pen";

let scratch: HTMLCanvasElement | null = null;
/** A canvas of these pixels, good until the next. */
export function onScratch(pixels: Pixels): HTMLCanvasElement {
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
