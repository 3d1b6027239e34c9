// What a comparison shares: one scale for both sides.
import { ends } from "./colour";
import { extent, numbers, toNumber } from "./numbers";
import type { ColourScale, Figure } from "./types";

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

/** The second minus the first where their axes are equal: for heatmaps, tokens, bars and curves. */
export function difference(a: Figure, b: Figure): Figure | null {
  const minus = (p: ArrayLike<number>, q: ArrayLike<number>) => Float64Array.from(q, (x, i) => x - p[i]);
  const same = (p: { dims: string[]; shape: number[] }, q: { dims: string[]; shape: number[] }) =>
    p.dims.join() === q.dims.join() && p.shape.join() === q.shape.join();
  const label = (text: string | undefined) => (text ? `change of ${text}` : "change");
  const title = a.title && `${a.title}: change`;
  if ((a.kind === "heatmap" && b.kind === "heatmap") || (a.kind === "tokens" && b.kind === "tokens")) {
    if (!same(a.values, b.values) || numbers(a.values).length === 0) return null;
    // The largest of a block in each say nothing about how its cells differ.
    if (a.values.whole || b.values.whole) return null;
    const values = { ...b.values, ref: undefined, data: minus(numbers(a.values), numbers(b.values)) };
    const colour: ColourScale = { map: "diverging", label: label(b.colour.label) };
    const from = (p: string, q: string) => (p === q ? p : `${p} → ${q}`);
    if (a.kind === "tokens" && b.kind === "tokens") {
      if (!same(a.tokens, b.tokens)) return null;
      const words = Array.from(a.tokens.data ?? [], (word, i) => from(word, b.tokens.data?.[i] ?? ""));
      return { ...a, title, values, colour, details: [], tokens: { ...a.tokens, data: words } };
    }
    return { ...(a as typeof a & { kind: "heatmap" }), title, values, colour, details: undefined, labels: undefined } as Figure;
  }
  if (a.kind === "bars" && b.kind === "bars" && same(a.values, b.values)) {
    return { ...a, title, domain: undefined, label: label(b.label), values: { ...a.values, ref: undefined, data: minus(numbers(a.values), numbers(b.values)) } };
  }
  if (a.kind === "lines" && b.kind === "lines" && same(a.y, b.y)) {
    return { ...a, title, band: undefined, y_domain: undefined, y_scale: "linear", y_label: label(b.y_label), y: { ...a.y, ref: undefined, data: minus(numbers(a.y), numbers(b.y)) } };
  }
  if (a.kind === "group" && b.kind === "group" && a.figures.length === b.figures.length) {
    const figures = a.figures.map((f, i) => difference(f, b.figures[i])).filter((f) => f !== null);
    return figures.length ? { ...a, title, figures } : null;
  }
  return null;
}
