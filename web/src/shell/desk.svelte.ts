// The state of the page: the workspace, what is opened, what is pinned. The bus stays outside of the framework; here
// is only a copy of its pins, so that a change of it never writes back.

import { api, loadArray, type Opened, Refusal, type ServerState, type ViewInfo } from "../api";
import { createBus, type Bus, equal, isEmpty, type Selection } from "../figures/bus";
import type { Context } from "../figures/render";
import { Editing } from "./editing.svelte";
import { arrange, freePlace, type Place } from "./grid";
import { History } from "./history";
import { readLink, readStart, validName, writeLink } from "./link";
import { Models, modelSpace, vocabularySpace } from "./models.svelte";
import { type Allowed, program, readAllowed, stillAllowed } from "./outside";
import { fields, type Field, type Followed, initial } from "./schema";
import { stream } from "./stream.svelte";
import { continued, firstWorkspace, type PlacedView, type Prompt, readSelection, readWorkspace, type Shown, type Workspace, written } from "./workspace";

export type Theme = "auto" | "light" | "dark";
export type DialogName = "palette" | "help" | "search" | "workspace" | "edit";

/** Why a workspace could not be saved, and in which line of its text if that is known. */
export interface Fault {
  why: string;
  line?: number;
}

const BAD_NAME = "A name has letters, digits, spaces, dots, lines and underscores, and begins with a letter or digit.";
const AUTOSAVE = "pellucid.desk";
const THEME = "pellucid.theme";

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));

export class Desk {
  readonly bus: Bus = createBus();
  readonly models = new Models();
  readonly edits = new Editing(this);
  private readonly history = new History();

  server = $state.raw<ServerState | null>(null);
  problem = $state<string | null>(null);
  ws = $state<Workspace>(firstWorkspace());
  name = $state<string | null>(null);
  dirty = $state(false);
  pin = $state.raw<Selection>({});
  compare = $state.raw<Bus["compare"]>([null, null]);
  allowed = $state.raw<Allowed>({});
  maximised = $state<string | null>(null);
  current = $state<string | null>(null);
  /** While a view is dragged the elements keep their order, for one that is moved loses the pointer. */
  dragging = $state(false);
  dialog = $state<DialogName | null>(null);
  /** Where the menu of a mark is open. */
  menu = $state.raw<{ x: number; y: number } | null>(null);
  pathOpen = $state(false);
  step = $state(0);
  readout = $state("");
  theme = $state<Theme>("auto");
  canUndo = $state(false);
  canRedo = $state(false);
  ready = $state(false);

  private address = "";
  private saveTimer: ReturnType<typeof setTimeout> | undefined;
  private linkTimer: ReturnType<typeof setTimeout> | undefined;

  // ---- start

  async start(): Promise<void> {
    this.bus.subscribe((changes) => {
      // What the pointer is on is nobody's but the figures'.
      if (changes.every((c) => c.channel === "hover")) return;
      this.pin = { ...this.bus.pin };
      this.compare = this.bus.compare;
      this.keep();
    });
    try {
      const theme = localStorage.getItem(THEME);
      if (theme === "light" || theme === "dark") this.setTheme(theme);
    } catch {
      // A page without storage forgets; that is all.
    }
    const link = readLink(location.hash);
    this.address = location.hash;
    try {
      this.server = await api.state();
    } catch (error) {
      this.problem = message(error);
      return;
    }
    stream.start();
    stream.onBack(() => void this.refresh());
    const start = readStart(location.hash);
    const asked = start.models.length > 0 || start.prompts.length > 0;
    if (asked && link.ws === null) this.take(firstWorkspace());
    else await this.restore(link.ws);
    this.beginWith(start.models, start.prompts);
    this.ready = true;
    // What was asked on the command line holds once: a reload keeps what was made of it.
    if (asked) this.keep();
    if (Object.keys(link.sel).length) this.setPin(link.sel, "link");
    window.addEventListener("hashchange", () => {
      if (location.hash !== this.address) location.reload();
    });
  }

  /** What the program has to offer may have changed when it is back; what is open is opened again when it is asked for. */
  private async refresh(): Promise<void> {
    const before = this.server?.version;
    try {
      this.server = await api.state();
    } catch {
      return;
    }
    const changed = before !== this.server.version;
    this.announce(changed ? `The program is back as version ${this.server.version}; reload the page` : "The program is back");
  }

  private beginWith(models: readonly string[], prompts: readonly string[]): void {
    for (const [i, reference] of models.entries()) {
      const id = this.ws.models[i]?.id ?? "ab"[i];
      if (id !== undefined) this.ws.models[i] = { id, reference };
    }
    for (const [i, text] of prompts.entries()) {
      const id = this.ws.prompts[i]?.id ?? "pq"[i];
      if (id !== undefined) this.ws.prompts[i] = { id, text };
    }
    if (prompts.length === 2) for (const v of this.ws.views) if (v.prompt !== null) v.show = "prompts";
  }

  private async restore(name: string | null): Promise<void> {
    const saved = this.saved();
    const allowed = readAllowed(saved?.allowed);
    if (name !== null && !(saved?.name === name && saved.dirty === true)) {
      await this.load(name);
      if (saved?.name !== name || this.name !== name) return;
      try {
        const before = readWorkspace(saved.workspace);
        this.allowed = stillAllowed(allowed, before, this.ws);
        if (before.selection) this.bus.restore(before.selection);
      } catch {
        // Nothing is allowed or pinned, then.
      }
      return;
    }
    if (!saved?.workspace) return;
    try {
      this.take(readWorkspace(saved.workspace));
      this.allowed = allowed;
      this.name = typeof saved.name === "string" && validName(saved.name) ? saved.name : null;
      this.dirty = saved.dirty === true;
    } catch {
      this.take(firstWorkspace());
    }
  }

  private saved(): { name?: unknown; dirty?: unknown; workspace?: unknown; allowed?: unknown } | null {
    try {
      return JSON.parse(localStorage.getItem(AUTOSAVE) ?? "null") as ReturnType<Desk["saved"]>;
    } catch {
      return null;
    }
  }

  private take(ws: Workspace): void {
    this.ws = ws;
    this.allowed = {};
    this.history.clear();
    this.marks();
    this.maximised = null;
    this.step = 0;
    this.pathOpen = (ws.path?.length ?? 0) > 0;
    if (ws.selection) {
      try {
        this.bus.restore(ws.selection);
      } catch {
        // Pins of another shape are left out.
      }
    } else {
      this.setPin({}, "workspace");
    }
  }

  // ---- changes, undo, saving

  /** A change that can be undone. Changes with one label that follow each other quickly are one step. */
  change(label: string, make: (ws: Workspace) => void): void {
    this.history.note(label, this.snapshot());
    make(this.ws);
    this.marks();
    this.dirty = true;
    this.keep();
  }

  private snapshot(): string {
    return JSON.stringify($state.snapshot(this.ws));
  }

  private marks(): void {
    this.canUndo = this.history.canUndo;
    this.canRedo = this.history.canRedo;
  }

  undo(): void {
    const step = this.history.undo(this.snapshot());
    if (step) this.again(step.state, `Undone: ${step.label.replace(/:.*/, "")}`);
  }

  redo(): void {
    const step = this.history.redo(this.snapshot());
    if (step) this.again(step.state, `Done again: ${step.label.replace(/:.*/, "")}`);
  }

  private again(state: string, said: string): void {
    this.ws = JSON.parse(state) as Workspace;
    this.marks();
    this.dirty = true;
    this.announce(said);
    this.keep();
  }

  /** The workspace with its pins, as it is saved. */
  document(): Record<string, unknown> {
    return { ...written($state.snapshot(this.ws) as Workspace), selection: this.bus.state() };
  }

  /** Writes to the tab's storage and the address, a moment after the last change. */
  private keep(): void {
    if (!this.ready) return;
    clearTimeout(this.saveTimer);
    this.saveTimer = setTimeout(() => this.flush(), 400);
    clearTimeout(this.linkTimer);
    this.linkTimer = setTimeout(() => this.link(), 300);
  }

  flush(): void {
    if (!this.ready) return;
    try {
      localStorage.setItem(AUTOSAVE, JSON.stringify({ name: this.name, dirty: this.dirty, workspace: this.document(), allowed: this.allowed }));
    } catch {
      // Full or forbidden storage: saving by name still works.
    }
  }

  link(): string {
    const hash = writeLink({ ws: this.name, sel: this.bus.pin });
    if (hash !== this.address) {
      this.address = hash;
      history.replaceState(null, "", hash || location.pathname);
    }
    return location.href;
  }

  /** For when the program cannot save it: as JSON, which the workspace dialog takes as text. */
  async copyWorkspace(): Promise<void> {
    try {
      await navigator.clipboard.writeText(JSON.stringify(this.document(), null, 2));
      this.announce("Copied; paste it in the workspace dialog, as text");
    } catch {
      this.announce("The browser does not let this page copy");
    }
  }

  async load(name: string): Promise<string | null> {
    try {
      const found = await api.workspace(name);
      this.take(readWorkspace(found.workspace));
      this.name = found.name;
      this.dirty = false;
      this.keep();
      this.announce(`Opened ${found.name}`);
      return null;
    } catch (error) {
      this.announce(message(error));
      this.problem = this.ready ? this.problem : `The workspace ${name} cannot be opened: ${message(error)}`;
      return message(error);
    }
  }

  /** Saves what is on the page, or a text in its place. */
  async save(name: string, text?: string): Promise<Fault | null> {
    if (!validName(name)) return { why: BAD_NAME };
    try {
      const saved = await api.saveWorkspace(name, text === undefined ? { workspace: this.document() } : { text });
      if (text !== undefined) this.take(readWorkspace(saved.workspace));
      this.name = saved.name;
      this.dirty = false;
      this.keep();
      this.announce(`Saved as ${saved.name}`);
      return null;
    } catch (error) {
      const line = error instanceof Refusal ? error.line : undefined;
      return line === undefined ? { why: message(error) } : { why: `Line ${line}: ${message(error)}`, line };
    }
  }

  /** Gives a saved workspace another name. */
  async rename(from: string, to: string): Promise<Fault | null> {
    if (!validName(to)) return { why: BAD_NAME };
    try {
      await api.saveWorkspace(to, { text: (await api.workspace(from)).text });
      await api.removeWorkspace(from);
    } catch (error) {
      return { why: message(error) };
    }
    if (this.name === from) this.name = to;
    this.keep();
    this.announce(`${from} is now called ${to}`);
    return null;
  }

  /** Deletes a saved workspace; what is on the page stays. */
  async forget(name: string): Promise<Fault | null> {
    try {
      await api.removeWorkspace(name);
    } catch (error) {
      return { why: message(error) };
    }
    if (this.name === name) [this.name, this.dirty] = [null, true];
    this.keep();
    this.announce(`Deleted ${name}`);
    return null;
  }

  begin(): void {
    this.take(firstWorkspace());
    this.name = null;
    this.dirty = false;
    this.keep();
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    document.documentElement.style.colorScheme = theme === "auto" ? "light dark" : theme;
    document.documentElement.dataset["theme"] = theme;
    try {
      if (theme === "auto") localStorage.removeItem(THEME);
      else localStorage.setItem(THEME, theme);
    } catch {
      // As above.
    }
  }

  announce(text: string): void {
    this.readout = text;
  }

  // ---- models, prompts and their spaces

  reference(model: string): string {
    return (this.ws.models.find((m) => m.id === model) ?? this.ws.models[0])?.reference ?? "";
  }

  model(id: string): Opened | null {
    return this.models.opened[this.reference(id)] ?? null;
  }

  prompt(id: string | null): Prompt | null {
    return id === null ? null : (this.ws.prompts.find((p) => p.id === id) ?? null);
  }

  space(view: PlacedView, dim: string): string {
    const model = this.model(view.model);
    const bare = dim.split("/")[0] ?? dim;
    if (bare === "pos") return this.models.promptSpace(model, this.prompt(view.prompt)) ?? `view:${view.id}`;
    if (!model) return `view:${view.id}`;
    if (bare === "d_vocab") return vocabularySpace(model);
    if (["layer", "head", "neuron", "d_model", "d_head", "expert"].includes(bare)) return modelSpace(model);
    return `view:${view.id}`;
  }

  context(view: PlacedView): Context {
    const now = () => this.ws.views.find((v) => v.id === view.id) ?? view;
    return {
      bus: this.bus,
      id: view.id,
      space: (dim: string) => this.space(now(), dim),
      load: (a, q) => stream.through(() => loadArray(a, q)),
      announce: (text: string) => this.announce(text),
      options: {
        get: (key) => $state.snapshot(now().options[key]),
        set: (key, value) => {
          if (JSON.stringify(now().options[key]) === JSON.stringify(value)) return;
          this.change(`Drawing:${view.id}:${key}`, () => {
            if (value === undefined) delete now().options[key];
            else now().options[key] = value;
          });
        },
      },
    };
  }

  show(view: PlacedView, shown: Shown): void {
    this.change(`What is shown:${view.id}`, (ws) => {
      const mine = ws.views.find((v) => v.id === view.id);
      if (mine) mine.show = shown;
    });
  }

  setPin(sel: Selection, source: string): void {
    const saved = this.bus.state();
    const same = JSON.stringify(this.bus.pin) === JSON.stringify(sel);
    if (!same) {
      if (Object.keys(sel).length) this.bus.togglePin(sel, source, "replace");
      else this.bus.restore({ ...saved, pin: {} });
    }
  }

  /** Moves the pin to the next layer of the first model. */
  stepLayer(by: number): void {
    const model = this.model("a") ?? Object.values(this.models.opened)[0];
    if (!model) return;
    const key = `layer@${modelSpace(model)}`;
    const now = this.bus.pin[key]?.at(-1);
    const next = now === undefined ? (by > 0 ? 0 : model.sizes.n_layers - 1) : now + by;
    if (next < 0 || next >= model.sizes.n_layers) {
      this.announce(`There is no layer ${next}`);
      return;
    }
    this.setPin({ ...this.bus.pin, [key]: [next] }, "keys");
    this.announce(`Layer ${next}`);
  }

  // ---- views

  info(name: string): ViewInfo | null {
    return this.server?.views.find((v) => v.name === name) ?? null;
  }

  fields(view: PlacedView): Field[] {
    const info = this.info(view.view);
    return info ? fields(info.schema, this.model(view.model)?.sizes ?? null) : [];
  }

  /** Why a view cannot be asked of a model; nothing if it can. */
  unfit(name: string, model = "a"): string | null {
    return this.model(model)?.fits[name] ?? null;
  }

  add(name: string, size = { w: 6, h: 9 }): string | null {
    const info = this.info(name);
    if (!info) return null;
    let n = this.ws.views.length + 1;
    while (this.ws.views.some((v) => v.id === `v${n}`)) n += 1;
    const id = `v${n}`;
    const list = fields(info.schema, this.model("a")?.sizes ?? null);
    const prompted = list.some((f) => f.kind === "prompt");
    const follow: Partial<Record<Followed, boolean>> = {};
    for (const f of list) if (f.followed && f.required) follow[f.followed] = true;
    const place = freePlace(this.ws.views.map((v) => v.place), size.w, size.h);
    const model = this.ws.models[0]?.id ?? "a";
    if (info.outside) this.allow(id, name);
    const prompt = prompted ? (this.ws.prompts[0]?.id ?? null) : null;
    this.change(`Add view:${id}`, (ws) => ws.views.push({ id, view: name, model, prompt, parameters: initial(list), follow, show: "after", options: {}, place }));
    this.announce(`Added ${name}`);
    return id;
  }

  /** Lets a view run the user's program that works it out. */
  allow(id: string, view: string): void {
    this.allowed = { ...this.allowed, [id]: program(view) };
    this.keep();
  }

  remove(id: string): void {
    const gone = this.ws.views.find((v) => v.id === id);
    if (!gone) return;
    this.change(`Remove view:${id}`, (ws) => {
      ws.views = ws.views.filter((v) => v.id !== id);
      this.settle(ws, null);
    });
    if (this.maximised === id) this.maximised = null;
    this.announce(`Removed ${gone.view}; Ctrl-Z brings it back`);
  }

  private settle(ws: Workspace, id: string | null, to?: Place, from?: ReadonlyMap<string, Place>): void {
    const places = from ?? new Map(ws.views.map((v) => [v.id, { ...v.place }]));
    const next = arrange(places, id, to);
    for (const v of ws.views) {
      const place = next.get(v.id);
      if (place) v.place = place;
    }
  }

  /** Places one view; `from` are the places at the beginning of a drag. */
  place(id: string, to: Place, label: string, from?: ReadonlyMap<string, Place>): void {
    this.change(label, (ws) => this.settle(ws, id, to, from));
  }

  /** Makes a prompt of what a view wrote: the text, or the ids where the prompt was given as ids. */
  goOn(view: PlacedView, output: Record<string, unknown>, letter: "A" | "B"): void {
    const from = this.prompt(view.prompt);
    const next = from && continued(from, output);
    if (!next) return this.announce("This answer has no text to go on from");
    this.change(`Prompt from ${view.view}:${Date.now()}`, (ws) => {
      const at = letter === "A" ? 0 : 1;
      const id = ws.prompts[at]?.id ?? ["p", "q", "r"].find((free) => !ws.prompts.some((p) => p.id === free)) ?? "";
      ws.prompts[at] = { id, ...next };
    });
    this.announce(`Prompt ${letter} is now the text with what was written`);
  }

  /** Pins what the pointer or the keys are on: always, or only where nothing is pinned. Whether anything is pinned then. */
  pinHovered(source: string, always = false): boolean {
    const { hover, pin } = this.bus;
    const there = hover !== null && Object.entries(hover).every(([key, at]) => at.every((i) => pin[key]?.includes(i)));
    if (hover !== null && !there && (always || isEmpty(pin))) this.bus.togglePin(hover, source, "replace");
    this.pin = { ...this.bus.pin };
    return !isEmpty(this.pin);
  }

  /** Puts what is pinned into slot A of the comparison, or into B where A has something. */
  compareNext(): void {
    if (!this.pinHovered("compare")) return this.announce("Nothing is pinned: pin what is to be compared, then press c");
    const [a] = this.bus.compare;
    if (equal(a, this.bus.pin)) return this.announce("This is in slot A; pin something else for slot B");
    const slot = isEmpty(a) ? 0 : 1;
    this.bus.setCompare(slot, this.bus.pin, "compare");
    this.announce(slot === 0 ? "In slot A of the comparison; pin something else and press c for slot B" : "In slot B of the comparison");
  }

  compareNothing(): void {
    this.bus.setCompare(0, null, "compare");
    this.bus.setCompare(1, null, "compare");
    this.announce("Nothing is compared");
  }

  // ---- path

  go(step: number): void {
    const path = this.ws.path ?? [];
    this.step = Math.max(0, Math.min(path.length - 1, step));
    const now = path[this.step];
    if (!now) return;
    const pin = now.show?.pin && readSelection($state.snapshot(now.show.pin));
    if (pin) this.setPin(pin, "path");
    this.announce(`Step ${this.step + 1} of ${path.length}: ${now.title}`);
  }
}
