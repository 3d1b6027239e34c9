// Draws a figure into an element: the words around it, the kind's own part, "show as table", exports.
import "./figures.css";
import "./tools.css";
import { BarsPlot } from "./bars";
import type { Change } from "./bus";
import { difference, onOneScale } from "./difference";
import { compose, toPNG, toSVG } from "./export";
import { GraphPlot } from "./graph";
import { grid, type Grid } from "./grid";
import { HeatmapPlot } from "./heatmap";
import { HistogramPlot } from "./histogram";
import { ImagesPlot } from "./images";
import { LinesPlot } from "./lines";
import { loaded, needsLoading } from "./load";
import { visible } from "./numbers";
import { Options } from "./options";
import { make, type Context, type Drawn, type Part } from "./part";
import { DARK, LIGHT, forgetWidths, type Picture, type Theme } from "./pen";
import { canvasPart, type Plot } from "./plot";
import { patternPart, relatesTokens } from "./pattern";
import { codePart, textPart } from "./prose";
import { ScatterPlot } from "./scatter";
import { csv } from "./sheet";
import { tablePart } from "./table";
import { tokensPart } from "./tokens";
import { toolRow } from "./tools";
import type { Figure } from "./types";

export type { Context } from "./part";

export interface Handle {
  update(f: Figure): void;
  destroy(): void;
  exportSVG(): Promise<string>;
  exportPNG(): Promise<Blob>;
  exportCSV(): string;
  /** Draws as the options say now; for whoever changed them in the store. */
  reread(): void;
}

/** The theme in force where an element is: light-dark() resolves by the colour scheme, whoever sets it. */
function themeOf(el: Element): Theme {
  const [red = 255] = (getComputedStyle(el).getPropertyValue("outline-color").match(/\d+/g) ?? []).map(Number);
  return red < 128 ? DARK : LIGHT;
}

function part(el: HTMLElement, figure: Figure, cx: Drawn, theme: Theme): Part {
  const plot = (p: Plot) => canvasPart(el, p, cx, theme);
  switch (figure.kind) {
    case "heatmap":
      return relatesTokens(figure) ? patternPart(el, figure, cx, theme) : plot(new HeatmapPlot(figure, cx));
    case "lines":
      return plot(new LinesPlot(figure, cx));
    case "bars":
      return plot(new BarsPlot(figure, cx));
    case "histogram":
      return plot(new HistogramPlot(figure, cx));
    case "scatter":
      return plot(new ScatterPlot(figure, cx));
    case "images":
      return plot(new ImagesPlot(figure, cx));
    case "graph":
      return plot(new GraphPlot(figure, cx));
    case "tokens":
      return tokensPart(el, figure, cx, theme);
    case "table":
      return tablePart(el, figure, cx, theme);
    case "text":
      return textPart(el, figure);
    case "code":
      return codePart(el, figure);
    case "group":
    case "compare":
      throw new Error("a figure of figures has no part of its own");
  }
}

/** A figure on the page, whatever its kind. */
interface Shown {
  restyle(theme: Theme): void;
  changed(changes: Change[]): void;
  destroy(): void;
  picture(width: number): Picture;
  csv(): string;
}

function about(el: HTMLElement, f: Figure, depth: number): HTMLElement {
  const frame = make("figure", `fig kind-${f.kind}`);
  if (f.title) {
    const title = make("div", depth ? "fig-title fig-sub" : "fig-title", visible(f.title));
    frame.append(title);
    frame.setAttribute("aria-label", f.title);
  }
  const body = make("div", "fig-body");
  frame.append(body);
  if (f.caption || f.caveats?.length || f.provenance) {
    const words = make("figcaption", "fig-caption");
    if (f.caption) words.append(make("p", "", f.caption));
    for (const caveat of f.caveats ?? []) {
      const p = make("p", "fig-caveat");
      p.append(make("b", "", "Note "), document.createTextNode(caveat));
      words.append(p);
    }
    if (f.provenance) words.append(make("p", "fig-provenance", visible(f.provenance)));
    frame.append(words);
  }
  el.append(frame);
  return body;
}

function single(el: HTMLElement, f: Figure, cx: Drawn, theme: Theme, depth: number): Shown {
  const body = about(el, f, depth);
  const inner = make("div", "fig-part");
  const tools = toolRow(cx.options);
  body.append(tools.element, inner);
  const own = part(inner, f, cx, theme);
  const showTools = () => tools.show(own.controls?.() ?? []);
  showTools();
  const unwatch = cx.options.watch(() => {
    own.adjust?.();
    showTools();
  });
  let view: Grid | null = null;
  if (!["table", "text", "code"].includes(f.kind)) {
    const bar = make("div", "fig-bar");
    const button = make("button", "fig-as-table", "Table");
    button.type = "button";
    button.title = "Show as table";
    button.setAttribute("aria-label", "Show as table");
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      const sheet = view ? null : own.sheet();
      if (view) {
        view.destroy();
        view = null;
      } else if (sheet) {
        view = grid(sheet, cx, theme, { label: own.summary() });
        body.append(view.element);
      }
      inner.hidden = !!view;
      tools.element.classList.toggle("off", !!view);
      button.setAttribute("aria-pressed", String(!!view));
    });
    bar.append(button);
    body.prepend(bar);
  }
  return {
    restyle(next) {
      theme = next;
      own.restyle(next);
      view?.restyle(next);
    },
    changed(changes) {
      if (view) view.changed(changes);
      else own.changed(changes);
    },
    destroy() {
      unwatch();
      own.destroy();
      view?.destroy();
    },
    picture: (width) => compose(f, own.picture(width), width, depth),
    csv() {
      const sheet = own.sheet();
      return sheet ? csv(sheet) : "";
    },
  };
}

function many(parts: Shown[], f: Figure, columns: number, depth: number, headings: string[] = []): Shown {
  return {
    restyle: (theme) => parts.forEach((p) => p.restyle(theme)),
    changed: (changes) => parts.forEach((p) => p.changed(changes)),
    destroy: () => parts.forEach((p) => p.destroy()),
    picture(width) {
      const gap = 28;
      const each = (width - gap * (columns - 1)) / columns;
      const pictures = parts.map((p) => p.picture(each));
      const top = headings.length ? 22 : 0;
      const at: [number, number][] = [];
      let [y, row] = [0, 0];
      let wide = width;
      pictures.forEach((picture, i) => {
        if (i % columns === 0 && i > 0) {
          y += row + gap;
          row = 0;
        }
        at.push([(i % columns) * (each + gap), y]);
        row = Math.max(row, picture.height + (headings[i] ? top : 0));
        wide = Math.max(wide, (i % columns) * (each + gap) + picture.width);
      });
      const inside: Picture = {
        width: wide,
        height: y + row,
        draw: (pen) =>
          pictures.forEach((picture, i) =>
            pen.at(...at[i], () => {
              if (headings[i]) pen.text(0, 13, headings[i], { size: 12.5, bold: true });
              pen.at(0, headings[i] ? top : 0, () => picture.draw(pen));
            }),
          ),
      };
      return compose(f, inside, width, depth);
    },
    csv: () => parts.map((p) => p.csv()).filter(Boolean).join("\r\n"),
  };
}

/** The figure at the same place in a group that is compared with this one. */
const inside = (beside: Figure | undefined, i: number) => (beside?.kind === "group" ? beside.figures[i] : undefined);

function show(el: HTMLElement, f: Figure, cx: Drawn, theme: Theme, depth = 0): Shown {
  if (f.kind === "group") {
    const body = about(el, f, depth);
    const columns = typeof f.layout === "object" ? Math.max(1, f.layout.grid) : 1;
    const holder = make("div", "fig-group");
    if (columns > 1) holder.style.gridTemplateColumns = `repeat(auto-fit, minmax(min(100%, max(220px, ${Math.floor(92 / columns)}%)), 1fr))`;
    body.append(holder);
    const parts = f.figures.map((child, i) => show(holder, child, { ...cx, id: `${cx.id}/${i}`, options: cx.options.within(String(i)), beside: inside(cx.beside, i) }, theme, depth + 1));
    return many(parts, f, columns, depth);
  }
  if (f.kind === "compare") {
    const body = about(el, f, depth);
    const holder = make("div", "fig-compare");
    body.append(holder);
    const [a, b] = onOneScale(f.a, f.b);
    const change = difference(a, b);
    const names = [visible(f.a_name), visible(f.b_name), "Difference"];
    const parts = [a, b, ...(change ? [change] : [])].map((child, i) => {
      const side = make("div", "fig-side");
      const heading = make("div", "fig-side-name");
      heading.append(make("span", "fig-badge", ["A", "B", "B − A"][i]), document.createTextNode(i < 2 ? names[i] : "what changes"));
      side.append(heading);
      holder.append(side);
      // Both sides are drawn in one way, so that they compare; what differs has its own.
      const options = i < 2 ? cx.options : cx.options.within("difference");
      return show(side, child, { ...cx, id: `${cx.id}/${"abd"[i]}`, options, beside: [b, a][i] }, theme, depth + 1);
    });
    return many(parts, f, 2, depth, names);
  }
  return single(el, f, cx, theme, depth);
}

let fontsHere = false;
let fonts: Promise<void> | null = null;

/** Canvases draw with whatever font is there: they are drawn again once the page's own fonts are. */
function fontsLoading(): Promise<void> {
  const wanted = ["400 12px Inter", "600 12px Inter", '400 12px "JetBrains Mono"'];
  return (fonts ??= Promise.allSettled(wanted.map((font) => document.fonts.load(font))).then(() => void (fontsHere = true)));
}

export function render(el: HTMLElement, figure: Figure, cx: Context): Handle {
  const root = make("div", "fig-root");
  el.append(root);
  let theme = themeOf(root);
  const options = Options.over(cx.options);
  let shown: Shown | null = null;
  let turn = 0;
  let destroyed = false;

  function mount(f: Figure) {
    const mine = ++turn;
    const put = (ready: Figure) => {
      if (mine !== turn) return;
      shown?.destroy();
      shown = null;
      root.replaceChildren();
      try {
        shown = show(root, ready, { ...cx, options }, theme);
      } catch (error) {
        fail(error);
      }
    };
    const fail = (error: unknown) => {
      if (mine !== turn) return;
      const box = make("div", "fig-problem", `This figure cannot be drawn: ${error instanceof Error ? error.message : String(error)}`);
      box.setAttribute("role", "alert");
      root.replaceChildren(box);
    };
    if (!needsLoading(f)) return put(f);
    if (!shown) root.replaceChildren(make("div", "fig-wait", "Fetching numbers…"));
    loaded(f, cx).then(put, fail);
  }
  const unsubscribe = cx.bus.subscribe((changes) => shown?.changed(changes));
  function recheck() {
    const next = themeOf(root);
    if (next === theme) return;
    theme = next;
    shown?.restyle(theme);
  }
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", recheck);
  const attributes = new MutationObserver(recheck);
  attributes.observe(document.documentElement, { attributes: true, attributeFilter: ["class", "style", "data-theme", "data-scheme"] });
  if (!fontsHere) {
    void fontsLoading().then(() => {
      if (destroyed) return;
      forgetWidths();
      shown?.restyle(theme);
    });
  }
  mount(figure);
  const picture = () => {
    if (!shown) throw new Error("the figure is not here yet");
    return shown.picture(Math.max(360, Math.min(1200, root.clientWidth || 720)));
  };
  return {
    update: mount,
    destroy() {
      destroyed = true;
      turn++;
      unsubscribe();
      scheme.removeEventListener("change", recheck);
      attributes.disconnect();
      shown?.destroy();
      root.remove();
    },
    exportSVG: async () => toSVG(picture()),
    exportPNG: async () => toPNG(picture()),
    exportCSV: () => shown?.csv() ?? "",
    reread: () => options.reread(),
  };
}
