// What a view asks the program: its parameters, its prompt, and the edits that are on.

import type { Ask } from "../api";
import type { Desk } from "./desk.svelte";
import { isChat } from "./models.svelte";
import { program, waits } from "./outside";
import type { Field } from "./schema";
import type { PlacedView, Shown } from "./workspace";

/** What to ask, of which weights if they are still being trained; or what is waited for, what the person has to give, why it cannot be, and which program would run. */
export type Request = { ask: Ask; weights?: string } | { wait: string } | { missing: string } | { unfit: string } | { closed: string; reference: string } | { program: string };

/** The value that a view is asked with: the pin's where it follows, else its own. */
export function valueOf(desk: Desk, view: PlacedView, field: Field): unknown {
  const own = view.parameters[field.name] ?? null;
  if (field.kind === "other prompt" && own === null && field.required) return besides(desk, view);
  if (!field.followed || view.follow[field.followed] !== true) return own;
  const pinned = desk.pin[`${field.name}@${desk.space(view, field.name)}`]?.at(-1);
  if (pinned === undefined || (field.max !== undefined && pinned > field.max)) return own;
  return pinned;
}

/** What the page's first prompt besides a view's own says; null without one. */
function besides(desk: Desk, view: PlacedView): unknown {
  const mine = desk.prompt(view.prompt);
  const other = desk.ws.prompts.find((p) => p.id !== mine?.id);
  return other?.tokens ?? (other?.text === "" ? null : (other?.text ?? null));
}

export function request(desk: Desk, view: PlacedView, shown: Shown): Request {
  const info = desk.info(view.view);
  if (!info) return { unfit: `This program has no view ${view.view}.` };
  const reference = desk.reference(view.model);
  const model = desk.models.opened[reference];
  if (!model) {
    const failed = desk.models.failed[reference];
    return failed ? { closed: `${reference} cannot be opened: ${failed}`, reference } : { wait: `Opening ${reference}` };
  }
  const why = model.fits[view.view];
  if (why) return { unfit: `${model.name}: ${why}. Choose another model above, or remove the view.` };
  if (waits(info, view, desk.allowed)) return { program: program(view.view) };
  const parameters: Record<string, unknown> = {};
  let chat = false;
  for (const field of desk.fields(view)) {
    if (field.kind === "prompt") {
      const prompt = desk.prompt(view.prompt);
      const value = prompt?.tokens ?? prompt?.text ?? null;
      if (value !== null && value.length > 0) [parameters[field.name], chat] = [value, isChat(model, prompt)];
      else if (field.required) return { missing: "Write a prompt above." };
      continue;
    }
    const value = valueOf(desk, view, field);
    if (value !== null) parameters[field.name] = value;
    else if (field.kind === "other prompt" && field.required) return { missing: `Add a second prompt above, or write ${field.name} into the parameters.` };
    else if (field.required) return { missing: `Choose ${field.name} in the parameters above${field.followed ? ", or pin one" : ""}.` };
  }
  const edits = shown === "before" || !info.needs_network ? [] : desk.ws.edits.filter((e) => e.on).map((e) => e.text);
  const ask: Ask = { model: model.id, view: view.view, parameters, edits };
  if (info.outside) ask.allowed = true;
  if (chat) ask.chat = true;
  const against = other(desk, view, shown);
  if (against) ask.against = against;
  // The same question is another one when the network has learnt something.
  return model.training ? { ask, weights: model.weights } : { ask };
}

/** The prompt or the model beside which a view is shown. */
function other(desk: Desk, view: PlacedView, shown: Shown): string | undefined {
  if (shown === "models") return desk.ws.models.find((m) => m.id !== view.model)?.reference;
  if (shown !== "prompts") return undefined;
  const prompt = desk.ws.prompts.find((p) => p.id !== view.prompt);
  return prompt?.tokens?.join(",") ?? prompt?.text;
}
