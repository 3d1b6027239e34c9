// Pictures to keep: light, with the words around the figure.
import { visible } from "./numbers";
import { CanvasPen } from "./canvas";
import { LIGHT, wrap, type Picture } from "./pen";
import { SvgPen } from "./svg";
import type { About } from "./types";

/** A figure's picture under its title and above its caption, notes and provenance. */
export function compose(f: About, inside: Picture, width: number, depth: number): Picture {
  const head = { size: depth ? 13 : 16, bold: true };
  const small = { size: 12 };
  const title = f.title ? wrap(visible(f.title), width, head) : [];
  const notes = [f.caption, ...(f.caveats ?? []).map((caveat) => `Note: ${caveat}`), f.provenance && visible(f.provenance)].filter((text): text is string => !!text);
  const lines = notes.map((text) => wrap(text, width, small));
  const top = title.length ? title.length * (head.size + 6) + 8 : 0;
  const count = lines.reduce((sum, paragraph) => sum + paragraph.length, 0);
  const below = count ? 12 + count * 17 + lines.length * 4 : 0;
  return {
    width: Math.max(width, inside.width),
    height: top + inside.height + below,
    draw(pen) {
      title.forEach((line, i) => pen.text(0, (i + 1) * (head.size + 6) - 6, line, head));
      pen.at(0, top, () => inside.draw(pen));
      let y = top + inside.height + 22;
      for (const paragraph of lines) {
        for (const line of paragraph) {
          pen.text(0, y, line, { ...small, fill: pen.theme.muted });
          y += 17;
        }
        y += 4;
      }
    },
  };
}

const MARGIN = 20;

export function toSVG(picture: Picture): string {
  const pen = new SvgPen(LIGHT);
  pen.at(MARGIN, MARGIN, () => picture.draw(pen));
  return pen.finish(picture.width + 2 * MARGIN, picture.height + 2 * MARGIN);
}

export async function toPNG(picture: Picture): Promise<Blob> {
  const [w, h] = [picture.width + 2 * MARGIN, picture.height + 2 * MARGIN];
  const density = Math.min(2, 16000 / Math.max(w, h));
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(w * density);
  canvas.height = Math.ceil(h * density);
  const c = canvas.getContext("2d")!;
  c.fillStyle = LIGHT.page;
  c.fillRect(0, 0, canvas.width, canvas.height);
  c.scale(density, density);
  const pen = new CanvasPen(c, LIGHT, density);
  pen.at(MARGIN, MARGIN, () => picture.draw(pen));
  // Not toBlob, which Chromium leaves to moments of idleness: it may come seconds later.
  const [, base64 = ""] = canvas.toDataURL("image/png").split(",");
  if (base64 === "") throw new Error("the picture is too large");
  return new Blob([Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0))], { type: "image/png" });
}
