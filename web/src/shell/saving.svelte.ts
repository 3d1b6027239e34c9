// The workspace over time: kept by the page by itself, saved under a name by the program, and told in the address.

import { api, Refusal, type Start } from "../api";
import type { Desk } from "./desk.svelte";
import { type Link, validName, writeLink } from "./link";
import { readAllowed, stillAllowed } from "./outside";
import { firstWorkspace, readWorkspace } from "./workspace";

/** Why a workspace could not be saved, and in which line of its text if that is known. */
export interface Fault {
  why: string;
  line?: number;
}

/** What the page keeps, as far as it can be trusted. */
interface Kept {
  name?: unknown;
  dirty?: unknown;
  workspace?: unknown;
  allowed?: unknown;
}

const AUTOSAVE = "pellucid.desk";
/** What was not saved when another workspace was opened in its place. */
const ASIDE = "pellucid.aside";
/** The start of the program of which this browser has taken what was asked. */
const STARTED = "pellucid.start";
const BAD_NAME = "A name has letters, digits, blanks, - and _, at most 100.";

function read(key: string): Kept | null {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null") as Kept | null;
  } catch {
    return null;
  }
}

function write(key: string, kept: Kept | null): void {
  try {
    if (kept === null) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify(kept));
  } catch {
    // Full or forbidden storage: saving by name still works.
  }
}

function isNew(start: Start): boolean {
  try {
    return localStorage.getItem(STARTED) !== start.id;
  } catch {
    return true;
  }
}

const title = (workspace: unknown): string | null => {
  const words = (workspace as { title?: unknown } | null | undefined)?.title;
  return typeof words === "string" ? words : null;
};

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));

export class Saving {
  /** What the workspace is saved as. */
  name = $state<string | null>(null);
  /** Changed since it was saved. */
  dirty = $state(false);
  /** The hash that this page wrote. */
  address = "";
  /** A workspace that the address names, while what is here is not saved: the person chooses. */
  asked = $state.raw<Link | null>(null);
  /** What was not saved when another took its place, by its title. */
  aside = $state<string | null>(null);
  /** That something was put aside, as long as the person has not heard of it. */
  told = $state(true);
  private saveTimer: ReturnType<typeof setTimeout> | undefined;
  private linkTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly desk: Desk;

  constructor(desk: Desk) {
    this.desk = desk;
  }

  /** Takes up what the page kept, then what the command line asks, which holds once, or what the address asks. True where that is not kept yet. */
  async begin(link: Link, start: Start): Promise<boolean> {
    this.aside = title(read(ASIDE)?.workspace);
    const kept = read(AUTOSAVE);
    this.put(kept);
    let taken = false;
    if (link.ws !== null) await this.follow(link, kept);
    else if (isNew(start)) taken = await this.take(start);
    if (Object.keys(link.sel).length > 0 && this.asked === null) this.desk.setPin(link.sel, "link");
    return taken;
  }

  /** Puts on the page what a browser kept. */
  private put(kept: Kept | null): boolean {
    if (!kept?.workspace) return false;
    try {
      this.desk.take(readWorkspace(kept.workspace));
    } catch {
      return false;
    }
    this.desk.allowed = readAllowed(kept.allowed);
    this.name = typeof kept.name === "string" && validName(kept.name) ? kept.name : null;
    this.dirty = kept.dirty === true;
    return true;
  }

  private async follow(link: Link, kept: Kept | null): Promise<void> {
    if (link.ws === null || (this.dirty && this.name === link.ws)) return;
    if (this.dirty) return void (this.asked = link);
    const same = this.name === link.ws;
    if ((await this.load(link.ws)) !== null || !same) return;
    // The file may be another by now; what is selected, and which programs may run, was never in it.
    try {
      const before = readWorkspace(kept?.workspace);
      this.desk.allowed = stillAllowed(readAllowed(kept?.allowed), before, this.desk.ws);
      if (before.selection) this.desk.bus.restore(before.selection);
    } catch {
      // Nothing is allowed or selected, then.
    }
  }

  private async take(start: Start): Promise<boolean> {
    const asks = start.models.length > 0 || start.prompts.length > 0;
    if (start.workspace !== null) {
      if ((await this.load(start.workspace)) !== null) return false;
    } else if (asks) this.fresh();
    if (asks) this.desk.beginWith(start.models, start.prompts);
    try {
      localStorage.setItem(STARTED, start.id);
    } catch {
      // It is taken anew with each reload, then.
    }
    return asks || start.workspace !== null;
  }

  /** Opens what the address asked for, or stays with what is here. */
  async choose(open: boolean): Promise<void> {
    const link = this.asked;
    this.asked = null;
    if (open && link?.ws && (await this.load(link.ws)) === null && Object.keys(link.sel).length > 0) this.desk.setPin(link.sel, "link");
    this.keep();
  }

  /** Keeps what is not saved, before another takes its place. */
  private setAside(): void {
    if (!this.dirty) return;
    write(ASIDE, this.kept());
    [this.aside, this.told] = [this.desk.ws.title, false];
  }

  /** Puts back what was not saved; what is here goes where that was. */
  restore(): void {
    const before = read(ASIDE);
    const now = this.dirty ? this.kept() : null;
    if (!this.put(before)) return this.desk.announce("What was open before cannot be read");
    this.aside = now && title(now.workspace);
    this.told = true;
    write(ASIDE, now);
    this.keep();
    this.desk.announce(`Restored ${this.desk.ws.title}`);
  }

  private kept(): Kept {
    return { name: this.name, dirty: this.dirty, workspace: this.desk.document(), allowed: this.desk.allowed };
  }

  /** Writes to the tab's storage and the address, a moment after the last change. */
  keep(): void {
    if (!this.desk.ready) return;
    clearTimeout(this.saveTimer);
    this.saveTimer = setTimeout(() => this.flush(), 400);
    clearTimeout(this.linkTimer);
    this.linkTimer = setTimeout(() => this.link(), 300);
  }

  flush(): void {
    if (this.desk.ready) write(AUTOSAVE, this.kept());
  }

  link(): string {
    if (this.asked !== null) return location.href;
    const hash = writeLink({ ws: this.name, sel: this.desk.bus.pin });
    if (hash !== this.address) {
      this.address = hash;
      history.replaceState(null, "", hash || location.pathname);
    }
    return location.href;
  }

  /** For when the program cannot save it: as JSON, which the workspace dialog takes as text. */
  async copy(): Promise<void> {
    try {
      await navigator.clipboard.writeText(JSON.stringify(this.desk.document(), null, 2));
      this.desk.announce("Copied; paste it in the workspace dialog, as text");
    } catch {
      this.desk.announce("The browser does not let this page copy");
    }
  }

  async load(name: string): Promise<string | null> {
    try {
      const found = await api.workspace(name);
      const read = readWorkspace(found.workspace);
      this.setAside();
      this.desk.take(read);
      this.name = found.name;
      this.dirty = false;
      this.keep();
      this.desk.announce(`Opened ${found.name}`);
      return null;
    } catch (error) {
      this.desk.announce(message(error));
      this.desk.problem = this.desk.ready ? this.desk.problem : `The workspace ${name} cannot be opened: ${message(error)}`;
      return message(error);
    }
  }

  /** Saves what is on the page, or a text in its place. */
  async save(name: string, text?: string): Promise<Fault | null> {
    if (!validName(name)) return { why: BAD_NAME };
    try {
      const saved = await api.saveWorkspace(name, text === undefined ? { workspace: this.desk.document() } : { text });
      if (text !== undefined) this.desk.take(readWorkspace(saved.workspace));
      this.name = saved.name;
      this.dirty = false;
      this.keep();
      this.desk.announce(`Saved as ${saved.name}`);
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
    this.desk.announce(`${from} is now called ${to}`);
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
    this.desk.announce(`Deleted ${name}`);
    return null;
  }

  /** Begins with nothing but the first workspace. */
  fresh(): void {
    this.setAside();
    this.desk.take(firstWorkspace());
    this.name = null;
    this.dirty = false;
    this.keep();
  }
}
