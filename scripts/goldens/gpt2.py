"""GPT-2: learned positions, norms with mean and bias, one matrix for q, k and v, and matrices stored [ins, outs]."""

import math

import torch

from .family import Family
from .trace import Trace, gelu, gelu_tanh, visible

SMALL = {
    "model_type": "gpt2",
    "architectures": ["GPT2LMHeadModel"],
    "vocab_size": 128,
    "n_embd": 24,
    "n_layer": 2,
    "n_head": 3,
    "n_positions": 16,
    "layer_norm_epsilon": 1e-5,
    "activation_function": "gelu_new",
    "bos_token_id": 1,
    "eos_token_id": 2,
    "dtype": "float32",
}

VARIANTS = {
    # Named as OpenAI's own files are: without a prefix, and with the causal mask among the tensors.
    "gpt2": {**SMALL, "n_ctx": 16},
    "gpt2-untied": {
        **SMALL,
        "n_inner": 40,
        "activation_function": "gelu",
        "scale_attn_weights": False,
        "scale_attn_by_inverse_layer_idx": True,
        "tie_word_embeddings": False,
    },
}

ACTIVATIONS = {"gelu_new": gelu_tanh, "gelu": gelu}


def forward(config, weights, tokens):
    t = Trace(weights)
    at, eps, heads = t.at, config.layer_norm_epsilon, config.n_head
    length, width = len(tokens), config.n_embd // heads

    def linear(name, x):
        return x @ weights[f"{name}.weight"] + weights[f"{name}.bias"]

    x = at("embed", weights["transformer.wte.weight"][torch.tensor(tokens)])
    x = x + at("pos_embed", weights["transformer.wpe.weight"][:length])
    for i in range(config.n_layer):
        block, layer = f"blocks.{i}", f"transformer.h.{i}"
        x = at(f"{block}.resid_pre", x)
        y = t.layer_norm(f"{block}.ln1", f"{layer}.ln_1", x, eps)
        q, k, v = linear(f"{layer}.attn.c_attn", y).view(length, 3, heads, width).unbind(1)
        q, k, v = at(f"{block}.attn.q", q), at(f"{block}.attn.k", k), at(f"{block}.attn.v", v)
        divisor = math.sqrt(width) if config.scale_attn_weights else 1.0
        divisor *= i + 1 if config.scale_attn_by_inverse_layer_idx else 1
        out = weights[f"{layer}.attn.c_proj.weight"].T
        summed = t.attention(block, q, k, v, out, visible(length), divisor)
        attn_out = at(f"{block}.attn_out", summed + weights[f"{layer}.attn.c_proj.bias"])
        x = at(f"{block}.resid_mid", x + attn_out)
        y = t.layer_norm(f"{block}.ln2", f"{layer}.ln_2", x, eps)
        pre = at(f"{block}.mlp.pre", linear(f"{layer}.mlp.c_fc", y))
        post = at(f"{block}.mlp.post", ACTIVATIONS[config.activation_function](pre))
        mlp_out = at(f"{block}.mlp_out", linear(f"{layer}.mlp.c_proj", post))
        x = at(f"{block}.resid_post", x + mlp_out)
    y = t.layer_norm("ln_final", "transformer.ln_f", x, eps)
    at("logits", y @ weights.get("lm_head.weight", weights["transformer.wte.weight"]).T)
    return t.points


def hooks(model):
    yield "embed", model.transformer.wte, False
    for i, layer in enumerate(model.transformer.h):
        block = f"blocks.{i}"
        yield from [
            (f"{block}.resid_pre", layer, True),
            (f"{block}.resid_post", layer, False),
            (f"{block}.resid_mid", layer.ln_2, True),
            (f"{block}.attn.z", layer.attn.c_proj, True),
            (f"{block}.attn_out", layer.attn, False),
            (f"{block}.mlp.pre", layer.mlp.c_fc, False),
            (f"{block}.mlp.post", layer.mlp.c_proj, True),
            (f"{block}.mlp_out", layer.mlp, False),
        ]


def stored(variant, weights):
    if variant != "gpt2":
        return weights
    n = VARIANTS[variant]["n_ctx"]
    masks = {f"h.{i}.attn.bias": torch.ones(1, 1, n, n).tril() for i in range(SMALL["n_layer"])}
    return {name.removeprefix("transformer."): tensor for name, tensor in weights.items()} | masks


def pieces(_config, name, gradient):
    if "attn.c_attn" in name:
        return {f"{name}[{piece}]": part.t() for piece, part in zip("qkv", gradient.chunk(3, dim=-1))}
    return {name: gradient.t() if ".c_" in name else gradient}


FAMILY = Family(variants=VARIANTS, forward=forward, hooks=hooks, stored=stored, pieces=pieces)
