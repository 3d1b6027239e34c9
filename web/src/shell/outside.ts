// Views that a program of the user's works out. One that a workspace brought runs only after the person said so: what is
// allowed is kept by the page, never in workspaces, and ends where another workspace is opened.

import type { ViewInfo } from "../api";
import type { PlacedView, Workspace } from "./workspace";

/** Ids of views to the names of the programs that they may run. */
export type Allowed = Record<string, string>;

export const program = (view: string) => `pellucid-view-${view}`;

/** Whether a view has to be allowed before it is asked. */
export function waits(info: ViewInfo, view: PlacedView, allowed: Allowed): boolean {
  return info.outside && allowed[view.id] !== program(view.view);
}

/** What was allowed, out of storage that may hold anything. */
export function readAllowed(kept: unknown): Allowed {
  if (typeof kept !== "object" || kept === null) return {};
  return Object.fromEntries(Object.entries(kept).filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

/**
 * What stays allowed when a workspace is read anew from its file: views that would ask their program what they asked it
 * when it was allowed. The file may have been changed by somebody else.
 */
export function stillAllowed(allowed: Allowed, before: Workspace, now: Workspace): Allowed {
  const question = (ws: Workspace, id: string) => {
    const view = ws.views.find((v) => v.id === id);
    if (!view) return null;
    const model = ws.models.find((m) => m.id === view.model);
    const prompt = ws.prompts.find((p) => p.id === view.prompt);
    return JSON.stringify([view.view, model?.reference, prompt?.text, prompt?.tokens, Object.entries(view.parameters).sort()]);
  };
  return Object.fromEntries(
    Object.entries(allowed).filter(([id]) => {
      const asked = question(now, id);
      return asked !== null && asked === question(before, id);
    }),
  );
}
