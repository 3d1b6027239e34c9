// One figure of every kind from made-up numbers: for `npm run dev` and the browser test. `?bench` shows the sizes that have to stay quick, `?large` larger ones beside them.
import { createBus } from "./bus";
import { bench, large, load, small } from "./gallery.figures";
import { render, type Context, type Handle } from "./render";
import type { Figure } from "./types";

const bus = createBus();
const gallery = document.getElementById("gallery")!;
const readout = document.getElementById("readout")!;
const sets: Record<string, () => Figure[]> = { "?large": large, "?bench": bench };
const figures = (sets[location.search] ?? small)();
const options = figures.map(() => new Map<string, unknown>());
const handles: Handle[] = figures.map((figure, i) => {
  const card = document.createElement("section");
  card.className = "card";
  card.id = `card${i}`;
  gallery.append(card);
  const cx: Context = {
    bus,
    id: `v${i}`,
    space: (dim) => (dim === "pos" ? "prompt:1" : dim === "example" ? "set:1" : "model:a"),
    load,
    options: options[i],
    announce: (text) => void (readout.textContent = text),
  };
  return render(card, figure, cx);
});
addEventListener("keydown", (e) => {
  if (e.key === "Shift") bus.freeze(true);
  if (e.key === "Escape") bus.escape();
});
addEventListener("keyup", (e) => {
  if (e.key === "Shift") bus.freeze(false);
});
Object.assign(window, { gallery: { bus, handles, options, figures } });
