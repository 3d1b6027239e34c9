// The one note beside the pointer, above everything else on the page.
import { make } from "./part";

export interface Note {
  head: string;
  lines?: string[];
}

let box: HTMLElement | null = null;
let owner: unknown = null;

export function showTip(from: unknown, note: Note, x: number, y: number): void {
  if (!box || !box.isConnected) {
    box = make("div", "fig-tip");
    box.setAttribute("aria-hidden", "true");
    document.body.append(box);
  }
  owner = from;
  box.replaceChildren(make("b", "", note.head), ...(note.lines ?? []).map((line) => make("div", "", line)));
  box.hidden = false;
  const { offsetWidth: w, offsetHeight: h } = box;
  box.style.left = `${Math.max(4, x + 14 + w > innerWidth ? x - w - 12 : x + 14)}px`;
  box.style.top = `${Math.max(4, y + 16 + h > innerHeight ? y - h - 12 : y + 16)}px`;
}

export function hideTip(from: unknown): void {
  if (box && owner === from) {
    box.hidden = true;
    owner = null;
  }
}

export const noteText = (note: Note) => [note.head, ...(note.lines ?? [])].join(", ");
