// A text of coloured tokens as a picture to keep.
import { LEGEND, colourBar } from "./axes";
import { grouped, visibleToken } from "./numbers";
import { measure, type Pen, type Picture } from "./pen";
import type { Shading } from "./shading";
import type { Dress } from "./strip";

const STYLE = { size: 13 };
const MOST = 5000;

export interface TokenPicture {
  words: readonly string[];
  dress(i: number, dark: boolean): Dress;
  /** Above the text, such as which series is shown. */
  heading?: string;
  legend?: { shading: Shading; label?: string };
  /** Categories in colour, in place of a legend. */
  keys?: { name: string; colour: (dark: boolean) => string }[];
}

export function tokenPicture(p: TokenPicture, width: number): Picture {
  const room = width - (p.legend ? LEGEND + 16 : 0);
  const top = (p.heading ? 22 : 0) + (p.keys?.length ? 22 : 0);
  const marks: { x: number; y: number; w: number; i: number; text: string }[] = [];
  let [x, y] = [0, top];
  for (let i = 0; i < Math.min(p.words.length, MOST); i++) {
    const text = visibleToken(p.words[i]);
    const w = measure(text, STYLE) + 6;
    if (x > 0 && x + w > room) [x, y] = [0, y + 24];
    marks.push({ x, y, w, i, text });
    x += w + 2;
    if (p.words[i].includes("\n")) [x, y] = [0, y + 24];
  }
  const more = p.words.length > MOST ? 22 : 0;
  return {
    width,
    height: Math.max(y + 26 + more, p.legend ? 160 : 0),
    draw(pen: Pen) {
      const { theme } = pen;
      if (p.heading) pen.text(0, 13, p.heading, { size: 12, bold: true });
      let at = 0;
      for (const { name, colour } of p.keys ?? []) {
        pen.rect(at, p.heading ? 25 : 3, 11, 11, colour(theme.dark), undefined, 1, 2);
        pen.text(at + 16, p.heading ? 35 : 13, name, { size: 11 });
        at += measure(name, { size: 11 }) + 32;
      }
      for (const mark of marks) {
        const dress = p.dress(mark.i, theme.dark);
        if (dress.kind === "nan") pen.hatch(mark.x, mark.y, mark.w, 21);
        else if (dress.kind === "left") pen.line([mark.x + 1, mark.y + 20, mark.x + mark.w - 1, mark.y + 20], theme.muted, 1, [2, 2]);
        else if (dress.ground) pen.rect(mark.x, mark.y, mark.w, 21, dress.ground, undefined, 1, 3);
        pen.text(mark.x + 3, mark.y + 15, mark.text, { ...STYLE, fill: dress.ink || (dress.kind === "left" || dress.kind === "masked" ? theme.muted : theme.ink), within: mark.w - 6 });
      }
      if (more) pen.text(0, y + 40, `and ${grouped(p.words.length - MOST)} more`, { fill: theme.muted, size: 11 });
      if (p.legend) colourBar(pen, p.legend.shading, { x: room + 16, y: 2, height: 110, label: p.legend.label });
    },
  };
}
