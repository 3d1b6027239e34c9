// Attention as text: the tokens, coloured by how much one of them looks at each, or is looked at by each. Hovering
// previews, a click locks.
import { match, type Change } from "./bus";
import { category, hex, ink } from "./colour";
import { heads } from "./heads";
import type { HeatmapPlot } from "./heatmap";
import { legend } from "./legend";
import { axisKey, fixedPlace, indexAt, nameAt, placesIn, selectionOf, type Place } from "./link";
import { isIn, looks } from "./looks";
import { short, visibleToken } from "./numbers";
import { make, pinMode, type Drawn, type Part } from "./part";
import type { Theme } from "./pen";
import { MOST_HUES, mix } from "./mix";
import { passing } from "./sieve";
import { BARE, Wardrobe, keyLeads, strip, type Dress } from "./strip";
import { hideTip, noteText, showTip, type Note } from "./tip";
import { tokenPicture } from "./tokendraw";
import { DIRECTION, type Control } from "./tools";
import type { Heatmap } from "./types";

/** How many of the strongest tokens a note names. */
const MOST_NAMED = 4;

export function attentionPart(el: HTMLElement, f: Heatmap, cx: Drawn, first: Theme, plot: HeatmapPlot): Part {
  let theme = first;
  const { cells } = plot;
  const n = cells.columns;
  const guide = f.x.ticks?.length ? f.x : f.y;
  const words = Array.from({ length: n }, (_, i) => nameAt(guide, i));
  const space = (dim: string) => cx.space(dim);
  const keys = { from: axisKey("pos/dst", f.y, space), to: axisKey("pos/src", f.x, space) };
  const always = fixedPlace(f.at, space);
  const direction = () => cx.options.one("direction", ["from", "to"] as const);
  const sideGuide = () => (direction() === "from" ? f.y : f.x);
  const place = (i: number): Place => ({ ...always, [keys[direction()]]: indexAt(sideGuide(), i) });

  const text = strip(words, "");
  const { element: body, spans } = text;
  const wardrobe = new Wardrobe(spans);
  const scale = legend();
  const says = make("div", "fig-says");
  const names = make("div", "fig-hues");
  const side = make("div", "fig-text-and-scale");
  side.append(body, scale.element);
  const holder = make("div", "fig-attention");
  holder.append(side, says, names);
  el.append(holder);

  let preview = -1;
  let shown: number[] = [0];
  let focus = n - 1;
  let keyed = -1;
  const row =
    cells.panels > 1
      ? heads({
          cells,
          name: (panel) => plot.panelName(panel),
          pick(panel, mode) {
            const picked = cx.options.places("heads", cells.panels);
            const has = picked.includes(panel);
            const next = mode === "replace" ? (has && picked.length === 1 ? [] : [panel]) : has ? picked.filter((p) => p !== panel) : [...picked, panel].slice(-MOST_HUES);
            preview = -1;
            cx.options.set("heads", next);
            cx.announce(next.length ? `Locked: ${next.map((p) => plot.panelName(p)).join(", ")}` : "No head is locked");
          },
          hover(panel) {
            preview = panel;
            if (panel >= 0) cx.announce(plot.panelName(panel));
            cx.bus.setHover(panel < 0 ? null : selectionOf(plot.panelPlace(panel)), cx.id);
            paint();
          },
        })
      : null;
  if (row) holder.append(row.element);

  /** What is previewed, else what is locked, else what is pinned, else the first. */
  function headsNow(): number[] {
    if (preview >= 0) return [preview];
    const picked = cx.options.places("heads", cells.panels).slice(0, MOST_HUES);
    if (picked.length) return picked;
    if (cells.panels > 1) {
      const pinned: number[] = [];
      for (let panel = 0; panel < cells.panels && pinned.length < MOST_HUES; panel++) if (match(plot.panelPlace(panel), cx.bus.pin)) pinned.push(panel);
      if (pinned.length) return pinned;
    }
    return [0];
  }
  /** The token that is hovered here or elsewhere, else the one pinned last, else the one before. */
  function focusNow(): number {
    const key = keys[direction()];
    return placesIn(cx.bus.hover, key, n, sideGuide())?.at(0) ?? placesIn(cx.bus.pin, key, n, sideGuide())?.at(-1) ?? focus;
  }
  const cellOf = (i: number): [row: number, column: number] => (direction() === "from" ? [focus, i] : [i, focus]);
  const valueOf = (panel: number, i: number): number => {
    const [r, c] = cellOf(i);
    return cells.value(panel, r, c) ?? cells.block(panel, r, c);
  };
  const seen = (i: number) => cells.exists(...cellOf(i)) && !cells.isFirst(...cellOf(i));
  function dressOf(i: number, dark: boolean): Dress {
    if (!cells.exists(...cellOf(i))) return { ...BARE, kind: "masked" };
    if (cells.isFirst(...cellOf(i))) return { ...BARE, kind: "left" };
    const values = shown.map((panel) => valueOf(panel, i));
    if (values.every(Number.isNaN)) return { ...BARE, kind: "nan" };
    const ground = shown.length > 1 ? mix(values.map((value, k) => cells.shading(shown[k]).strength(value)), dark) : cells.shading(shown[0]).colour(values[0], dark);
    return ground ? { ground: hex(ground), ink: hex(ink(ground)), kind: "" } : { ...BARE, kind: "left" };
  }
  const token = (i: number) => `${visibleToken(words[i])} (${indexAt(sideGuide(), i)})`;
  function strongest(panel: number): string {
    // A short list in order, for there may be thousands of tokens.
    const most: { i: number; value: number }[] = [];
    for (let i = 0; i < n; i++) {
      const value = seen(i) ? valueOf(panel, i) : NaN;
      if (Number.isNaN(value)) continue;
      const place = most.findIndex((other) => Math.abs(other.value) < Math.abs(value));
      if (place < 0 && most.length >= MOST_NAMED) continue;
      most.splice(place < 0 ? most.length : place, 0, { i, value });
      most.length = Math.min(most.length, MOST_NAMED);
    }
    const coarse = cells.isCoarse(panel) ? ", pooled" : "";
    return most.map(({ i, value }) => `${visibleToken(words[i])} ${short(value)}`).join("  ") + coarse;
  }
  const sentence = () => (direction() === "from" ? `How much ${token(focus)} looks at each token` : `How much each token looks at ${token(focus)}`);
  const note = () => {
    const most = direction() === "from" ? "looks most at" : "is most looked at by";
    const many = cells.panels > 1;
    return { head: token(focus), lines: shown.map((panel) => `${many ? `${plot.panelName(panel)} ` : ""}${most} ${strongest(panel)}`) };
  };

  let asked = "";
  function paint() {
    shown = headsNow();
    focus = focusNow();
    for (let i = 0; i < n; i++) wardrobe.put(i, dressOf(i, theme.dark));
    says.textContent = `${sentence()}${cells.panels > 1 && shown.length === 1 ? `, ${plot.panelName(shown[0])}` : ""}`;
    row?.show(shown, theme.dark);
    const now = `${shown} ${theme.dark}`;
    if (now === asked) return;
    asked = now;
    for (const panel of shown) void cells.fetchPanel(panel).then((fresh) => fresh && finer());
    scale.element.hidden = shown.length > 1;
    scale.paint(cells.shading(shown[0]), f.colour.label, theme);
    names.hidden = shown.length < 2;
    names.replaceChildren(
      ...shown.map((panel, k) => {
        const name = make("span", "fig-hue");
        const swatch = make("span", "fig-swatch");
        swatch.style.background = hex(category(k, theme.dark));
        name.append(swatch, document.createTextNode(plot.panelName(panel)));
        return name;
      }),
    );
  }
  /** More of a pooled array is here. */
  function finer() {
    paint();
    if (pointed >= 0) showTip(cx, (told = note()), ...pointer);
  }
  function dress() {
    const marks = looks(cx.bus, theme);
    const sides = [sideOf("from"), sideOf("to")];
    for (const span of body.querySelectorAll(".hover, .pin, .compare-a, .compare-b, .here")) span.classList.remove("hover", "pin", "compare-a", "compare-b", "here");
    for (const look of marks) {
      const name = look.letter ? `compare-${look.letter.toLowerCase()}` : look.channel;
      for (const { key, guide } of sides) {
        for (const i of placesIn(look.sel, key, n, guide) ?? []) if (isIn({ ...always, [key]: indexAt(guide, i) }, look)) spans[i].classList.add(name);
      }
    }
    spans[focus]?.classList.add("here");
  }
  function sideOf(way: "from" | "to") {
    return { key: keys[way], size: n, guide: way === "from" ? f.y : f.x };
  }
  /** Fades the tokens that a brush elsewhere leaves out. */
  function veil() {
    const passes = passing(cx.bus.filters, cx.id, always, sideOf(direction()), n);
    spans.forEach((span, i) => span.classList.toggle("out", !!passes && !passes[i]));
  }
  function all() {
    body.setAttribute("aria-label", summary());
    paint();
    dress();
  }
  function summary(): string {
    return `Attention as text over ${n} tokens${cells.panels > 1 ? `, ${cells.panels} heads to pick from` : ""}: ${sentence()}`;
  }

  let pointed = -1;
  let pointer: [number, number] = [0, 0];
  let told: Note | null = null;
  body.addEventListener("pointermove", (e) => {
    const i = text.indexOf(e.target);
    if (i !== pointed) {
      pointed = i;
      cx.bus.setHover(i < 0 ? null : selectionOf(place(i)), cx.id);
      if (i >= 0 && !cx.bus.frozen) all();
      told = i >= 0 ? note() : null;
    }
    pointer = [e.clientX, e.clientY];
    if (told) showTip(cx, told, ...pointer);
    else hideTip(cx);
  });
  function leave() {
    hideTip(cx);
    if (pointed >= 0) cx.bus.setHover(null, cx.id);
    pointed = -1;
    told = null;
  }
  body.addEventListener("pointerleave", leave);
  body.addEventListener("click", (e) => {
    const i = text.indexOf(e.target);
    if (i >= 0) cx.bus.togglePin(selectionOf(place(i)), cx.id, pinMode(e));
  });
  body.addEventListener("keydown", (e) => {
    if (e.altKey) return;
    const next = keyLeads(text, e.key, keyed);
    if (next !== null) {
      spans[keyed]?.classList.remove("focus");
      keyed = next;
      spans[keyed].classList.add("focus");
      spans[keyed].scrollIntoView({ block: "nearest" });
      cx.bus.setHover(selectionOf(place(keyed)), cx.id);
      all();
      cx.announce(noteText(note()));
      if (e.shiftKey) cx.bus.togglePin(selectionOf(place(keyed)), cx.id, "extend");
    } else if ((e.key === "Enter" || e.key === " ") && keyed >= 0) cx.bus.togglePin(selectionOf(place(keyed)), cx.id, pinMode(e));
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  body.addEventListener("blur", () => {
    spans[keyed]?.classList.remove("focus");
    keyed = -1;
    hideTip(cx);
  });
  row?.paint(theme);
  all();
  veil();

  return {
    summary,
    controls: (): Control[] => [DIRECTION, ...plot.controls()],
    adjust() {
      asked = "";
      plot.adjust();
      row?.paint(theme);
      all();
      veil();
    },
    sheet: () => plot.sheet(),
    picture: (width) => {
      const one = shown.length === 1;
      return tokenPicture(
        {
          words,
          dress: dressOf,
          heading: says.textContent ?? "",
          legend: one ? { shading: cells.shading(shown[0]), label: f.colour.label } : undefined,
          keys: one ? undefined : shown.map((panel, k) => ({ name: plot.panelName(panel), colour: (dark) => hex(category(k, dark)) })),
        },
        width,
      );
    },
    changed(changes: Change[]) {
      if (changes.some(({ channel }) => channel === "filter")) veil();
      if (changes.some(({ channel }) => channel !== "filter")) all();
    },
    restyle(next) {
      theme = next;
      row?.paint(theme);
      all();
    },
    destroy() {
      leave();
      row?.destroy();
      holder.remove();
    },
  };
}
