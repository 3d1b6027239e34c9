// Attention patterns: as a map of destinations by sources, or as text.
import { attentionPart } from "./attention";
import { HeatmapPlot } from "./heatmap";
import type { Drawn, Part } from "./part";
import type { Theme } from "./pen";
import { canvasPart } from "./plot";
import { FORM, type Control } from "./tools";
import type { Heatmap } from "./types";

/** Whether a heatmap relates the tokens of one text with each other, and has their names. */
export function relatesTokens(f: Heatmap): boolean {
  const { dims, shape } = f.values.whole ?? f.values;
  const [dst, src] = [f.y.ticks?.length ?? 0, f.x.ticks?.length ?? 0];
  return dims.at(-2) === "pos/dst" && dims.at(-1) === "pos/src" && shape.at(-1) === shape.at(-2) && (shape.at(-1) ?? 0) > 1 && Math.max(dst, src) > 0 && !f.upwards;
}

export function patternPart(el: HTMLElement, f: Heatmap, cx: Drawn, first: Theme): Part {
  let theme = first;
  const plot = new HeatmapPlot(f, cx);
  const chosen = () => cx.options.one("as", ["map", "text"] as const);
  let form = chosen();
  const mount = () => (form === "text" ? attentionPart(el, f, cx, theme, plot) : canvasPart(el, plot, cx, theme));
  let part = mount();
  return {
    summary: () => part.summary(),
    sheet: () => part.sheet(),
    picture: (width) => part.picture(width),
    changed: (changes) => part.changed(changes),
    controls: (): Control[] => (plot.marks ? [FORM, ...(part.controls?.() ?? [])] : []),
    adjust() {
      if (chosen() === form) return part.adjust?.();
      part.destroy();
      form = chosen();
      plot.adjust();
      part = mount();
    },
    restyle(next) {
      theme = next;
      part.restyle(next);
    },
    destroy: () => part.destroy(),
  };
}
