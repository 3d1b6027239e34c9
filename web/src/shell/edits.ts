// Edits as text, as the parts of a form, and from what is pinned.

import type { Selection } from "../figures/bus";

export type Op =
  | { op: "zero" }
  | { op: "scale"; by: number }
  | { op: "noise"; sd: number; seed: number }
  /** From a file (`FILE:NAME`, or a capture for a mean) or from the text of another prompt: the mean over its positions, or each. */
  | { op: "mean" | "meanOf" | "add" | "set" | "patch"; from: string }
  | { op: "other"; text: string };

export interface Edit {
  point: string;
  where: string;
  op: Op;
}

// What begins as another comes before it.
const NAMED = { meanOf: "mean:prompt:", mean: "mean:", add: "+", set: "set:", patch: "patch:" } as const;

export function opText(op: Op): string {
  switch (op.op) {
    case "zero":
      return "zero";
    case "scale":
      return `*${op.by}`;
    case "noise":
      return `noise:${op.sd}:${op.seed}`;
    case "other":
      return op.text;
    default:
      return NAMED[op.op] + op.from;
  }
}

export function editText({ point, where, op }: Edit): string {
  return `${point}${where === "" ? "" : `[${where}]`}=${opText(op)}`;
}

function readOp(text: string): Op {
  if (text === "zero") return { op: "zero" };
  const by = /^\*(.+)$/.exec(text)?.[1];
  if (by !== undefined && Number.isFinite(Number(by))) return { op: "scale", by: Number(by) };
  const [, sd, seed] = /^noise:([^:]+)(?::(\d+))?$/.exec(text) ?? [];
  if (sd !== undefined && Number.isFinite(Number(sd))) return { op: "noise", sd: Number(sd), seed: Number(seed ?? 0) };
  for (const [op, start] of Object.entries(NAMED)) {
    if (text.startsWith(start)) return { op: op as keyof typeof NAMED, from: text.slice(start.length) };
  }
  return { op: "other", text };
}

/** The parts of `POINT[WHERE]=OPERATION`; what is written otherwise is left to the program to refuse. */
export function readEdit(text: string): Edit {
  const [, point = "", where = "", op = ""] = /^([^[=]*)(?:\[([^\]]*)\])?=?(.*)$/s.exec(text) ?? [];
  return { point, where, op: readOp(op) };
}

// ---- from pins

export interface Point {
  name: string;
  axes: readonly string[];
}

/** What is pinned of one model: layers, and indices along axes of its points. */
export interface Pinned {
  layers: readonly number[];
  at: Readonly<Record<string, readonly number[]>>;
}

/** A point that what is pinned can be edited at, with a name for each layer. */
export interface Target {
  local: string;
  axes: readonly string[];
  names: readonly string[];
  where: string;
}

/** The pins that lie in the spaces of a model (`model`, `vocab`) or of a prompt; of prompts, the first that has pins. */
export function pinned(pin: Selection, model: readonly string[], prompts: readonly string[]): Pinned {
  const at: Record<string, readonly number[]> = {};
  const prompt = prompts.find((space) => Object.keys(pin).some((key) => key.endsWith(`@${space}`)));
  let layers: readonly number[] = [];
  for (const [key, indices] of Object.entries(pin)) {
    const [dim = "", space = ""] = key.split(/@(.*)/s);
    if (indices.length === 0 || !(model.includes(space) || space === prompt)) continue;
    if (dim === "layer") layers = indices;
    else at[dim] = indices;
  }
  return { layers, at };
}

/** What is most often edited comes first. */
const USUAL = ["resid_post", "attn_out", "mlp_out", "attn.z", "mlp.post", "attn.pattern", "resid_mid", "resid_pre"];
const BY_KEY = new Set(["attn.k", "attn.v", "attn.rot_k"]);
const isPos = (axis: string) => axis === "pos" || axis.startsWith("pos/");

/** `0|3|5..8`, as edits write indices: runs of three or more as ranges without their end. */
function written(indices: readonly number[]): string {
  const sorted = [...new Set(indices)].sort((a, b) => a - b);
  const out: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let j = i;
    while (sorted[j + 1] === (sorted[j] ?? 0) + 1) j += 1;
    if (j - i >= 2) out.push(`${sorted[i]}..${(sorted[j] ?? 0) + 1}`);
    else out.push(...sorted.slice(i, j + 1).map(String));
    i = j + 1;
  }
  return out.join("|");
}

function whereAt(local: string, axes: readonly string[], at: Pinned["at"], headsPerKey: number): string {
  const parts = axes.flatMap((axis) => {
    let indices = at[axis];
    // A cell of a pattern is a pair of positions; at a point with one, what is read lies at the source.
    if (axis === "pos" && (at["pos/dst"] || at["pos/src"])) indices = (BY_KEY.has(local) ? at["pos/src"] : at["pos/dst"]) ?? at["pos"];
    else if (axis === "pos/dst") indices ??= at["pos"];
    // Several heads may share their keys and values.
    else if (axis === "head" && BY_KEY.has(local)) indices = indices?.map((head) => Math.floor(head / headsPerKey));
    return indices?.length ? [`${axis.split("/").at(-1)}=${written(indices)}`] : [];
  });
  return parts.join(",");
}

/**
 * Where pins can be edited: points that have the pinned axes, the usual ones first. Pins of several layers give a name
 * each; without a layer a name stands for those of all blocks.
 */
export function targets({ layers, at }: Pinned, points: readonly Point[], headsPerKey = 1): Target[] {
  if (layers.length === 0 && Object.keys(at).length === 0) return [];
  const found = new Map<string, { axes: readonly string[]; names: string[]; inBlocks: boolean }>();
  for (const { name, axes } of points) {
    const [, layer, inside] = /^blocks\.(\d+)\.(.+)$/.exec(name) ?? [];
    if (inside === undefined ? layers.length > 0 && !axes.includes("d_vocab") : layers.length > 0 && !layers.includes(Number(layer))) continue;
    const local = inside ?? name;
    const known = found.get(local) ?? { axes, names: [], inBlocks: inside !== undefined };
    if (inside === undefined || layers.length > 0) known.names.push(name);
    else known.names = [`blocks.*.${local}`];
    found.set(local, known);
  }
  const units = Object.keys(at).filter((dim) => !isPos(dim));
  const shared = (axes: readonly string[]) => axes.filter((axis) => units.includes(axis)).length;
  const most = Math.max(0, ...[...found.values()].map(({ axes }) => shared(axes)));
  const isCell = Boolean(at["pos/dst"] && at["pos/src"]);
  const order = (local: string, axes: readonly string[]) => {
    if (isCell && local === "attn.pattern" && axes.includes("pos/src")) return -1;
    const usual = USUAL.indexOf(local);
    return usual < 0 ? USUAL.length : usual;
  };
  const wholly = (axes: readonly string[]) => (most > 0 ? shared(axes) === most : Object.keys(at).length === 0 || axes.some(isPos));
  return [...found]
    .filter(([, { axes, names }]) => names.length > 0 && wholly(axes))
    .map(([local, { axes, names }]) => ({ local, axes, names, where: whereAt(local, axes, at, headsPerKey) }))
    .sort((a, b) => order(a.local, a.axes) - order(b.local, b.axes));
}
