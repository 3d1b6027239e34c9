// The workspace over time: kept by the page by itself, saved under a name by the program, and told in the address.

import { api, Refusal } from "../api";
import type { Desk } from "./desk.svelte";
import { validName, writeLink } from "./link";
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
const BAD_NAME = "A name has letters, digits, spaces, dots, lines and underscores, and begins with a letter or digit.";

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));

export class Saving {
  /** What the workspace is saved as. */
  name = $state<string | null>(null);
  /** Changed since it was saved. */
  dirty = $state(false);
  /** The hash that this page wrote. */
  address = "";
  private saveTimer: ReturnType<typeof setTimeout> | undefined;
  private linkTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly desk: Desk;

  constructor(desk: Desk) {
    this.desk = desk;
  }

  /** Takes up what the page kept, or opens a saved workspace. */
  async restore(name: string | null): Promise<void> {
    const saved = this.saved();
    const allowed = readAllowed(saved?.allowed);
    if (name !== null && !(saved?.name === name && saved.dirty === true)) {
      await this.load(name);
      if (saved?.name !== name || this.name !== name) return;
      try {
        const before = readWorkspace(saved.workspace);
        this.desk.allowed = stillAllowed(allowed, before, this.desk.ws);
        if (before.selection) this.desk.bus.restore(before.selection);
      } catch {
        // Nothing is allowed or pinned, then.
      }
      return;
    }
    if (!saved?.workspace) return;
    try {
      this.desk.take(readWorkspace(saved.workspace));
      this.desk.allowed = allowed;
      this.name = typeof saved.name === "string" && validName(saved.name) ? saved.name : null;
      this.dirty = saved.dirty === true;
    } catch {
      this.desk.take(firstWorkspace());
    }
  }

  private saved(): Kept | null {
    try {
      return JSON.parse(localStorage.getItem(AUTOSAVE) ?? "null") as Kept | null;
    } catch {
      return null;
    }
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
    if (!this.desk.ready) return;
    try {
      localStorage.setItem(AUTOSAVE, JSON.stringify({ name: this.name, dirty: this.dirty, workspace: this.desk.document(), allowed: this.desk.allowed }));
    } catch {
      // Full or forbidden storage: saving by name still works.
    }
  }

  link(): string {
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
      this.desk.take(readWorkspace(found.workspace));
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

  begin(): void {
    this.desk.take(firstWorkspace());
    this.name = null;
    this.dirty = false;
    this.keep();
  }
}
