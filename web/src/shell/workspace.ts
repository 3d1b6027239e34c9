// The workspace as a document: what it holds, the one that is opened first, and reading one that may be anything.

import type { SavedSelection, Selection } from "../figures/bus";
import { clamp, type Place } from "./grid";
import { FOLLOWED, type Followed } from "./schema";

export interface Prompt {
  id: string;
  text?: string;
  tokens?: number[];
  /** The text is a message, put into the chat template of a model that has one. */
  chat?: boolean;
}

export interface EditChip {
  text: string;
  on: boolean;
}

/** What a view puts beside what it answers: nothing, the answer without edits, of the other prompt or model. */
export const SHOWN = ["after", "before", "edits", "prompts", "models"] as const;
export type Shown = (typeof SHOWN)[number];

export interface PlacedView {
  id: string;
  view: string;
  model: string;
  prompt: string | null;
  parameters: Record<string, unknown>;
  follow: Partial<Record<Followed, boolean>>;
  show: Shown;
  /** How its figures are drawn, by names that the renderers choose. */
  options: Record<string, unknown>;
  place: Place;
}

export interface Step {
  title: string;
  text: string;
  show?: { pin?: Selection };
}

const VERSION = 2;

export interface Workspace {
  version: typeof VERSION;
  title: string;
  notes?: string;
  models: { id: string; reference: string }[];
  prompts: Prompt[];
  edits: EditChip[];
  views: PlacedView[];
  selection?: SavedSelection;
  path?: Step[];
}

export const FIRST_PROMPT = "My fellow citizens, the state of the Union is strong, and the state of the";

export function firstWorkspace(): Workspace {
  const view = (id: string, name: string, place: Place, more: Partial<PlacedView> = {}): PlacedView => ({
    id,
    view: name,
    model: "a",
    prompt: "p",
    parameters: {},
    follow: {},
    show: "after",
    options: {},
    place,
    ...more,
  });
  return {
    version: VERSION,
    title: "First look",
    models: [{ id: "a", reference: "zoo:talk" }],
    prompts: [{ id: "p", text: FIRST_PROMPT }],
    edits: [],
    views: [
      view("v1", "next_tokens", { x: 0, y: 0, w: 4, h: 6 }),
      view("v2", "logit_lens", { x: 4, y: 0, w: 4, h: 6 }),
      view("v3", "pattern", { x: 8, y: 0, w: 4, h: 6 }, { parameters: { layer: 0, head: 0 }, follow: { layer: true, head: true } }),
      view("v4", "direct_logit", { x: 0, y: 6, w: 4, h: 6 }),
      view("v5", "sample", { x: 8, y: 6, w: 4, h: 6 }),
      view("v6", "norms", { x: 4, y: 6, w: 4, h: 6 }),
    ],
  };
}

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null && !Array.isArray(v);
const text = (v: unknown, most = 100_000): string | null => (typeof v === "string" && v.length <= most ? v : null);
const items = (v: unknown, most: number): unknown[] => (Array.isArray(v) ? v.slice(0, most) : []);

/** Pins as they may be, or nothing. */
export function readSelection(v: unknown): Selection | undefined {
  if (!isObject(v)) return undefined;
  const out: Selection = {};
  for (const [key, at] of Object.entries(v)) {
    if (Array.isArray(at) && at.every((i) => Number.isInteger(i) && (i as number) >= 0)) out[key] = at as number[];
  }
  return out;
}

/** As it is written: what is as usual is left out. */
export function written(ws: Workspace): Record<string, unknown> {
  const views = ws.views.map(({ show, options, ...view }) => ({ ...view, ...(show === "after" ? {} : { show }), ...(Object.keys(options).length ? { options } : {}) }));
  return { ...ws, views };
}

/** A prompt with what a network wrote after it: text after text; ids after ids. */
export function continued(prompt: Prompt, output: Readonly<Record<string, unknown>>): Omit<Prompt, "id"> | null {
  if (prompt.tokens) {
    const ids = isObject(output["ids"]) ? output["ids"]["data"] : null;
    return Array.isArray(ids) && ids.every((id) => Number.isInteger(id)) ? { tokens: [...prompt.tokens, ...(ids as number[])] } : null;
  }
  const words = text(output["text"]);
  return words === null ? null : { text: (prompt.text ?? "") + words };
}

/** Reads a document of unknown origin. What is no workspace is refused with a reason; odd parts are mended. */
export function readWorkspace(doc: unknown): Workspace {
  if (!isObject(doc)) throw new Error(`A workspace is a document with \`version: ${VERSION}\`.`);
  // Version 1 had neither `show` nor `options`, which may be left out: reading mends it.
  const version = doc["version"];
  if (version !== 1 && version !== VERSION) throw new Error(`This workspace has version ${String(version)}; this program reads versions 1 and ${VERSION}.`);
  const models = items(doc["models"], 8).flatMap((m) => {
    const reference = isObject(m) ? text(m["reference"], 1000) : null;
    const id = isObject(m) ? text(m["id"], 40) : null;
    return reference && id ? [{ id, reference }] : [];
  });
  const prompts = items(doc["prompts"], 8).flatMap((p): Prompt[] => {
    const id = isObject(p) ? text(p["id"], 40) : null;
    if (!isObject(p) || !id) return [];
    const words = text(p["text"]);
    const ids = Array.isArray(p["tokens"]) && p["tokens"].every((t) => Number.isInteger(t)) ? (p["tokens"] as number[]) : null;
    return [ids ? { id, tokens: ids } : { id, text: words ?? "", ...(p["chat"] === true ? { chat: true } : {}) }];
  });
  const seen = new Set<string>();
  const views = items(doc["views"], 100).flatMap((v, i): PlacedView[] => {
    const name = isObject(v) ? text(v["view"], 100) : null;
    if (!isObject(v) || !name) return [];
    let id = text(v["id"], 40) ?? `v${i + 1}`;
    while (seen.has(id)) id += "x";
    seen.add(id);
    const follow: PlacedView["follow"] = {};
    const asked = v["follow"];
    if (isObject(asked)) for (const key of FOLLOWED) if (asked[key] === true) follow[key] = true;
    const place = isObject(v["place"]) ? v["place"] : {};
    const number = (key: string, or: number) => (typeof place[key] === "number" ? place[key] : or);
    return [
      {
        id,
        view: name,
        model: text(v["model"], 40) ?? models[0]?.id ?? "a",
        prompt: text(v["prompt"], 40),
        parameters: isObject(v["parameters"]) ? v["parameters"] : {},
        follow,
        show: SHOWN.find((shown) => shown === v["show"]) ?? "after",
        options: isObject(v["options"]) ? v["options"] : {},
        place: clamp({ x: number("x", 0), y: number("y", i * 8), w: number("w", 6), h: number("h", 8) }),
      },
    ];
  });
  const edits = items(doc["edits"], 1000).flatMap((e): EditChip[] => {
    const words = isObject(e) ? text(e["text"]) : null;
    return isObject(e) && words ? [{ text: words, on: e["on"] !== false }] : [];
  });
  const path = items(doc["path"], 500).flatMap((s): Step[] => {
    if (!isObject(s)) return [];
    const pin = isObject(s["show"]) ? readSelection(s["show"]["pin"]) : undefined;
    return [{ title: text(s["title"]) ?? "", text: text(s["text"]) ?? "", ...(pin ? { show: { pin } } : {}) }];
  });
  const notes = text(doc["notes"]);
  return {
    version: VERSION,
    title: text(doc["title"], 500) ?? "Untitled",
    ...(notes ? { notes } : {}),
    models: models.length ? models : [{ id: "a", reference: "zoo:talk" }],
    prompts: prompts.length ? prompts : [{ id: "p", text: "" }],
    edits,
    views,
    ...(isObject(doc["selection"]) ? { selection: doc["selection"] as unknown as SavedSelection } : {}),
    ...(path.length ? { path } : {}),
  };
}
