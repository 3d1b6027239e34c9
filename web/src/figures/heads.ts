// A row of small panels to pick from, for each layer one where there are layers.
import { category, hex } from "./colour";
import type { Cells } from "./cells";
import { pixels } from "./paint";
import { make, pinMode } from "./part";
import type { Theme } from "./pen";

const SIDE = 30;
/** Of a frame, in milliseconds: large stacks are painted over several. */
const BUDGET = 8;
let lists = 0;

export interface Heads {
  element: HTMLElement;
  paint(theme: Theme): void;
  /** Those that are shown, in the order of their hues. */
  show(shown: readonly number[], dark: boolean): void;
  destroy(): void;
}

export interface HeadsUse {
  cells: Cells;
  name(panel: number): string;
  pick(panel: number, mode: "replace" | "add" | "extend"): void;
  hover(panel: number): void;
}

export function heads({ cells, name, pick, hover }: HeadsUse): Heads {
  const element = make("div", "fig-heads");
  const id = `fig-heads-${lists++}`;
  element.tabIndex = 0;
  element.setAttribute("role", "listbox");
  element.setAttribute("aria-multiselectable", "true");
  element.setAttribute("aria-label", `Heads: arrows preview, Enter locks one, Control and Enter several`);
  const per = cells.leading.shape.at(-1) ?? 1;
  const options: HTMLElement[] = [];
  const canvases: HTMLCanvasElement[] = [];
  let row = element;
  for (let panel = 0; panel < cells.panels; panel++) {
    if (panel % per === 0) {
      row = make("div", "fig-heads-row");
      row.setAttribute("role", "presentation");
      if (cells.leading.shape.length > 1) {
        const label = make("span", "fig-control-name", cells.panelAt(panel).slice(0, -1).join("."));
        label.setAttribute("aria-hidden", "true");
        row.append(label);
      }
      element.append(row);
    }
    const option = make("div", "fig-head-option");
    option.id = `${id}-${panel}`;
    option.dataset.panel = String(panel);
    option.title = name(panel);
    option.setAttribute("role", "option");
    option.setAttribute("aria-label", name(panel));
    const canvas = make("canvas");
    option.append(canvas);
    row.append(option);
    options.push(option);
    canvases.push(canvas);
  }
  let focus = -1;
  let pointed = -1;
  const panelOf = (target: EventTarget | null) => {
    const option = target instanceof Element ? target.closest<HTMLElement>("[data-panel]") : null;
    return option ? Number(option.dataset.panel) : -1;
  };
  element.addEventListener("pointermove", (e) => {
    const panel = panelOf(e.target);
    if (panel === pointed) return;
    pointed = panel;
    hover(panel);
  });
  element.addEventListener("pointerleave", () => {
    pointed = -1;
    hover(-1);
  });
  element.addEventListener("click", (e) => {
    const panel = panelOf(e.target);
    if (panel >= 0) pick(panel, pinMode(e));
  });
  function moveTo(panel: number) {
    options[focus]?.classList.remove("focus");
    focus = Math.max(0, Math.min(options.length - 1, panel));
    options[focus].classList.add("focus");
    options[focus].scrollIntoView({ block: "nearest", inline: "nearest" });
    element.setAttribute("aria-activedescendant", options[focus].id);
    hover(focus);
  }
  element.addEventListener("keydown", (e) => {
    if (e.altKey || !options.length) return;
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -per, ArrowDown: per, Home: -1e9, End: 1e9 };
    if (e.key in steps) moveTo(focus < 0 ? 0 : focus + steps[e.key]);
    else if ((e.key === "Enter" || e.key === " ") && focus >= 0) pick(focus, pinMode(e));
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  element.addEventListener("blur", () => {
    options[focus]?.classList.remove("focus");
    focus = -1;
    element.removeAttribute("aria-activedescendant");
    hover(-1);
  });

  let frame = 0;
  return {
    element,
    paint(theme) {
      cancelAnimationFrame(frame);
      const density = Math.min(2, devicePixelRatio || 1);
      const side = Math.round(SIDE * density);
      let panel = 0;
      const some = () => {
        const until = performance.now() + BUDGET;
        while (panel < canvases.length && performance.now() < until) {
          const picture = pixels(cells, panel, [side, side], false, theme.dark);
          const canvas = canvases[panel++];
          canvas.width = picture.width;
          canvas.height = picture.height;
          canvas.getContext("2d")!.putImageData(new ImageData(picture.data, picture.width, picture.height), 0, 0);
        }
        if (panel < canvases.length) frame = requestAnimationFrame(some);
      };
      some();
    },
    show(shown, dark) {
      options.forEach((option, panel) => {
        const place = shown.indexOf(panel);
        option.setAttribute("aria-selected", String(place >= 0));
        option.style.outlineColor = place >= 0 && shown.length > 1 ? hex(category(place, dark)) : "";
      });
    },
    destroy: () => cancelAnimationFrame(frame),
  };
}
