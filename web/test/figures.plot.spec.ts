import { afterEach, expect, it, vi } from "vitest";
import { createBus } from "../src/figures/bus";
import type { Options } from "../src/figures/options";
import { LIGHT } from "../src/figures/pen";
import { canvasPart, type Plot } from "../src/figures/plot";

/** As much of a page as a canvas wants that is never given a width. */
function element(): HTMLElement {
  const style = {};
  const nothing = () => undefined;
  return { style, append: nothing, setAttribute: nothing, addEventListener: nothing, getContext: () => ({ setTransform: nothing, clearRect: nothing }) } as unknown as HTMLElement;
}

afterEach(() => vi.unstubAllGlobals());

it("draws nothing that was never laid out, whatever is filtered elsewhere", () => {
  vi.stubGlobal("document", { createElement: element });
  vi.stubGlobal("ResizeObserver", class { observe = () => undefined });
  const draw = vi.fn();
  const plot: Partial<Plot> = { marks: 1, filtered: true, place: () => ({ "pos@p": 0 }), summary: () => "", draw, overlay: draw };
  const bus = createBus(() => undefined);
  const part = canvasPart(element(), plot as Plot, { bus, id: "here", space: () => "p", load: () => Promise.reject(new Error()), announce: () => undefined, options: {} as Options }, LIGHT);
  bus.setFilter({ "pos@p": [1] }, "elsewhere");
  part.changed([{ channel: "filter", source: "elsewhere" }]);
  expect(draw).not.toHaveBeenCalled();
});
