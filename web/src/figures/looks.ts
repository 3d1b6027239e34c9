// How selections look on a figure: compared places A and B, pins, and what is hovered, in the order they are drawn.
import { match, isEmpty, type Bus, type Selection } from "./bus";
import type { Place } from "./link";
import type { Pen, Theme } from "./pen";

export interface Look {
  channel: "compare" | "pin" | "hover";
  sel: Selection;
  colour: string;
  width: number;
  dash?: number[];
  /** A compared place is told by its letter too. */
  letter?: "A" | "B";
}

export function looks(bus: Bus, theme: Theme): Look[] {
  const [a, b] = bus.compare;
  const all: (Omit<Look, "sel"> & { sel: Selection | null })[] = [
    { channel: "compare", sel: a, colour: theme.compare, width: 2, letter: "A" },
    { channel: "compare", sel: b, colour: theme.compare, width: 2, dash: [4, 3], letter: "B" },
    { channel: "pin", sel: bus.pin, colour: theme.pin, width: 2 },
    { channel: "hover", sel: bus.hover, colour: theme.hover, width: 1.5 },
  ];
  return all.filter((look): look is Look => !isEmpty(look.sel));
}

export const isIn = (place: Place, look: Look) => match(place, look.sel) === true;

/** A rectangle around a mark, apart from whatever is below it. */
export function outline(pen: Pen, [x, y, w, h]: readonly [number, number, number, number], look: Look, radius = 0): void {
  pen.rect(x, y, w, h, null, pen.theme.page, look.width + 2, radius);
  if (look.dash) pen.line([x, y, x + w, y, x + w, y + h, x, y + h, x, y], look.colour, look.width, look.dash);
  else pen.rect(x, y, w, h, null, look.colour, look.width, radius);
}

/** The letter of a compared place, at its upper left: B a little to the right, so that both are seen on one mark. */
export function letter(pen: Pen, x: number, y: number, look: Look): void {
  if (!look.letter) return;
  const left = x + (look.letter === "B" ? 11 : 0);
  pen.rect(left - 1, y - 11, 11, 12, pen.theme.page, look.colour, 1, 2);
  pen.text(left + 4.5, y - 1.5, look.letter, { size: 9.5, bold: true, fill: look.colour, anchor: "middle" });
}
