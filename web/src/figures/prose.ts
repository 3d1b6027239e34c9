// Prose, and program text line by line.
import { make, type Part } from "./part";
import { fit, wrap, type Pen } from "./pen";
import type { Sheet } from "./sheet";
import { visible } from "./numbers";
import type { Code, Text } from "./types";

const lineSheet = (heading: string, lines: string[]): Sheet => ({ headings: [heading], rows: lines.length, cell: (row) => lines[row] });

export function textPart(el: HTMLElement, f: Text): Part {
  const body = make("div", "fig-text");
  for (const paragraph of f.body.split(/\n\s*\n/)) body.append(make("p", "", paragraph.split("\n").map(visible).join("\n")));
  el.append(body);
  return {
    summary: () => `Text of ${f.body.split(/\s+/).filter(Boolean).length} words`,
    sheet: () => lineSheet("text", f.body.split("\n")),
    picture(width) {
      const lines = wrap(f.body, Math.min(width, 680), { size: 13.5 });
      return { width, height: lines.length * 20 + 6, draw: (pen: Pen) => lines.forEach((line, i) => pen.text(0, 15 + i * 20, visible(line), { size: 13.5 })) };
    },
    changed: () => {},
    restyle: () => {},
    destroy: () => body.remove(),
  };
}

export function codePart(el: HTMLElement, f: Code): Part {
  const lines = f.source.replace(/\n$/, "").split("\n");
  const marked = new Set(f.marked);
  const body = make("div", "fig-code");
  body.tabIndex = 0;
  body.setAttribute("role", "group");
  body.setAttribute("aria-label", `Program text${f.language ? ` in ${f.language}` : ""}, ${lines.length} lines`);
  lines.forEach((line, i) => {
    const row = make("div", marked.has(i + 1) ? "fig-line marked" : "fig-line");
    row.append(make("span", "fig-no", String(i + 1)), make("span", "fig-src", line.replace(/\t/g, "    ") || " "));
    body.append(row);
  });
  el.append(body);
  return {
    summary: () => `Program of ${lines.length} lines${f.language ? ` in ${f.language}` : ""}`,
    sheet: () => lineSheet("line", lines),
    picture(width) {
      return {
        width,
        height: lines.length * 18 + 8,
        draw(pen: Pen) {
          lines.forEach((line, i) => {
            if (marked.has(i + 1)) pen.rect(0, i * 18, width, 18, pen.theme.dark ? "#3a2f10" : "#fff5d6");
            pen.text(30, i * 18 + 13, String(i + 1), { size: 12, mono: true, anchor: "end", fill: pen.theme.muted });
            pen.text(42, i * 18 + 13, fit(line.replace(/\t/g, "    "), width - 46, { size: 12, mono: true }), { size: 12, mono: true });
          });
        },
      };
    },
    changed: () => {},
    restyle: () => {},
    destroy: () => body.remove(),
  };
}
