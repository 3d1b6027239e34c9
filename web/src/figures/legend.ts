// The legend beside a text, on a canvas of its own.
import { LEGEND, colourBar, legendFoot } from "./axes";
import { CanvasPen } from "./canvas";
import { short } from "./numbers";
import { make } from "./part";
import type { Theme } from "./pen";
import type { Shading } from "./shading";

const HEIGHT = 84;

export interface Legend {
  element: HTMLCanvasElement;
  paint(shading: Shading, label: string | undefined, theme: Theme): void;
}

export function legend(): Legend {
  const element = make("canvas", "fig-scale");
  element.setAttribute("role", "img");
  return {
    element,
    paint(shading, label, theme) {
      const density = devicePixelRatio || 1;
      const [w, h] = [LEGEND + 10, HEIGHT + 12 + legendFoot(shading)];
      element.width = w * density;
      element.height = h * density;
      element.style.width = `${w}px`;
      element.style.height = `${h}px`;
      const [low, high] = shading.limits;
      const outside = shading.outside ? `, ${shading.outside} outside` : "";
      element.setAttribute("aria-label", `Colour scale from ${short(low)} to ${short(high)}${outside}`);
      const c = element.getContext("2d")!;
      c.setTransform(density, 0, 0, density, 0, 0);
      c.clearRect(0, 0, w, h);
      colourBar(new CanvasPen(c, theme, density), shading, { x: 4, y: 4, height: HEIGHT, label });
    },
  };
}
