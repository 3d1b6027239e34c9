"""GPT-NeoX (Pythia): rotation of part of each head, one matrix for q, k and v in which they alternate head by head,
and attention and feed-forward layer side by side or one after the other."""

import math

import torch

from .family import Family
from .trace import Trace, frequencies, gelu, gelu_tanh, rotate, visible

SMALL = {
    "model_type": "gpt_neox",
    "architectures": ["GPTNeoXForCausalLM"],
    "vocab_size": 128,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "layer_norm_eps": 1e-5,
    "hidden_act": "gelu",
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "dtype": "float32",
}

# Named as Pythia's configuration is, and as transformers 5 writes it.
VARIANTS = {
    "neox": {**SMALL, "use_parallel_residual": True, "rotary_pct": 0.34, "rotary_emb_base": 10000},
    "neox-sequential": {
        **SMALL,
        "use_parallel_residual": False,
        "attention_bias": False,
        "hidden_act": "gelu_fast",
        "rope_parameters": {"rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 1.0},
    },
}

ACTIVATIONS = {"gelu": gelu, "gelu_fast": gelu_tanh}


def forward(config, weights, tokens):
    t = Trace(weights)
    at, eps, heads = t.at, config.layer_norm_eps, config.num_attention_heads
    length, width = len(tokens), config.hidden_size // heads
    rope = config.rope_parameters
    turns = frequencies(int(width * rope["partial_rotary_factor"]), rope["rope_theta"])

    x = at("embed", weights["gpt_neox.embed_in.weight"][torch.tensor(tokens)])
    for i in range(config.num_hidden_layers):
        block, layer = f"blocks.{i}", f"gpt_neox.layers.{i}"
        x = at(f"{block}.resid_pre", x)
        y = t.layer_norm(f"{block}.ln1", f"{layer}.input_layernorm", x, eps)
        q, k, v = t.linear(f"{layer}.attention.query_key_value", y).view(length, heads, 3, width).unbind(2)
        q, k, v = at(f"{block}.attn.q", q), at(f"{block}.attn.k", k), at(f"{block}.attn.v", v)
        out = weights[f"{layer}.attention.dense.weight"]
        attn_out = t.attention(block, rotate(q, turns), rotate(k, turns), v, out, visible(length), math.sqrt(width))
        if config.attention_bias:
            attn_out = attn_out + weights[f"{layer}.attention.dense.bias"]
        summed = x + at(f"{block}.attn_out", attn_out)
        if not config.use_parallel_residual:
            x = summed = at(f"{block}.resid_mid", summed)
        y = t.layer_norm(f"{block}.ln2", f"{layer}.post_attention_layernorm", x, eps)
        pre = at(f"{block}.mlp.pre", t.linear(f"{layer}.mlp.dense_h_to_4h", y))
        post = at(f"{block}.mlp.post", ACTIVATIONS[config.hidden_act](pre))
        mlp_out = at(f"{block}.mlp_out", t.linear(f"{layer}.mlp.dense_4h_to_h", post))
        x = at(f"{block}.resid_post", summed + mlp_out)
    y = t.layer_norm("ln_final", "gpt_neox.final_layer_norm", x, eps)
    at("logits", y @ weights["lm_head.weight"].T)
    return t.points


def hooks(model):
    for i, layer in enumerate(model.gpt_neox.layers):
        block = f"blocks.{i}"
        yield from [
            (f"{block}.resid_pre", layer, True),
            (f"{block}.resid_post", layer, False),
            (f"{block}.attn.z", layer.attention.dense, True),
            (f"{block}.attn_out", layer.attention, False),
            (f"{block}.mlp.pre", layer.mlp.dense_h_to_4h, False),
            (f"{block}.mlp.post", layer.mlp.dense_4h_to_h, True),
            (f"{block}.mlp_out", layer.mlp, False),
        ]
        if not layer.use_parallel_residual:
            yield f"{block}.resid_mid", layer.post_attention_layernorm, True


def in_files(name):
    # Files keep the unembedding under this name, whatever transformers calls it in memory.
    return "embed_out.weight" if name == "lm_head.weight" else name


def stored(_variant, weights):
    return {in_files(name): tensor for name, tensor in weights.items()}


def pieces(config, name, gradient):
    if "query_key_value" not in name:
        return {in_files(name): gradient}
    by_head = gradient.unflatten(0, (config.num_attention_heads, 3, -1))
    return {f"{name}[{piece}]": by_head[:, j].flatten(0, 1) for j, piece in enumerate("qkv")}


FAMILY = Family(variants=VARIANTS, forward=forward, hooks=hooks, stored=stored, pieces=pieces)
