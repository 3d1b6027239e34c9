// Models that are open, how they read prompts, and the names of what belongs to them.

import { api, type Opened, type Tokens } from "../api";
import { stream } from "./stream.svelte";
import { hashIds } from "./visible";
import type { Prompt } from "./workspace";

const message = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Milliseconds between looks at a network whose training goes on. */
const LOOK = 3000;

/** Readings of prompts that are kept. */
const READ = 50;

/** Whether a prompt goes to a model through its chat template. */
export const isChat = (model: Opened, prompt: Prompt | null) => model.chat && prompt?.chat === true && !prompt.tokens;

const reading = (model: Opened, prompt: Prompt) => `${model.id}\n${isChat(model, prompt) ? "chat" : "text"}\n${prompt.text ?? ""}`;

export const modelSpace = (model: Opened) => `model:${model.id}`;

/** Checkpoints of one training share their vocabulary. */
export const vocabularySpace = (model: Opened) => `vocab:${model.id.replace(/@[^@]*$/, "")}`;

export class Models {
  opened = $state.raw<Record<string, Opened>>({});
  failed = $state.raw<Record<string, string>>({});
  private opening: readonly string[] = [];
  private read = $state.raw<Record<string, Tokens | { error: string }>>({});
  private readonly asking = new Set<string>();

  /** Opens a reference once; a failure is kept until it is asked for again. */
  async open(reference: string, again = false): Promise<void> {
    if (this.opened[reference] || this.opening.includes(reference)) return;
    if (this.failed[reference] && !again) return;
    this.opening = [...this.opening, reference];
    const { [reference]: _, ...others } = this.failed;
    this.failed = others;
    try {
      const made = await stream.through(() => api.open(reference));
      this.opened = { ...this.opened, [reference]: made };
    } catch (error) {
      this.failed = { ...this.failed, [reference]: message(error) };
    } finally {
      this.opening = this.opening.filter((r) => r !== reference);
    }
  }

  /** Follows trainings: what they have saved since is opened. Gives the way to stop. */
  follow(): () => void {
    const look = async () => {
      for (const { reference, weights } of Object.values(this.opened).filter((model) => model.training)) {
        const now = await api.open(reference).catch(() => null);
        if (now && (now.weights !== weights || !now.training)) this.opened = { ...this.opened, [reference]: now };
      }
      timer = setTimeout(look, LOOK);
    };
    let timer = setTimeout(look, LOOK);
    return () => clearTimeout(timer);
  }

  /** How a model reads a prompt, if that is known already. */
  tokens(model: Opened | null, prompt: Prompt | null): Tokens | { error: string } | null {
    if (!model || !prompt) return null;
    if (prompt.tokens) return { ids: prompt.tokens, tokens: prompt.tokens.map((id) => `#${id}`) };
    return this.read[reading(model, prompt)] ?? null;
  }

  async tokenise(model: Opened, prompt: Prompt): Promise<void> {
    const text = prompt.text ?? "";
    const key = reading(model, prompt);
    if (prompt.tokens || this.read[key] || this.asking.has(key)) return;
    this.asking.add(key);
    let found: Tokens | { error: string };
    try {
      found = text === "" ? { ids: [], tokens: [] } : await stream.through(() => api.tokens(model.id, text, isChat(model, prompt)));
    } catch (error) {
      found = { error: message(error) };
    }
    this.asking.delete(key);
    this.read = { ...Object.fromEntries(Object.entries(this.read).slice(-READ)), [key]: found };
  }

  promptSpace(model: Opened | null, prompt: Prompt | null): string | null {
    const found = this.tokens(model, prompt);
    return found && "ids" in found ? `prompt:${hashIds(found.ids)}` : null;
  }
}
