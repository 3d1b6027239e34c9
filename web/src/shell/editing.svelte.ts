// Edits of the network: where what is pinned can be edited, and changes of the list.

import { api, type Opened } from "../api";
import type { Desk } from "./desk.svelte";
import { pinned, type Target, targets } from "./edits";
import { isChat, modelSpace, vocabularySpace } from "./models.svelte";

export class Editing {
  /** Which edit the dialog changes; none for a new one. */
  index = $state<number | null>(null);
  private readonly desk: Desk;

  constructor(desk: Desk) {
    this.desk = desk;
  }

  /** Where what is pinned can be edited: of the first model that has pins. */
  readonly targets = $derived.by((): { model: Opened | null; list: Target[] } => {
    const { ws, pin, models } = this.desk;
    const open = ws.models.flatMap((m) => models.opened[m.reference] ?? []);
    for (const model of open) {
      const prompts = ws.prompts.flatMap((p) => models.promptSpace(model, p) ?? []);
      const perKey = Number(model.card?.["n_heads"]) / Number(model.card?.["n_kv_heads"]) || 1;
      const list = targets(pinned(pin, [modelSpace(model), vocabularySpace(model)], prompts), model.points, perKey);
      if (list.length) return { model, list };
    }
    return { model: open[0] ?? null, list: [] };
  });

  /** Opens the form, for an edit of the list or for a new one. */
  open(index: number | null): void {
    this.index = index;
    this.desk.dialog = "edit";
  }

  openPinned(): void {
    if (!this.desk.pinHovered("edit")) this.desk.announce("Nothing is pinned: choose the point in the form");
    this.open(null);
  }

  /** Edits as the program understands them. */
  private async checked(texts: readonly string[], model: Opened | null): Promise<string[]> {
    if (!model) throw new Error("No model is open yet.");
    // The prompt that an edit takes from is read as the one that it changes is.
    const chat = this.desk.ws.prompts.some((prompt) => isChat(model, prompt));
    const out: string[] = [];
    for (const text of texts) out.push((await api.edit(model.id, text, chat)).edit);
    return out;
  }

  /** Adds edits, or says why that cannot be. */
  async add(texts: readonly string[], model: Opened | null): Promise<string | null> {
    return this.make(texts, model, (made) => {
      this.desk.change(`Add edit:${Date.now()}`, (ws) => ws.edits.push(...made.map((text) => ({ text, on: true }))));
      this.desk.announce(`Added ${made.join(", ")}`);
    });
  }

  /** Puts another edit in the place of one, or says why that cannot be. */
  async change(index: number, text: string, model: Opened | null): Promise<string | null> {
    return this.make([text], model, ([made]) => {
      if (made === undefined || !this.desk.ws.edits[index]) return;
      this.desk.change(`Change edit:${Date.now()}`, (ws) => void (ws.edits[index].text = made));
      this.desk.announce(`Changed to ${made}`);
    });
  }

  private async make(texts: readonly string[], model: Opened | null, take: (made: string[]) => void): Promise<string | null> {
    try {
      take(await this.checked(texts, model));
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}
