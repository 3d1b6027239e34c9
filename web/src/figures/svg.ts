// A pen that writes SVG.
import { onScratch } from "./canvas";
import { MONO, SANS, measure, type Pen, type Pixels, type TextStyle, type Theme } from "./pen";

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
  private hatched = false;
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
        (style.within && text ? ` textLength="${n(Math.min(measure(text, style), style.within))}" lengthAdjust="spacingAndGlyphs"` : "") +
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
    this.hatched = true;
    this.put(`<rect x="${n(x)}" y="${n(y)}" width="${n(w)}" height="${n(h)}" fill="url(#hatch)"`);
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
    const stroke = this.theme.dark ? "#8b949e" : "#7d858f";
    const pattern = `<defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse"><path d="M-1 1L1 -1M0 5L5 0M4 6L6 4" stroke="${stroke}"/></pattern></defs>`;
    return (
      `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}" font-family="${escape(SANS)}">` +
      `<rect width="${w}" height="${h}" fill="${this.theme.page}"/>${this.hatched ? pattern : ""}${this.out.join("")}</svg>`
    );
  }
}
