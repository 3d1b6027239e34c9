// Every call to the server.

import type { Arr, Figure } from "./figures/types";

export interface Listed {
  /** What it is opened by. */
  model: string;
  name: string;
  format: string;
  architecture?: string | null;
  /** Why it cannot be opened, where it cannot. */
  problem?: string | null;
  bytes: number;
}

export interface Sizes {
  n_layers: number;
  n_heads: number;
  d_model: number;
  d_mlp?: number | null;
  d_vocab?: number | null;
  n_ctx?: number | null;
}

export interface Opened {
  id: string;
  reference: string;
  name: string;
  card: Record<string, unknown>;
  sizes: Sizes;
  points: { name: string; axes: string[] }[];
  checkpoints: number[];
  /** SHA-256 of the weights. */
  weights: string;
  /** Its training has not ended: it is opened again from time to time. */
  training: boolean;
  fits: Record<string, string | null>;
  /** Whether it has a chat template. */
  chat: boolean;
}

/** The part of JSON schema that parameters of views use. */
export interface Schema {
  type?: string | string[];
  format?: string;
  description?: string;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  enum?: unknown[];
  const?: unknown;
  oneOf?: Schema[];
  anyOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  $ref?: string;
  $defs?: Record<string, Schema>;
}

export interface ViewInfo {
  name: string;
  shelf: string;
  summary: string;
  help: string;
  schema: Schema;
  output_schema: Schema;
  needs_network: boolean;
  revision: number;
  /** Not of the program itself: worked out by the user's own `pellucid-view-NAME`. */
  outside: boolean;
}

/** What the page is to begin with, as it was asked on the command line; once for each start of the program. */
export interface Start {
  id: string;
  models: string[];
  prompts: string[];
  workspace: string | null;
}

export interface ServerState {
  version: string;
  start: Start;
  models: Listed[];
  opened: Opened[];
  views: ViewInfo[];
}

export type JobState = "queued" | "running" | "done" | "failed" | "cancelled";

export interface Job {
  /** Counted by the program from its start: after a restart the same number is another job, which its key tells. */
  id: number;
  key: string;
  state: JobState;
  done: number;
  of: number;
  text: string;
  error: string | null;
}

export interface Ask {
  model: string;
  view: string;
  parameters: Record<string, unknown>;
  edits: string[];
  against?: string;
  /** That the prompt is a message, put into the model's chat template. */
  chat?: boolean;
  /** That the person let the program of an outside view run. */
  allowed?: boolean;
}

export interface Artifact {
  key: string;
  kind: string;
  view: string;
  model: string;
  parameters: Record<string, unknown>;
  edits: string[];
  provenance: Record<string, unknown>;
  figure: Figure;
}

export interface Tokens {
  ids: number[];
  tokens: string[];
}

/** An answer of the server that is no success: one line that says what to do. */
export class Refusal extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly line?: number,
  ) {
    super(message);
  }
}

/** The program is not there, or was started anew with another token: what was asked may be asked again later. */
export class Away extends Refusal {}

/** This tab, for the stream of events. Kept over a reload, so that jobs are found again. */
export const tab: string = (() => {
  const fresh = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
  try {
    const kept = sessionStorage.getItem("pellucid.tab") ?? fresh();
    sessionStorage.setItem("pellucid.tab", kept);
    return kept;
  } catch {
    return fresh();
  }
})();

async function answer(path: string, init?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...init });
  } catch (error) {
    if (init?.signal?.aborted) throw error;
    throw new Away("The program does not answer; is it still running?", 0);
  }
  if (response.ok) return response;
  if (response.status === 401) {
    throw new Away("The program does not know this page; open the address that it printed when it started.", 401);
  }
  let message = `${response.status} ${response.statusText}`;
  let line: number | undefined;
  try {
    const body = (await response.json()) as { error?: string; line?: number };
    if (typeof body.error === "string") message = body.error;
    if (typeof body.line === "number") line = body.line;
  } catch {
    // The status says all there is.
  }
  throw new Refusal(message, response.status, line);
}

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await answer(path, signal ? { signal } : undefined)).json()) as T;
}

const remove = async (path: string): Promise<void> => void (await answer(path, { method: "DELETE" }));

async function send<T>(method: "POST" | "PUT", path: string, body: unknown): Promise<T> {
  const init = { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return (await (await answer(path, init)).json()) as T;
}

const part = encodeURIComponent;

export const api = {
  state: () => get<ServerState>("/api/state"),
  open: (reference: string) => send<Opened>("POST", "/api/open", { reference }),
  tokens: (model: string, text: string, chat = false) => send<Tokens>("POST", "/api/tokens", { model, text, ...(chat ? { chat } : {}) }),
  vocabulary: (model: string, q: string, limit = 20, signal?: AbortSignal) =>
    get<{ id: number; token: string }[]>(`/api/vocabulary?model=${part(model)}&q=${part(q)}&limit=${limit}`, signal),
  edit: (model: string, edit: string, chat = false) => send<{ edit: string; point: string }>("POST", "/api/edits", { model, edit, ...(chat ? { chat } : {}) }),
  ask: (ask: Ask) => send<Job>("POST", "/api/jobs", { ...ask, tab }),
  jobs: () => get<Job[]>(`/api/jobs?tab=${part(tab)}`),
  cancel: (id: number) => remove(`/api/jobs/${id}?tab=${part(tab)}`),
  artifact: (key: string) => get<Artifact>(`/api/artifacts/${part(key)}`),
  /** The typed answer that a figure was drawn from. */
  output: (key: string) => get<Record<string, unknown>>(`/api/artifacts/${part(key)}/export.json`),
  exportAddress: (key: string, form: string) => `/api/artifacts/${part(key)}/export.${form}`,
  workspaces: () => get<{ name: string; title: string; builtin: boolean }[]>("/api/workspaces"),
  workspace: (name: string) => get<{ name: string; text: string; workspace: unknown }>(`/api/workspaces/${part(name)}`),
  saveWorkspace: (name: string, body: { text: string } | { workspace: unknown }) =>
    send<{ name: string; text: string; workspace: unknown }>("PUT", `/api/workspaces/${part(name)}`, body),
  /** A workspace as the text that it would be saved as. */
  workspaceText: (workspace: unknown) => send<{ text: string }>("POST", "/api/workspaces/text", { workspace }),
  removeWorkspace: (name: string) => remove(`/api/workspaces/${part(name)}`),
};

const ARRAYS = {
  f32: { bytes: 4, read: (v: DataView, i: number) => v.getFloat32(i, true) },
  f64: { bytes: 8, read: (v: DataView, i: number) => v.getFloat64(i, true) },
  u32: { bytes: 4, read: (v: DataView, i: number) => v.getUint32(i, true) },
  i64: { bytes: 8, read: (v: DataView, i: number) => Number(v.getBigInt64(i, true)) },
  u8: { bytes: 1, read: (v: DataView, i: number) => v.getUint8(i) },
} as const;

/** Raw little-endian numbers as an array; `dtype` as the server names it. */
export function decode(buffer: ArrayBuffer, dtype: string): ArrayLike<number> {
  if (!(dtype in ARRAYS)) throw new Refusal(`The server sent an array of the unknown type ${dtype}.`, 0);
  const kind = ARRAYS[dtype as keyof typeof ARRAYS];
  const n = Math.floor(buffer.byteLength / kind.bytes);
  const little = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
  if (little && dtype === "f32") return new Float32Array(buffer, 0, n);
  if (little && dtype === "f64") return new Float64Array(buffer, 0, n);
  if (little && dtype === "u32") return new Uint32Array(buffer, 0, n);
  if (dtype === "u8") return new Uint8Array(buffer, 0, n);
  const view = new DataView(buffer);
  return Array.from({ length: n }, (_, i) => kind.read(view, i * kind.bytes));
}

/** The numbers of an array that a figure gives only by reference. */
export async function loadArray(a: Arr, q?: { slice?: Record<string, number>; pool?: number }): Promise<Arr> {
  if (!a.ref) return a;
  const query = new URLSearchParams();
  const slice = Object.entries(q?.slice ?? {});
  if (slice.length) query.set("slice", slice.map(([dim, index]) => `${dim}:${index}`).join(","));
  if (q?.pool) query.set("pool", `maxabs:${q.pool}`);
  const tail = query.size ? `?${query}` : "";
  const response = await answer(a.ref + tail);
  const gone = new Set(slice.map(([dim]) => dim));
  const dims = a.dims.filter((dim) => !gone.has(dim));
  const said = response.headers.get("X-Shape");
  const shape = said === null ? a.shape.filter((_, i) => !gone.has(a.dims[i] ?? "")) : said.split(",").filter(Boolean).map(Number);
  const dtype = response.headers.get("X-Dtype") ?? a.dtype ?? "f32";
  return { dims, shape, dtype, data: decode(await response.arrayBuffer(), dtype) };
}
