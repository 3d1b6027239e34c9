// A text, token by token, each coloured by a value. Chunks that are out of sight are not laid out.
import type { Change } from "./bus";
import { LEGEND, colourBar } from "./axes";
import { at as colourAt, ends, hex, ink } from "./colour";
import { axisKey, fixedPlace, linked, selectionOf, type Place } from "./link";
import { exact, grouped, numbers, short, visible, visibleToken } from "./numbers";
import { make, pinMode, type Context, type Part } from "./part";
import { CanvasPen, measure, type Pen, type Picture, type Theme } from "./pen";
import { longSheet } from "./sheet";
import { hideTip, noteText, showTip } from "./tip";
import type { Tokens } from "./types";

const CHUNK = 500;

export function tokensPart(el: HTMLElement, f: Tokens, cx: Context, first: Theme): Part {
  let theme = first;
  const words = Array.from(f.tokens.data ?? []);
  const values = numbers(f.values);
  const limits = ends(f.colour, values);
  const axis = f.tokens.dims[0];
  const key = linked(axis) ? axisKey(axis, undefined, (dim) => cx.space(dim)) : null;
  const always = fixedPlace(f.at, (dim) => cx.space(dim));
  const place = (i: number): Place => (key ? { ...always, [key]: i } : { ...always });
  const coloured = values.length > 0;

  const body = make("div", "fig-tokens");
  body.tabIndex = 0;
  body.setAttribute("role", "group");
  const spans: HTMLSpanElement[] = new Array(words.length);
  const dressed = new Set<HTMLElement>();
  for (let start = 0; start < words.length; start += CHUNK) {
    const chunk = make("div", "fig-chunk");
    const end = Math.min(start + CHUNK, words.length);
    for (let i = start; i < end; i++) {
      const span = make("span", "fig-token", visibleToken(words[i]));
      span.dataset.i = String(i);
      spans[i] = span;
      chunk.append(span);
      if (words[i].includes("\n")) chunk.append(make("span", "fig-break"));
    }
    body.append(chunk);
  }
  if (!words.length) body.append(make("span", "fig-empty", "no tokens"));
  const legend = make("canvas", "fig-scale");
  el.append(body);
  if (coloured) el.append(legend);

  function paint() {
    for (let i = 0; i < spans.length; i++) {
      if (i >= values.length || Number.isNaN(values[i])) {
        spans[i].classList.toggle("nan", coloured);
        continue;
      }
      const ground = colourAt(f.colour.map, values[i], limits, theme.dark);
      spans[i].style.background = hex(ground);
      spans[i].style.color = hex(ink(ground));
    }
  }
  paint();

  const note = (i: number) => {
    const lines = [`${axis} ${i}`, ...(f.details?.[i] ? f.details[i].split("\n").map(visible) : [])];
    if (i < values.length) lines.unshift(`${f.colour.label ? f.colour.label + " " : ""}${exact(values[i], values instanceof Float32Array)}`);
    return { head: visibleToken(words[i]), lines };
  };
  const indexOf = (target: EventTarget | null) => {
    const i = target instanceof HTMLElement ? target.dataset.i : undefined;
    return i === undefined ? -1 : Number(i);
  };
  let pointed = -1;
  let focus = -1;
  function onMove(e: PointerEvent) {
    const i = indexOf(e.target);
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
    if (!words.length) return;
    spans[focus]?.classList.remove("focus");
    focus = Math.max(0, Math.min(words.length - 1, i));
    spans[focus].classList.add("focus");
    spans[focus].scrollIntoView({ block: "nearest" });
    cx.announce(noteText(note(focus)));
    cx.bus.setHover(selectionOf(place(focus)), cx.id);
  }
  /** The token above or below: the nearest one on the next line. */
  function lineFrom(i: number, down: boolean): number {
    const from = spans[i].getBoundingClientRect();
    let [best, far] = [i, Infinity];
    for (let k = i; k >= 0 && k < spans.length && Math.abs(k - i) < 400; k += down ? 1 : -1) {
      const r = spans[k].getBoundingClientRect();
      if (Math.abs(r.top - from.top) < 4) continue;
      if (Math.abs(r.top - from.top) > from.height * 2.2) break;
      const d = Math.abs(r.left + r.width / 2 - from.left - from.width / 2);
      if (d < far) [best, far] = [k, d];
    }
    return best;
  }
  body.addEventListener("pointermove", onMove);
  body.addEventListener("pointerleave", onLeave);
  body.addEventListener("click", (e) => {
    const i = indexOf(e.target);
    if (i < 0) return;
    cx.bus.togglePin(selectionOf(place(i)), cx.id, pinMode(e));
  });
  body.addEventListener("keydown", (e) => {
    if (e.altKey) return;
    const at = Math.max(0, focus);
    const to: Record<string, () => number> = {
      ArrowLeft: () => at - 1,
      ArrowRight: () => (focus < 0 ? 0 : at + 1),
      ArrowUp: () => lineFrom(at, false),
      ArrowDown: () => (focus < 0 ? 0 : lineFrom(at, true)),
      Home: () => 0,
      End: () => words.length - 1,
    };
    if (to[e.key]) {
      moveTo(to[e.key]());
      if (e.shiftKey && focus >= 0) cx.bus.togglePin(selectionOf(place(focus)), cx.id, "extend");
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

  let veiled = false;
  function dress() {
    for (const span of dressed) span.classList.remove("hover", "pin", "compare");
    dressed.clear();
    if (key) {
      for (const [name, sel] of [["hover", cx.bus.hover], ["pin", cx.bus.pin], ["compare", cx.bus.compare[0]], ["compare", cx.bus.compare[1]]] as const) {
        if (!sel) continue;
        for (const i of sel[key] ?? []) {
          if (!spans[i] || !(name === "compare" || cx.bus.matches(place(i), name))) continue;
          spans[i].classList.add(name);
          dressed.add(spans[i]);
        }
      }
    }
    const filters = [...cx.bus.filters.keys()].some((source) => source !== cx.id);
    if (filters || veiled) {
      for (let i = 0; i < spans.length; i++) spans[i].classList.toggle("out", filters && !cx.bus.passes(place(i), cx.id));
      veiled = filters;
    }
  }
  dress();

  const summary = () => {
    const range = coloured ? `, coloured by ${f.colour.label || "value"} from ${short(limits[0])} to ${short(limits[1])}` : "";
    return `Text of ${grouped(words.length)} tokens${range}`;
  };
  body.setAttribute("aria-label", summary());

  function paintLegend() {
    if (!coloured) return;
    const density = devicePixelRatio || 1;
    const [w, h] = [LEGEND + 10, 118];
    legend.width = w * density;
    legend.height = h * density;
    legend.style.width = `${w}px`;
    legend.style.height = `${h}px`;
    legend.setAttribute("role", "img");
    legend.setAttribute("aria-label", `Colour scale from ${short(limits[0])} to ${short(limits[1])}`);
    const c = legend.getContext("2d")!;
    c.setTransform(density, 0, 0, density, 0, 0);
    c.clearRect(0, 0, w, h);
    let missing = 0;
    for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i])) missing++;
    colourBar(new CanvasPen(c, theme, density), f.colour, limits, 4, 4, missing ? 84 : 106, missing);
  }
  paintLegend();

  function picture(width: number): Picture {
    const style = { size: 13 };
    const room = width - (coloured ? LEGEND + 16 : 0);
    const marks: { x: number; y: number; w: number; i: number; text: string }[] = [];
    let [x, y] = [0, 0];
    const most = 5000;
    for (let i = 0; i < Math.min(words.length, most); i++) {
      const text = visibleToken(words[i]);
      const w = measure(text, style) + 6;
      if (x > 0 && x + w > room) [x, y] = [0, y + 24];
      marks.push({ x, y, w, i, text });
      x += w + 2;
      if (words[i].includes("\n")) [x, y] = [0, y + 24];
    }
    const more = words.length > most ? 22 : 0;
    return {
      width,
      height: Math.max(y + 26 + more, coloured ? 130 : 0),
      draw(pen: Pen) {
        for (const mark of marks) {
          const value = mark.i < values.length ? values[mark.i] : NaN;
          const ground = Number.isNaN(value) ? null : colourAt(f.colour.map, value, limits, pen.theme.dark);
          if (ground) pen.rect(mark.x, mark.y, mark.w, 21, hex(ground), undefined, 1, 3);
          pen.text(mark.x + 3, mark.y + 15, mark.text, { ...style, fill: ground ? hex(ink(ground)) : pen.theme.ink });
        }
        if (more) pen.text(0, y + 40, `and ${grouped(words.length - most)} more`, { fill: pen.theme.muted, size: 11 });
        if (coloured) colourBar(pen, f.colour, limits, room + 16, 2, 110);
      },
    };
  }

  return {
    summary,
    sheet: () =>
      longSheet(f.tokens.dims, f.tokens.shape, [], [
        { name: "token", words },
        ...(coloured ? [{ name: f.colour.label || "value", numbers: values }] : []),
        ...(f.details?.length ? [{ name: "detail", words: f.details }] : []),
      ], ([i]) => place(i)),
    picture,
    changed: (_: Change[]) => dress(),
    restyle(next) {
      theme = next;
      paint();
      paintLegend();
    },
    destroy() {
      onLeave();
      body.remove();
      legend.remove();
    },
  };
}
