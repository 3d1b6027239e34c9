"""Phi-3: fused q, k and v, fused gate and up, a sliding window, and rotations stretched in one of two ways, by the
length of the prompt."""

import math

import torch

from .family import SMALL, Family
from .trace import Trace, frequencies, rotate, visible

PHI3 = {
    **SMALL,
    "model_type": "phi3",
    "architectures": ["Phi3ForCausalLM"],
    "hidden_size": 24,
    "intermediate_size": 28,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
}

VARIANTS = {
    "phi3": {**PHI3, "sliding_window": 3, "rope_theta": 1000.0},
    "phi3-long": {
        **PHI3,
        "partial_rotary_factor": 0.67,
        "rope_theta": 100.0,
        # Longer than the second prompt and shorter than the first.
        "original_max_position_embeddings": 5,
        "rope_scaling": {
            "type": "longrope",
            "short_factor": [1.0, 1.1, 1.3, 1.7],
            "long_factor": [1.5, 2.0, 4.0, 9.0],
        },
    },
}


def rotation(config, length):
    """Frequencies, and what cos and sin are multiplied by."""
    rope = config.rope_parameters
    width = int(config.hidden_size // config.num_attention_heads * rope["partial_rotary_factor"])
    plain = frequencies(width, rope["rope_theta"])
    if rope["rope_type"] == "default":
        return plain, 1.0
    original = config.original_max_position_embeddings
    stretch = config.max_position_embeddings / original
    factors = rope["long_factor"] if length > original else rope["short_factor"]
    return plain / torch.tensor(factors, dtype=torch.float64), math.sqrt(1 + math.log(stretch) / math.log(original))


def forward(config, weights, tokens):
    t = Trace(weights)
    at, eps, heads, kv_heads = t.at, config.rms_norm_eps, config.num_attention_heads, config.num_key_value_heads
    length, width = len(tokens), config.hidden_size // heads
    turns, amplitude = rotation(config, length)
    x = at("embed", weights["model.embed_tokens.weight"][torch.tensor(tokens)])
    for i in range(config.num_hidden_layers):
        block, layer = f"blocks.{i}", f"model.layers.{i}"
        x = at(f"{block}.resid_pre", x)
        y = t.rms_norm(f"{block}.ln1", f"{layer}.input_layernorm", x, eps)
        fused = t.linear(f"{layer}.self_attn.qkv_proj", y).view(length, -1, width)
        q, k, v = fused.split([heads, kv_heads, kv_heads], dim=1)
        q, k, v = at(f"{block}.attn.q", q), at(f"{block}.attn.k", k), at(f"{block}.attn.v", v)
        q, k = rotate(q, turns, amplitude), rotate(k, turns, amplitude)
        out, mask = weights[f"{layer}.self_attn.o_proj.weight"], visible(length, config.sliding_window)
        attn_out = at(f"{block}.attn_out", t.attention(block, q, k, v, out, mask, math.sqrt(width)))
        x = at(f"{block}.resid_mid", x + attn_out)
        y = t.rms_norm(f"{block}.ln2", f"{layer}.post_attention_layernorm", x, eps)
        pre, pre_linear = t.linear(f"{layer}.mlp.gate_up_proj", y).chunk(2, dim=-1)
        pre, pre_linear = at(f"{block}.mlp.pre", pre), at(f"{block}.mlp.pre_linear", pre_linear)
        post = at(f"{block}.mlp.post", pre * pre.sigmoid() * pre_linear)
        mlp_out = at(f"{block}.mlp_out", t.linear(f"{layer}.mlp.down_proj", post))
        x = at(f"{block}.resid_post", x + mlp_out)
    y = t.rms_norm("ln_final", "model.norm", x, eps)
    at("logits", y @ weights["lm_head.weight"].T)
    return t.points


def hooks(model):
    for i, layer in enumerate(model.model.layers):
        block = f"blocks.{i}"
        yield from [
            (f"{block}.resid_pre", layer, True),
            (f"{block}.resid_post", layer, False),
            (f"{block}.resid_mid", layer.post_attention_layernorm, True),
            (f"{block}.attn.z", layer.self_attn.o_proj, True),
            (f"{block}.attn_out", layer.self_attn, False),
            (f"{block}.mlp.post", layer.mlp.down_proj, True),
            (f"{block}.mlp_out", layer.mlp, False),
        ]


def pieces(config, name, gradient):
    if "qkv_proj" in name:
        width = config.hidden_size // config.num_attention_heads
        rows = [width * n for n in (config.num_attention_heads, *[config.num_key_value_heads] * 2)]
        return {f"{name}[{piece}]": part for piece, part in zip("qkv", gradient.split(rows))}
    if "gate_up_proj" in name:
        return {f"{name}[{piece}]": part for piece, part in zip(("gate", "up"), gradient.chunk(2))}
    return {name: gradient}


FAMILY = Family(variants=VARIANTS, forward=forward, hooks=hooks, pieces=pieces)
