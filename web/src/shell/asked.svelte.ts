// What a view asks, and what it got: one question, and a second one where before stands beside after.

import { untrack } from "svelte";
import type { Figure } from "../figures/types";
import type { Desk } from "./desk.svelte";
import { Question } from "./jobs.svelte";
import { type Request, request } from "./request";
import type { PlacedView, Shown } from "./workspace";

/** Typing is waited for this long; the first question goes at once. */
const PAUSE = 280;

function caveatsOf(f: Figure): string[] {
  const inner = f.kind === "group" ? f.figures : f.kind === "compare" ? [f.a, f.b] : [];
  return [...(f.caveats ?? []), ...inner.flatMap(caveatsOf)];
}

/** Made while a component begins, and gone with it. */
export class Asked {
  readonly question = new Question();
  readonly before = new Question();
  private readonly desk: Desk;
  private readonly view: () => PlacedView;
  private again = $state(0);

  constructor(desk: Desk, view: () => PlacedView) {
    this.desk = desk;
    this.view = view;
    let last = "";
    $effect(() => {
      const key = this.key;
      void this.again;
      const timer = setTimeout(() => untrack(() => this.follow(this.question, key)), last === "" || !key.startsWith('{"ask') ? 0 : PAUSE);
      last = key;
      return () => clearTimeout(timer);
    });
    $effect(() => {
      const key = this.keyBefore;
      void this.again;
      const timer = setTimeout(() => untrack(() => this.follow(this.before, key)), PAUSE);
      return () => clearTimeout(timer);
    });
    $effect(() => () => {
      this.question.clear();
      this.before.clear();
    });
  }

  private follow(question: Question, key: string): void {
    const next = key === "" ? null : (JSON.parse(key) as Request);
    if (next && "ask" in next) void question.ask(next.ask);
    else question.clear();
  }

  readonly editing = $derived.by(() => this.desk.info(this.view().view)?.needs_network === true && this.desk.ws.edits.some((e) => e.on));

  readonly choices = $derived.by(() => {
    const { ws } = this.desk;
    const all: { value: Shown; text: string }[] = [{ value: "after", text: this.editing ? "after edits" : "as it is" }];
    if (this.editing) all.push({ value: "before", text: "before edits" }, { value: "edits", text: "before | after" });
    if (ws.prompts.length > 1 && this.view().prompt !== null) all.push({ value: "prompts", text: "both prompts" });
    if (ws.models.length > 1) all.push({ value: "models", text: "both models" });
    return all;
  });

  /** A choice that makes no sense now is kept for when it does again. */
  readonly shown = $derived.by((): Shown => (this.choices.some((c) => c.value === this.view().show) ? this.view().show : "after"));
  readonly request = $derived.by(() => request(this.desk, this.view(), this.shown));
  private readonly key = $derived(JSON.stringify(this.request));
  private readonly keyBefore = $derived.by(() => (this.shown === "edits" ? JSON.stringify(request(this.desk, this.view(), "before")) : ""));

  readonly busy = $derived.by(() => this.question.busy || this.before.busy);
  readonly main = $derived.by(() => this.question.artifact);

  /** Before and after are a comparison like any other, so its renderer puts both on one scale and offers the difference. */
  readonly drawn = $derived.by((): Figure | null => {
    const after = this.main?.figure ?? null;
    if (this.shown !== "edits" || !after) return after;
    const before = this.before.artifact?.figure;
    return before ? { kind: "compare", a: before, b: after, a_name: "before", b_name: "after" } : null;
  });

  readonly caveats = $derived.by(() => (this.main ? [...new Set(caveatsOf(this.main.figure))] : []));

  /** Texts that are being written, by what they are called. */
  readonly written = $derived.by(() => {
    const texts = [{ name: this.shown === "edits" ? "after" : "", question: this.question }];
    if (this.shown === "edits") texts.unshift({ name: "before", question: this.before });
    const any = texts.some(({ question }) => question.busy && question.job?.text);
    // An answer that was there already was not written now.
    return any ? texts.flatMap(({ name, question }) => (question.busy || question.job?.text ? [{ name, text: question.job?.text ?? "" }] : [])) : [];
  });

  askAgain(): void {
    this.again += 1;
  }

  cancel(): void {
    if (this.question.busy) this.question.cancel();
    if (this.before.busy) this.before.cancel();
  }
}
