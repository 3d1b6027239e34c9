// What a comparison shares: one scale for both sides.
import { ends } from "./colour";
import { extent, numbers, toNumber } from "./numbers";
import type { Bars, ColourScale, Column, Figure, Guide, Heatmap, Lines, Table, Tokens } from "./types";

function shareColours(a: ColourScale, b: ColourScale, values: ArrayLike<number>[]): [ColourScale, ColourScale] {
  if (a.map !== b.map || a.domain || b.domain) return [a, b];
  const both = values.map((v) => extent(v));
  const domain = ends(a, both.flat());
  return [
    { ...a, domain },
    { ...b, domain },
  ];
}

/** Both figures with the scales they leave open set to hold the values of both, so that equal values look equal. */
export function onOneScale(a: Figure, b: Figure): [Figure, Figure] {
  if ((a.kind === "heatmap" && b.kind === "heatmap") || (a.kind === "tokens" && b.kind === "tokens")) {
    const [p, q] = shareColours(a.colour, b.colour, [numbers(a.values), numbers(b.values)]);
    return [{ ...a, colour: p } as Figure, { ...b, colour: q } as Figure];
  }
  if (a.kind === "images" && b.kind === "images") {
    const [p, q] = shareColours(a.colour, b.colour, [numbers(a.pixels), numbers(b.pixels)]);
    return [{ ...a, colour: p }, { ...b, colour: q }];
  }
  if (a.kind === "bars" && b.kind === "bars" && !a.domain && !b.domain) {
    const all = [...extent(numbers(a.values)), ...extent(numbers(b.values)), 0].filter(Number.isFinite);
    const domain: [number, number] = [Math.min(...all), Math.max(...all)];
    return [{ ...a, domain }, { ...b, domain }];
  }
  if (a.kind === "lines" && b.kind === "lines" && !a.y_domain && !b.y_domain) {
    const bands = [a, b].flatMap((f) => (f.band ?? []).map(numbers));
    const log = a.y_scale === "log";
    const all = [numbers(a.y), numbers(b.y), ...bands].flatMap((v) => extent(log ? v.filter((x: number) => x > 0) : v)).filter(Number.isFinite);
    if (!all.length) return [a, b];
    const y_domain: [number, number] = [Math.min(...all.map(toNumber)), Math.max(...all)];
    return [{ ...a, y_domain }, { ...b, y_domain }];
  }
  if (a.kind === "group" && b.kind === "group") {
    const pairs = a.figures.map((f, i) => (b.figures[i] ? onOneScale(f, b.figures[i]) : ([f, undefined] as const)));
    return [
      { ...a, figures: pairs.map(([f]) => f) },
      { ...b, figures: b.figures.map((f, i) => pairs[i]?.[1] ?? f) },
    ];
  }
  return [a, b];
}

type Shaped = { dims: string[]; shape: number[] };
const same = (p: Shaped, q: Shaped) => p.dims.join() === q.dims.join() && p.shape.join() === q.shape.join();
const equal = (p: unknown, q: unknown) => JSON.stringify(p ?? {}) === JSON.stringify(q ?? {});
const minus = (p: ArrayLike<number>, q: ArrayLike<number>) => Float64Array.from(q, (x, i) => x - p[i]);
const change = (text: string | undefined) => (text ? `change of ${text}` : "change");
const fromTo = (p: string, q: string) => (p === q ? p : `${p} → ${q}`);
const changes = (scale: ColourScale | undefined): ColourScale => ({ map: "diverging", label: change(scale?.label) });

/** The words along an axis that both figures have; nothing where they mean other places. Only names of positions may differ. */
function along(dim: string | undefined, a: Guide, b: Guide): Guide | null {
  if (dim?.split("/")[0] !== "pos") return equal(a, b) ? a : null;
  const alike = (a.label ?? "") === (b.label ?? "") && equal(a.indices ?? [], b.indices ?? []) && (a.ticks?.length ?? 0) === (b.ticks?.length ?? 0);
  if (!alike) return null;
  return a.ticks ? { ...a, ticks: a.ticks.map((tick, i) => fromTo(tick, b.ticks?.[i] ?? "")) } : a;
}

function heatmaps(a: Heatmap, b: Heatmap): Figure | null {
  // The largest of a block in each say nothing about how its cells differ.
  if (!same(a.values, b.values) || numbers(a.values).length === 0 || a.values.whole || b.values.whole) return null;
  const x = along(a.values.dims.at(-1), a.x, b.x);
  const y = along(a.values.dims.at(-2), a.y, b.y);
  if (!x || !y || !equal(a.panels, b.panels)) return null;
  const values = { ...b.values, ref: undefined, data: minus(numbers(a.values), numbers(b.values)) };
  const { details: _, labels: __, ...rest } = a;
  return { ...rest, values, x, y, colour: changes(b.colour) };
}

function tokens(a: Tokens, b: Tokens): Figure | null {
  if (!same(a.values, b.values) || !same(a.tokens, b.tokens) || numbers(a.values).length === 0 || !equal(a.series, b.series)) return null;
  const values = { ...b.values, ref: undefined, data: minus(numbers(a.values), numbers(b.values)) };
  const words = Array.from(a.tokens.data ?? [], (word, i) => fromTo(word, b.tokens.data?.[i] ?? ""));
  return { ...a, values, colour: changes(b.colour), details: [], tokens: { ...a.tokens, data: words } };
}

function bars(a: Bars, b: Bars): Figure | null {
  const names = same(a.values, b.values) ? along(a.values.dims.at(-1), a.bars, b.bars) : null;
  if (!names || !equal(a.series, b.series)) return null;
  const { domain: _, ...rest } = a;
  return { ...rest, bars: names, label: change(b.label), values: { ...a.values, ref: undefined, data: minus(numbers(a.values), numbers(b.values)) } };
}

function lines(a: Lines, b: Lines): Figure | null {
  const x_axis = same(a.y, b.y) ? along(a.y.dims.at(-1), a.x_axis, b.x_axis) : null;
  const alike = !a.x || !b.x ? !a.x && !b.x : equal([...numbers(a.x)], [...numbers(b.x)]);
  if (!x_axis || !alike || !equal(a.series, b.series)) return null;
  const { band: _, y_domain: __, ...rest } = a;
  return { ...rest, x_axis, y_scale: "linear", y_label: change(b.y_label), y: { ...a.y, ref: undefined, data: minus(numbers(a.y), numbers(b.y)) } };
}

/** Words must be equal, except where rows are positions; numbers are subtracted, except those that only number the rows. */
function tables(a: Table, b: Table): Figure | null {
  if (a.rows !== b.rows || a.columns.length !== b.columns.length) return null;
  const counts = (values: ArrayLike<number>) => Array.from(values).every((x, i) => x === i);
  const columns: Column[] = [];
  for (const [i, p] of a.columns.entries()) {
    const q = b.columns[i];
    if (p.name !== q.name) return null;
    const colour = q.colour ? { colour: changes(q.colour) } : {};
    if (p.words && q.words && same(p.words, q.words)) {
      const words = Array.from(p.words.data ?? [], (word, row) => fromTo(word, q.words?.data?.[row] ?? ""));
      if (a.rows !== "pos" && !equal(p.words.data, q.words.data)) return null;
      columns.push({ ...q, words: { ...q.words, data: words } });
    } else if (p.numbers && q.numbers && same(p.numbers, q.numbers)) {
      const [from, to] = [numbers(p.numbers), numbers(q.numbers)];
      columns.push(counts(from) && counts(to) ? q : { ...q, ...colour, numbers: { ...q.numbers, ref: undefined, data: minus(from, to) } });
    } else return null;
  }
  return { ...a, columns };
}

function inner(a: Figure, b: Figure): Figure | null {
  if (a.kind === "heatmap" && b.kind === "heatmap") return heatmaps(a, b);
  if (a.kind === "tokens" && b.kind === "tokens") return tokens(a, b);
  if (a.kind === "bars" && b.kind === "bars") return bars(a, b);
  if (a.kind === "lines" && b.kind === "lines") return lines(a, b);
  if (a.kind === "table" && b.kind === "table") return tables(a, b);
  if (a.kind === "group" && b.kind === "group" && a.figures.length === b.figures.length) {
    const figures = a.figures.map((f, i) => difference(f, b.figures[i])).filter((f) => f !== null);
    return figures.length ? { ...a, figures } : null;
  }
  return null;
}

/**
 * The second minus the first, by the rules of the program's own (crates/figure/src/difference.rs): only where axes, names of
 * places and titles say that both are of the same thing. What the first says of itself does not hold for it.
 */
export function difference(a: Figure, b: Figure): Figure | null {
  const found = (a.title ?? "") === (b.title ?? "") ? inner(a, b) : null;
  if (!found) return null;
  const { caption: _, provenance: __, ...rest } = found;
  return { ...rest, ...(a.title ? { title: `${a.title}: change` } : {}) } as Figure;
}
