// Tokens as a text on the page. Chunks that are out of sight are not laid out.
import { visibleToken } from "./numbers";
import { make } from "./part";

const CHUNK = 500;

export interface Strip {
  element: HTMLElement;
  spans: HTMLSpanElement[];
  /** The token that an event is on, -1 where there is none. */
  indexOf(target: EventTarget | null): number;
  /** The token above or below: the nearest one on the next line. */
  lineFrom(i: number, down: boolean): number;
}

export function strip(words: readonly string[], label: string): Strip {
  const element = make("div", "fig-tokens");
  element.tabIndex = 0;
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", label);
  const spans: HTMLSpanElement[] = new Array(words.length);
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
    element.append(chunk);
  }
  if (!words.length) element.append(make("span", "fig-empty", "no tokens"));
  return {
    element,
    spans,
    indexOf(target) {
      const i = target instanceof HTMLElement ? target.dataset.i : undefined;
      return i === undefined ? -1 : Number(i);
    },
    lineFrom(i, down) {
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
    },
  };
}

/** Keys of a strip: where one leads from a token, or null where it leads nowhere. */
export function keyLeads(s: Strip, key: string, focus: number): number | null {
  const at = Math.max(0, focus);
  const last = s.spans.length - 1;
  const held = (i: number) => Math.max(0, Math.min(last, i));
  if (last < 0) return null;
  switch (key) {
    case "ArrowLeft":
      return held(at - 1);
    case "ArrowRight":
      return focus < 0 ? 0 : held(at + 1);
    case "ArrowUp":
      return s.lineFrom(at, false);
    case "ArrowDown":
      return focus < 0 ? 0 : s.lineFrom(at, true);
    case "Home":
      return 0;
    case "End":
      return last;
    default:
      return null;
  }
}

/** What a token is shown as: coloured, not a number, left out, behind the causal mask, or plain. */
export interface Dress {
  ground: string;
  ink: string;
  kind: "" | "nan" | "left" | "masked";
}

export const BARE: Dress = { ground: "", ink: "", kind: "" };

/** Dresses tokens and remembers how, so that only what changes is touched. */
export class Wardrobe {
  private readonly worn: string[] = [];
  constructor(private readonly spans: readonly HTMLElement[]) {}
  put(i: number, dress: Dress): void {
    const words = `${dress.ground} ${dress.ink} ${dress.kind}`;
    if (this.worn[i] === words) return;
    const span = this.spans[i];
    const before = this.worn[i]?.split(" ")[2] ?? "";
    this.worn[i] = words;
    span.style.background = dress.ground;
    span.style.color = dress.ink;
    if (before === dress.kind) return;
    span.classList.toggle("nan", dress.kind === "nan");
    span.classList.toggle("left", dress.kind === "left");
    span.classList.toggle("masked", dress.kind === "masked");
  }
}
