// Columns of numbers and words.
import { at as colourAt, ends, hex, ink } from "./colour";
import { grid, type Shade } from "./grid";
import { axisKey, fixedPlace, linked } from "./link";
import { exact, fixed, grouped, numbers, significant, visibleToken } from "./numbers";
import type { Context, Part } from "./part";
import { fit, measure, type Pen, type Theme } from "./pen";
import type { Sheet } from "./sheet";
import type { Column, Table } from "./types";

function written(column: Column, value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "–";
  if (column.decimals !== undefined && column.decimals !== null) return fixed(value, column.decimals);
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value).replace("-", "−");
  return significant(value, 4);
}

export function tablePart(el: HTMLElement, f: Table, cx: Context, theme: Theme): Part {
  const cells = f.columns.map((column) => ({
    numbers: column.numbers ? numbers(column.numbers) : null,
    words: column.words?.data ?? null,
  }));
  const rows = Math.max(0, ...cells.map(({ numbers, words }) => (numbers ?? words)?.length ?? 0));
  const space = (dim: string) => cx.space(dim);
  const key = linked(f.rows) ? axisKey(f.rows, undefined, space) : null;
  const always = fixedPlace(f.at, space);
  // A column that is named for the dim of the rows gives the index of each row, if the rows are not in order.
  const named = cells[f.columns.findIndex((column) => column.numbers && column.name === f.rows)]?.numbers ?? null;
  const indexOf = (row: number) => (named && Number.isInteger(named[row]) ? named[row] : row);
  const shown = (row: number, i: number) => {
    const { numbers: values, words } = cells[i];
    if (values) return row < values.length ? written(f.columns[i], values[row]) : "";
    const word = words?.[row];
    return word ? visibleToken(word) : "";
  };
  const sheet: Sheet = {
    headings: f.columns.map((column) => column.name),
    numeric: cells.map(({ numbers }) => !!numbers),
    rows,
    cell(row, i) {
      const { numbers: values, words } = cells[i];
      return values ? (row < values.length ? exact(values[row]) : "") : (words?.[row] ?? "");
    },
    key: (row, i) => cells[i].numbers?.[row] ?? cells[i].words?.[row] ?? "",
    place: (row) => (key ? { ...always, [key]: indexOf(row) } : always),
    along: key ? { key, fixed: always, index: indexOf } : undefined,
  };
  const shades: (Shade | null)[] = f.columns.map((column, i) => {
    const values = cells[i].numbers;
    return column.colour && values ? { map: column.colour.map, ends: ends(column.colour, values), value: (row) => values[row] } : null;
  });
  const summary = () => `Table of ${grouped(rows)} rows and ${f.columns.length} columns: ${sheet.headings.join(", ")}`;
  const view = grid(sheet, cx, theme, { shown, shades, label: summary() });
  el.append(view.element);
  return {
    summary,
    sheet: () => sheet,
    picture(width) {
      const most = Math.min(rows, 200);
      const style = { size: 12.5 };
      const widths = f.columns.map((column, i) => {
        const all = Array.from({ length: most }, (_, row) => measure(shown(row, i), style));
        return Math.min(260, Math.max(measure(column.name, { size: 12.5, bold: true }), ...all)) + 18;
      });
      const whole = Math.max(...[1], widths.reduce((a, b) => a + b, 0));
      return {
        width: Math.max(width, whole),
        height: (most + 1) * 23 + (rows > most ? 26 : 8),
        draw(pen: Pen) {
          let x = 0;
          f.columns.forEach((column, i) => {
            const right = !!cells[i].numbers;
            const put = (text: string, y: number, bold: boolean, fill?: string) =>
              pen.text(right ? x + widths[i] - 9 : x + 9, y, fit(text, widths[i] - 12, { ...style, bold }), { ...style, bold, within: widths[i] - 10, anchor: right ? "end" : "start", fill });
            put(column.name, 16, true);
            for (let row = 0; row < most; row++) {
              const shade = shades[i];
              const value = shade ? shade.value(row) : NaN;
              const ground = shade && !Number.isNaN(value) ? colourAt(shade.map, value, shade.ends, pen.theme.dark) : null;
              if (ground) pen.rect(x, 23 + row * 23, widths[i], 23, hex(ground));
              put(shown(row, i), 23 * (row + 1) + 16, false, ground ? hex(ink(ground)) : undefined);
            }
            x += widths[i];
          });
          for (const y of [0.5, 23.5, 23 * (most + 1) + 0.5]) pen.line([0, y, whole, y], pen.theme.rule);
          if (rows > most) pen.text(9, 23 * (most + 1) + 17, `and ${grouped(rows - most)} more rows`, { size: 11, fill: pen.theme.muted });
        },
      };
    },
    changed: (changes) => view.changed(changes),
    restyle: (next) => view.restyle(next),
    destroy: () => view.destroy(),
  };
}
