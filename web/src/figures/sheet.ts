// The numbers and words of a figure as rows: for "show as table" and for CSV.
import { exact, type Numbers } from "./numbers";
import { indexAt, nameAt, type Place } from "./link";
import type { Guide } from "./types";

export interface Sheet {
  headings: string[];
  rows: number;
  /** The words of a cell, exact for numbers. */
  cell(row: number, column: number): string;
  /** Columns of numbers, aligned to the right. */
  numeric?: boolean[];
  /** The coordinates of a row, for linking. */
  place?(row: number): Place;
  /** Where all rows are along one dim: its key, what else holds for all, and the index of a row, which is the row itself if not given. */
  along?: { key: string; fixed: Place; index?(row: number): number };
  /** What to sort a cell by; else its words. */
  key?(row: number, column: number): number | string;
}

/** One row per element: the index along each axis, the name of the place where it has one, then the values. */
export function longSheet(
  dims: string[],
  shape: number[],
  guides: (Guide | undefined)[],
  values: { name: string; numbers?: Numbers; words?: ArrayLike<string> }[],
  place?: (at: number[]) => Place,
): Sheet {
  const columns: ((at: number[], flat: number) => string | number)[] = [];
  const headings: string[] = [];
  const numeric: boolean[] = [];
  dims.forEach((dim, axis) => {
    const guide = guides[axis];
    headings.push(dim);
    numeric.push(true);
    columns.push((at) => indexAt(guide, at[axis]));
    if (guide?.ticks?.length) {
      headings.push(`${dim} name`);
      numeric.push(false);
      columns.push((at) => nameAt(guide, at[axis]));
    }
  });
  for (const { name, numbers, words } of values) {
    headings.push(name);
    numeric.push(!!numbers);
    columns.push(numbers ? (_, flat) => numbers[flat] : (_, flat) => words?.[flat] ?? "");
  }
  const single = values.map(({ numbers }) => numbers instanceof Float32Array);
  const offset = columns.length - values.length;
  const unravel = (flat: number) => {
    const at = new Array<number>(shape.length);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at[axis] = flat % shape[axis];
      flat = Math.floor(flat / shape[axis]);
    }
    return at;
  };
  return {
    headings,
    numeric,
    rows: shape.reduce((a, b) => a * b, 1),
    cell(row, column) {
      const value = columns[column](unravel(row), row);
      return typeof value === "number" ? exact(value, single[column - offset]) : value;
    },
    key: (row, column) => columns[column](unravel(row), row),
    place: place && ((row) => place(unravel(row))),
  };
}

function field(text: string, numeric: boolean | undefined): string {
  // Spreadsheets run words that look like formulas; see crates/figure/src/render/csv.rs.
  const acts = !numeric && /^\s*[=+\-@]/.test(text) && /[(|!]/.test(text);
  const guarded = acts ? `'${text}` : text;
  return acts || /[,"\r\n]|^ | $/.test(text) ? `"${guarded.replace(/"/g, '""')}"` : guarded;
}

export function csv(sheet: Sheet): string {
  const lines = [sheet.headings.map((heading) => field(heading, false)).join(",")];
  for (let row = 0; row < sheet.rows; row++) {
    lines.push(sheet.headings.map((_, column) => field(sheet.cell(row, column), sheet.numeric?.[column])).join(","));
  }
  return lines.join("\r\n") + "\r\n";
}
