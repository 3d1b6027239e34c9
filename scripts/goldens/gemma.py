"""Gemma, Gemma 2 and the text part of Gemma 3."""

import math

import torch

from .family import SMALL, Family
from .trace import Trace, frequencies, gelu_tanh, head_rms_norm, rotate, softcap, visible

SMALL = {
    **{name: value for name, value in SMALL.items() if name != "hidden_act"},
    "hidden_size": 24,
    "intermediate_size": 28,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 10,
    "pad_token_id": 0,
}

VARIANTS = {
    # The non-linearity is named as in the first files, which mean the approximation by tanh.
    "gemma": {**SMALL, "model_type": "gemma", "architectures": ["GemmaForCausalLM"], "hidden_act": "gelu"},
    "gemma2": {
        **SMALL,
        "model_type": "gemma2",
        "architectures": ["Gemma2ForCausalLM"],
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": 10,
        "attn_logit_softcapping": 3.0,
        "final_logit_softcapping": 5.0,
        "sliding_window": 3,
    },
    # In the older form, with rotation stretched for the second block alone.
    "gemma3": {
        **SMALL,
        "model_type": "gemma3_text",
        "architectures": ["Gemma3ForCausalLM"],
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": 10,
        "sliding_window": 3,
        "sliding_window_pattern": 2,
        "rope_theta": 1000.0,
        "rope_local_base_freq": 50.0,
        "rope_scaling": {"rope_type": "linear", "factor": 8.0},
    },
    # In the newer form.
    "gemma3-capped": {
        **SMALL,
        "model_type": "gemma3_text",
        "architectures": ["Gemma3ForCausalLM"],
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": 12,
        "sliding_window": 3,
        "layer_types": ["full_attention", "sliding_attention"],
        "final_logit_softcapping": 5.0,
        "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 700.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 40.0},
        },
    },
}


def rotation(config, kind):
    rope = config.rope_parameters.get(kind, config.rope_parameters)
    factor = rope["factor"] if rope["rope_type"] == "linear" else 1.0
    return frequencies(config.head_dim, rope["rope_theta"]) / factor


def forward(config, parameters, tokens):
    # Gains are stored as their difference from 1.
    weights = {name: 1 + value if "norm" in name else value for name, value in parameters.items()}
    t = Trace(weights)
    at, linear, eps = t.at, t.linear, config.rms_norm_eps
    length, around = len(tokens), config.model_type != "gemma"
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * config.num_hidden_layers

    def heads_of(name, x):
        return at(name, x.view(length, -1, config.head_dim))

    def turned(x, parameter, kind):
        gain = weights.get(f"{parameter}.weight")
        return rotate(x if gain is None else head_rms_norm(x, gain, eps), rotation(config, kind))

    def after(place, parameter, x):
        return t.rms_norm(place, parameter, x, eps) if around else x

    embedding = weights["model.embed_tokens.weight"]
    x = at("embed", embedding[torch.tensor(tokens)] * math.sqrt(config.hidden_size))
    for i, kind in enumerate(kinds):
        block, layer, attn = f"blocks.{i}", f"model.layers.{i}", f"model.layers.{i}.self_attn"
        x = at(f"{block}.resid_pre", x)
        y = t.rms_norm(f"{block}.ln1", f"{layer}.input_layernorm", x, eps)
        q, k, v = (heads_of(f"{block}.attn.{which}", linear(f"{attn}.{which}_proj", y)) for which in "qkv")
        q, k = turned(q, f"{attn}.q_norm", kind), turned(k, f"{attn}.k_norm", kind)
        out, mask = weights[f"{attn}.o_proj.weight"], visible(length, config.sliding_window if "sliding" in kind else None)
        divisor = math.sqrt(getattr(config, "query_pre_attn_scalar", config.head_dim))
        cap = config.attn_logit_softcapping if config.model_type == "gemma2" else None
        attn_out = t.attention(block, q, k, v, out, mask, divisor, cap)
        attn_out = after(f"{block}.ln1_post", f"{layer}.post_attention_layernorm", attn_out)
        x = at(f"{block}.resid_mid", x + at(f"{block}.attn_out", attn_out))
        before = f"{layer}.{'pre_feedforward' if around else 'post_attention'}_layernorm"
        y = t.rms_norm(f"{block}.ln2", before, x, eps)
        pre = at(f"{block}.mlp.pre", linear(f"{layer}.mlp.gate_proj", y))
        pre_linear = at(f"{block}.mlp.pre_linear", linear(f"{layer}.mlp.up_proj", y))
        post = at(f"{block}.mlp.post", gelu_tanh(pre) * pre_linear)
        mlp_out = after(f"{block}.ln2_post", f"{layer}.post_feedforward_layernorm", linear(f"{layer}.mlp.down_proj", post))
        x = at(f"{block}.resid_post", x + at(f"{block}.mlp_out", mlp_out))
    logits = t.rms_norm("ln_final", "model.norm", x, eps) @ embedding.T
    cap = getattr(config, "final_logit_softcapping", None)
    at("logits", logits if cap is None else softcap(logits, cap))
    return t.points


def hooks(model):
    yield "embed", model.model.embed_tokens, False
    for i, layer in enumerate(model.model.layers):
        block, attn, mlp = f"blocks.{i}", layer.self_attn, layer.mlp
        around = hasattr(layer, "post_feedforward_layernorm")
        yield from [
            (f"{block}.resid_pre", layer, True),
            (f"{block}.resid_post", layer, False),
            (f"{block}.resid_mid", layer.pre_feedforward_layernorm if around else layer.post_attention_layernorm, True),
            (f"{block}.attn.q", attn.q_proj, False),
            (f"{block}.attn.k", attn.k_proj, False),
            (f"{block}.attn.v", attn.v_proj, False),
            (f"{block}.attn.z", attn.o_proj, True),
            (f"{block}.attn_out", layer.post_attention_layernorm if around else attn, False),
            (f"{block}.mlp.pre", mlp.gate_proj, False),
            (f"{block}.mlp.pre_linear", mlp.up_proj, False),
            (f"{block}.mlp.post", mlp.down_proj, True),
            (f"{block}.mlp_out", layer.post_feedforward_layernorm if around else mlp, False),
        ]


FAMILY = Family(variants=VARIANTS, forward=forward, hooks=hooks, gains=0.0)
