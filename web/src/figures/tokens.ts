// A text, token by token, each coloured by a value, or by the one of several values that is chosen.
import type { Change } from "./bus";
import { hex, ink } from "./colour";
import { legend } from "./legend";
import { axisKey, fixedPlace, indexAt, linked, nameAt, placesIn, selectionOf, type Place } from "./link";
import { isIn, looks } from "./looks";
import { exact, grouped, numbers, short, visible, visibleToken, type Numbers } from "./numbers";
import { make, pinMode, type Drawn, type Part } from "./part";
import type { Theme } from "./pen";
import { picker } from "./picker";
import { mannerOf, shade, type Shading } from "./shading";
import { longSheet } from "./sheet";
import { passing } from "./sieve";
import { BARE, Wardrobe, keyLeads, strip, type Dress } from "./strip";
import { hideTip, noteText, showTip } from "./tip";
import { tokenPicture } from "./tokendraw";
import { FIRST, SCALE_OF_SERIES, SIGN, SPREAD, type Control } from "./tools";
import type { Tokens } from "./types";

/** Of more series than this, the note names only the first. */
const MOST_NOTED = 12;

export function tokensPart(el: HTMLElement, f: Tokens, cx: Drawn, first: Theme): Part {
  let theme = first;
  const words = Array.from(f.tokens.data ?? []);
  const n = words.length;
  const values = numbers(f.values);
  const single = values instanceof Float32Array;
  const many = f.values.shape.length === 2;
  const series = many ? f.values.shape[0] : 1;
  const per = many ? f.values.shape[1] : values.length;
  const coloured = values.length > 0;
  const axis = f.tokens.dims[0];
  const space = (dim: string) => cx.space(dim);
  const key = linked(axis) ? axisKey(axis, undefined, space) : null;
  const seriesAxis = many ? f.values.dims[0] : undefined;
  const seriesKey = linked(seriesAxis) ? axisKey(seriesAxis, f.series, space) : null;
  const always = fixedPlace(f.at, space);
  const place = (i: number): Place => (key ? { ...always, [key]: i } : { ...always });
  const seriesName = (s: number) => visible(nameAt(f.series, s));
  const seriesLabel = f.series?.label || seriesAxis || "series";
  const valueLabel = f.colour.label || "value";
  // Often the first token has nothing before it, and so no value that could be left out.
  const hasFirst = axis === "pos" && per > 1 && Array.from({ length: series }, (_, s) => values[s * per]).some((value) => !Number.isNaN(value));

  const text = strip(words, "");
  const { element: body, spans } = text;
  const wardrobe = new Wardrobe(spans);
  const dressed = new Set<HTMLElement>();
  const scale = legend();
  const holder = make("div", "fig-text-and-scale");
  holder.append(body);
  if (coloured) holder.append(scale.element);

  let now = 0;
  let leavesFirst = false;
  let shading: Shading;
  function shadeValues() {
    leavesFirst = hasFirst && cx.options.one("first", ["shown", "out"]) === "out";
    now = cx.options.places("series", series)[0] ?? 0;
    const own = series > 1 && cx.options.one("scale", ["shared", "own"]) === "own";
    const shown = (source: Numbers, count: number, length: number) => {
      if (!leavesFirst) return source;
      return Float64Array.from({ length: count * (length - 1) }, (_, i) => source[Math.floor(i / (length - 1)) * length + 1 + (i % (length - 1))]);
    };
    const mine = own ? shown(values.subarray(now * per, (now + 1) * per), 1, per) : shown(values, series, per);
    const { beside } = cx;
    const other = !own && beside?.kind === "tokens" && beside.colour.map === f.colour.map && beside.values.shape.join() === f.values.shape.join() ? shown(numbers(beside.values), series, per) : null;
    shading = shade(f.colour, mine, mannerOf(cx.options, f.colour.map), own || leavesFirst, other);
  }
  const dressOf = (i: number, dark: boolean): Dress => {
    if (!coloured) return BARE;
    if (leavesFirst && i === 0) return { ...BARE, kind: "left" };
    const value = i < per ? values[now * per + i] : NaN;
    if (Number.isNaN(value)) return { ...BARE, kind: "nan" };
    const ground = shading.colour(value, dark);
    return ground ? { ground: hex(ground), ink: hex(ink(ground)), kind: "" } : { ...BARE, kind: "left" };
  };
  function paint() {
    for (let i = 0; i < n; i++) wardrobe.put(i, dressOf(i, theme.dark));
    if (coloured) scale.paint(shading, f.colour.label, theme);
    body.setAttribute("aria-label", summary());
    chooser?.show(now);
  }

  const note = (i: number) => {
    const lines: string[] = [];
    if (i < per) {
      const value = values[now * per + i];
      const which = series > 1 ? `${seriesLabel} ${seriesName(now)}: ` : "";
      lines.push(`${which}${f.colour.label ? `${f.colour.label} ` : ""}${exact(value, single)}`);
      if (leavesFirst && i === 0) lines.push("left out of the colours: the first token");
      else if (shading.leavesOut(value)) lines.push("left out of the colours: its sign");
      else if (value < shading.limits[0] || value > shading.limits[1]) lines.push("outside the limits of the colours");
    }
    lines.push(`${axis} ${i}`);
    const detail = f.details?.[i];
    if (detail) lines.push(...detail.split("\n").map(visible));
    if (series > 1 && i < per) {
      for (let s = 0; s < Math.min(series, MOST_NOTED); s++) lines.push(`${s === now ? "▸ " : "  "}${seriesName(s)}  ${short(values[s * per + i])}`);
      if (series > MOST_NOTED) lines.push(`  and ${grouped(series - MOST_NOTED)} more`);
    }
    return { head: visibleToken(words[i]), lines };
  };
  const chooser =
    series > 1
      ? picker({
          label: seriesLabel,
          names: Array.from({ length: series }, (_, s) => seriesName(s)),
          choose(s) {
            cx.options.set("series", [s]);
            cx.announce(`${seriesLabel} ${seriesName(s)}`);
          },
          hover: (s) => seriesKey && cx.bus.setHover(s < 0 ? null : selectionOf({ ...always, [seriesKey]: indexAt(f.series, s) }), cx.id),
        })
      : null;
  if (chooser) el.append(chooser.element);
  el.append(holder);

  let pointed = -1;
  let focus = -1;
  function onMove(e: PointerEvent) {
    const i = text.indexOf(e.target);
    if (i >= 0) showTip(cx, note(i), e.clientX, e.clientY);
    else hideTip(cx);
    if (i === pointed) return;
    pointed = i;
    cx.bus.setHover(i < 0 ? null : selectionOf(place(i)), cx.id);
  }
  function onLeave() {
    hideTip(cx);
    if (pointed >= 0) cx.bus.setHover(null, cx.id);
    pointed = -1;
  }
  function moveTo(i: number) {
    spans[focus]?.classList.remove("focus");
    focus = i;
    spans[focus].classList.add("focus");
    spans[focus].scrollIntoView({ block: "nearest" });
    cx.announce(noteText(note(focus)));
    cx.bus.setHover(selectionOf(place(focus)), cx.id);
  }
  body.addEventListener("pointermove", onMove);
  body.addEventListener("pointerleave", onLeave);
  body.addEventListener("click", (e) => {
    const i = text.indexOf(e.target);
    if (i >= 0) cx.bus.togglePin(selectionOf(place(i)), cx.id, pinMode(e));
  });
  body.addEventListener("keydown", (e) => {
    if (e.altKey) return;
    const next = keyLeads(text, e.key, focus);
    if (next !== null) {
      moveTo(next);
      if (e.shiftKey) cx.bus.togglePin(selectionOf(place(focus)), cx.id, "extend");
    } else if ((e.key === "Enter" || e.key === " ") && focus >= 0) cx.bus.togglePin(selectionOf(place(focus)), cx.id, pinMode(e));
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  body.addEventListener("blur", () => {
    spans[focus]?.classList.remove("focus");
    focus = -1;
    hideTip(cx);
  });

  let passed: Uint8Array | null = null;
  function dress() {
    for (const span of dressed) span.classList.remove("hover", "pin", "compare-a", "compare-b");
    dressed.clear();
    if (!key) return;
    for (const look of looks(cx.bus, theme)) {
      const name = look.letter ? `compare-${look.letter.toLowerCase()}` : look.channel;
      for (const i of look.sel[key] ?? []) {
        if (!spans[i] || !isIn(place(i), look)) continue;
        spans[i].classList.add(name);
        dressed.add(spans[i]);
      }
    }
  }
  function veil() {
    const next = passing(cx.bus.filters, cx.id, always, key ? { key, size: n } : null, n);
    for (let i = 0; i < n && (next || passed); i++) {
      const out = next ? !next[i] : false;
      if (out !== (passed ? !passed[i] : false)) spans[i].classList.toggle("out", out);
    }
    passed = next;
  }
  /** A pin along the dim of the series shows the one that is pinned. */
  function followPin() {
    if (!seriesKey) return;
    const pinned = placesIn(cx.bus.pin, seriesKey, series, f.series)?.at(-1);
    if (pinned !== undefined && pinned !== cx.options.places("series", series)[0]) cx.options.set("series", [pinned]);
  }
  function summary() {
    const [low, high] = shading.limits;
    const of = series > 1 ? `${seriesLabel} ${seriesName(now)} of ${series}, ` : "";
    const range = coloured ? `, coloured by ${of}${valueLabel} from ${short(low)} to ${short(high)}` : "";
    return `Text of ${grouped(n)} tokens${range}`;
  }
  followPin();
  shadeValues();
  paint();
  dress();
  veil();

  const controls = (): Control[] => {
    if (values.length < 2) return [];
    return [...(series > 1 ? [SCALE_OF_SERIES] : []), SPREAD, ...(f.colour.map === "diverging" ? [SIGN] : []), ...(hasFirst ? [FIRST] : [])];
  };
  return {
    summary,
    controls,
    adjust() {
      shadeValues();
      paint();
    },
    sheet: () => {
      const name = f.colour.label || "value";
      if (!many) {
        return longSheet(f.tokens.dims, f.tokens.shape, [], [{ name: "token", words }, ...(coloured ? [{ name, numbers: values }] : []), ...(f.details?.length ? [{ name: "detail", words: f.details }] : [])], ([i]) => place(i));
      }
      return longSheet(f.values.dims, f.values.shape, [f.series], [{ name: "token", words: Array.from({ length: values.length }, (_, i) => words[i % per] ?? "") }, { name, numbers: values }], ([s, i]) => ({
        ...place(i),
        ...(seriesKey ? { [seriesKey]: indexAt(f.series, s) } : {}),
      }));
    },
    picture: (width) =>
      tokenPicture(
        { words, dress: dressOf, heading: series > 1 ? `${seriesLabel} ${seriesName(now)}` : undefined, legend: coloured ? { shading, label: f.colour.label } : undefined },
        width,
      ),
    changed(changes: Change[]) {
      const on = (channel: string) => changes.some((change) => change.channel === channel);
      if (on("filter")) veil();
      if (on("pin")) followPin();
      if (on("hover") || on("pin") || on("compare")) dress();
    },
    restyle(next) {
      theme = next;
      paint();
    },
    destroy() {
      onLeave();
      holder.remove();
      chooser?.element.remove();
    },
  };
}
