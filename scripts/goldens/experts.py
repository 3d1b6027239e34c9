"""Mixtures of experts: Mixtral, Qwen2-MoE (with a shared expert) and Qwen3-MoE."""

import torch

from . import llama
from .family import SMALL, Family

SMALL = {
    **SMALL,
    "hidden_size": 16,
    "intermediate_size": 20,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "tie_word_embeddings": False,
    "rope_theta": 1000.0,
}

VARIANTS = {
    "mixtral": {
        **SMALL,
        "model_type": "mixtral",
        "architectures": ["MixtralForCausalLM"],
        "num_local_experts": 3,
        "num_experts_per_tok": 2,
        "sliding_window": 3,
    },
    # Transformers writes a window of 0 where there is none.
    "qwen2-moe": {
        **SMALL,
        "model_type": "qwen2_moe",
        "architectures": ["Qwen2MoeForCausalLM"],
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 12,
        "shared_expert_intermediate_size": 10,
        "norm_topk_prob": False,
        "use_sliding_window": False,
        "sliding_window": 0,
    },
    # Only the last block has experts, more than the tokens of a prompt go to.
    "qwen3-moe": {
        **SMALL,
        "model_type": "qwen3_moe",
        "architectures": ["Qwen3MoeForCausalLM"],
        "hidden_size": 12,
        "intermediate_size": 14,
        "head_dim": 8,
        "num_experts": 6,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 10,
        "norm_topk_prob": True,
        "num_hidden_layers": 4,
        "decoder_sparse_step": 2,
        "mlp_only_layers": [1],
    },
}

LAYOUTS = {
    "mlp.router.*": "[pos, expert]",
    "mlp.experts.*": "[pos, neuron], zeros where a token did not go to the expert",
    "mlp.experts.*.out, mlp.shared.out": "[pos, d_model], what is added to the layer's output",
    "mlp.shared.weight": "[pos]",
}


def gated(t, block, part, rows, length, gate_up, down, x):
    """A gated MLP of those rows of `length` that are in `x`; at its points the others are zeros."""

    def at(name, value):
        everywhere = torch.zeros(length, value.shape[1], dtype=value.dtype).index_copy(0, rows, value)
        return t.at(f"{block}.mlp.{part}.{name}", everywhere)[rows]

    gate, up = gate_up
    pre, pre_linear = at("pre", x @ gate.T), at("pre_linear", x @ up.T)
    return at("post", pre * pre.sigmoid() * pre_linear) @ down.T


def feed(t, config, block, layer, x):
    if f"{layer}.mlp.gate.weight" not in t.weights:
        return llama.dense(t, config, block, layer, x)
    length, router = len(x), f"{block}.mlp.router"
    probs = t.at(f"{router}.probs", t.at(f"{router}.logits", t.linear(f"{layer}.mlp.gate", x)).softmax(-1))
    chosen = torch.zeros_like(probs).scatter(1, probs.topk(config.num_experts_per_tok).indices, 1.0)
    weights = probs * chosen
    if getattr(config, "norm_topk_prob", True):
        weights = weights / weights.sum(-1, keepdim=True)
    weights = t.at(f"{router}.weights", weights)
    total = torch.zeros_like(x)
    stacks = t.weights[f"{layer}.mlp.experts.gate_up_proj"], t.weights[f"{layer}.mlp.experts.down_proj"]
    for e, (gate_up, down) in enumerate(zip(*stacks)):
        rows = chosen[:, e].nonzero().flatten()
        out = gated(t, block, f"experts.{e}", rows, length, gate_up.chunk(2), down, x[rows])
        added = torch.zeros_like(x).index_copy(0, rows, out * weights[rows, e, None])
        total = total + t.at(f"{block}.mlp.experts.{e}.out", added)
    shared = f"{layer}.mlp.shared_expert"
    if f"{shared}.down_proj.weight" not in t.weights:
        return total
    gate_up = [t.weights[f"{shared}.{which}_proj.weight"] for which in ("gate", "up")]
    out = gated(t, block, "shared", torch.arange(length), length, gate_up, t.weights[f"{shared}.down_proj.weight"], x)
    weight = t.at(f"{block}.mlp.shared.weight", t.linear(f"{shared}_gate", x).sigmoid().flatten())
    return total + t.at(f"{block}.mlp.shared.out", weight[:, None] * out)


def forward(config, weights, tokens):
    return llama.forward(config, weights, tokens, feed)


def hooks(model):
    yield from llama.hooks(model)
    for i, layer in enumerate(model.model.layers):
        if hasattr(layer.mlp, "gate"):
            yield f"blocks.{i}.mlp.router.logits", layer.mlp.gate, False
        if hasattr(layer.mlp, "shared_expert"):
            yield from llama.mlp_hooks(f"blocks.{i}.mlp.shared", layer.mlp.shared_expert)


def unstacked(model_type, name, tensor):
    """A parameter of Hugging Face's model, or its gradient, as the file's tensors: one for each expert."""
    moe, gate, up, down = "mlp", "gate_proj", "up_proj", "down_proj"
    if model_type == "mixtral":
        moe, gate, up, down = "block_sparse_moe", "w1", "w3", "w2"
    name = name.replace(".mlp.", f".{moe}.")
    if ".experts." not in name:
        return {name: tensor}
    prefix = name.rpartition(".")[0]
    if "gate_up" not in name:
        return {f"{prefix}.{e}.{down}.weight": matrix for e, matrix in enumerate(tensor)}
    halves = [(f"{prefix}.{e}", matrix.chunk(2)) for e, matrix in enumerate(tensor)]
    return {f"{expert}.{which}.weight": half for expert, both in halves for which, half in zip((gate, up), both)}


def stored(variant, weights):
    model_type = VARIANTS[variant]["model_type"]
    tensors = [unstacked(model_type, name, weight) for name, weight in weights.items()]
    return {name: tensor.contiguous() for each in tensors for name, tensor in each.items()}


def pieces(config, name, gradient):
    return unstacked(config.model_type, name, gradient)


FAMILY = Family(
    variants=VARIANTS, forward=forward, hooks=hooks, stored=stored, pieces=pieces, layouts=LAYOUTS
)
