// Texts of edits from what is pinned.

import type { Selection } from "../figures/bus";

export type Op = { op: "zero" } | { op: "scale"; by: number } | { op: "patch"; from: string };

export function opText(op: Op): string {
  if (op.op === "zero") return "zero";
  return op.op === "scale" ? `*${op.by}` : `patch:${op.from}`;
}

const list = (indices: readonly number[]) => [...indices].sort((a, b) => a - b).join("|");

/**
 * Where the pins of a model and a prompt lie: a head's `attn.z`, a neuron's `mlp.post`, else the stream after a block.
 * Pins of several layers give a place each. Nothing where no layer is pinned, for every edit needs one.
 */
export function places(pin: Selection, modelSpace: string, promptSpace: string | null): string[] {
  const at = (dim: string) => pin[`${dim}@${modelSpace}`] ?? [];
  const pos = promptSpace === null ? [] : (pin[`pos@${promptSpace}`] ?? []);
  const where = (dim: string, indices: readonly number[]) => (indices.length ? [`${dim}=${list(indices)}`] : []);
  return at("layer").map((layer) => {
    const [heads, neurons] = [at("head"), at("neuron")];
    const [local, inside] = heads.length
      ? ["attn.z", where("head", heads)]
      : neurons.length
        ? ["mlp.post", where("neuron", neurons)]
        : ["resid_post", where("d_model", at("d_model"))];
    const all = [...inside, ...where("pos", pos)];
    return `blocks.${layer}.${local}${all.length ? `[${all.join(",")}]` : ""}`;
  });
}
