"""Llama, Mistral, Qwen2, Qwen3 and SmolLM3."""

import math

import torch

from .family import SMALL, Family
from .trace import Trace, frequencies, head_rms_norm, rotate, visible

# What is particular about each. Configurations exist in an older form (`rope_theta`, `rope_scaling`) and, since
# transformers 5, a newer one (`rope_parameters`); both occur here, as both occur in the wild.
VARIANTS = {
    "llama": {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "tie_word_embeddings": True,
        "rope_theta": 10000.0,
    },
    "llama-biases": {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "tie_word_embeddings": False,
        "head_dim": 12,
        "attention_bias": True,
        "mlp_bias": True,
        "rope_theta": 100.0,
        # With these, wavelengths fall into all three ranges: kept, blended and stretched.
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    },
    "mistral": {
        "model_type": "mistral",
        "architectures": ["MistralForCausalLM"],
        "tie_word_embeddings": False,
        "rope_theta": 1000.0,
        "sliding_window": 3,
    },
    "qwen2": {
        "model_type": "qwen2",
        "architectures": ["Qwen2ForCausalLM"],
        "tie_word_embeddings": False,
        "rope_theta": 1000000.0,
        # Stated but switched off, as in the published models: it must have no effect.
        "use_sliding_window": False,
        "sliding_window": 3,
        "max_window_layers": 0,
    },
    "qwen2-tied": {
        "model_type": "qwen2",
        "architectures": ["Qwen2ForCausalLM"],
        "num_hidden_layers": 3,
        "tie_word_embeddings": True,
        "rope_theta": 10000.0,
        "use_sliding_window": True,
        "sliding_window": 4,
        "max_window_layers": 1,
    },
    "qwen3": {
        "model_type": "qwen3",
        "architectures": ["Qwen3ForCausalLM"],
        "tie_word_embeddings": True,
        "head_dim": 16,
        "num_key_value_heads": 1,
        "attention_bias": False,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
    },
    "smollm3": {
        "model_type": "smollm3",
        "architectures": ["SmolLM3ForCausalLM"],
        "num_hidden_layers": 3,
        "tie_word_embeddings": True,
        "no_rope_layers": [1, 0, 1],
        "no_rope_layer_interval": 2,
        "pad_token_id": 0,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0},
    },
}


def inverse_frequencies(config):
    """Per pair of coordinates; with Llama 3.1's stretching of long wavelengths if asked for."""
    rope = config.rope_parameters
    plain = frequencies(head_width(config), rope["rope_theta"])
    if rope["rope_type"] == "default":
        return plain
    assert rope["rope_type"] == "llama3", rope
    turns = rope["original_max_position_embeddings"] * plain / (2 * math.pi)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return kept * plain + (1 - kept) * plain / rope["factor"]


def head_width(config):
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def window(config, layer):
    kinds = getattr(config, "layer_types", None)
    slides = kinds[layer] == "sliding_attention" if kinds else config.model_type in ("mistral", "mixtral")
    return config.sliding_window if slides else None


def dense(t, _config, block, layer, x):
    """A gated MLP."""
    pre = t.at(f"{block}.mlp.pre", t.linear(f"{layer}.mlp.gate_proj", x))
    pre_linear = t.at(f"{block}.mlp.pre_linear", t.linear(f"{layer}.mlp.up_proj", x))
    post = t.at(f"{block}.mlp.post", pre * pre.sigmoid() * pre_linear)
    return t.linear(f"{layer}.mlp.down_proj", post)


def forward(config, weights, tokens, feed=dense):
    t = Trace(weights)
    at, linear, eps = t.at, t.linear, config.rms_norm_eps

    def head_norm(parameter, x):
        gain = weights.get(f"{parameter}.weight")
        return x if gain is None else head_rms_norm(x, gain, eps)

    length, width = len(tokens), head_width(config)
    turns = inverse_frequencies(config)
    x = at("embed", weights["model.embed_tokens.weight"][torch.tensor(tokens)])
    for i in range(config.num_hidden_layers):
        block, layer = f"blocks.{i}", f"model.layers.{i}"
        x = at(f"{block}.resid_pre", x)
        y = t.rms_norm(f"{block}.ln1", f"{layer}.input_layernorm", x, eps)
        q = at(f"{block}.attn.q", linear(f"{layer}.self_attn.q_proj", y).view(length, -1, width))
        k = at(f"{block}.attn.k", linear(f"{layer}.self_attn.k_proj", y).view(length, -1, width))
        v = at(f"{block}.attn.v", linear(f"{layer}.self_attn.v_proj", y).view(length, -1, width))
        q, k = head_norm(f"{layer}.self_attn.q_norm", q), head_norm(f"{layer}.self_attn.k_norm", k)
        if not hasattr(config, "no_rope_layers") or config.no_rope_layers[i]:
            q, k = rotate(q, turns), rotate(k, turns)
        out, mask = weights[f"{layer}.self_attn.o_proj.weight"], visible(length, window(config, i))
        attn_out = t.attention(block, q, k, v, out, mask, math.sqrt(width))
        if f"{layer}.self_attn.o_proj.bias" in weights:
            attn_out = attn_out + weights[f"{layer}.self_attn.o_proj.bias"]
        x = at(f"{block}.resid_mid", x + at(f"{block}.attn_out", attn_out))
        y = t.rms_norm(f"{block}.ln2", f"{layer}.post_attention_layernorm", x, eps)
        mlp_out = at(f"{block}.mlp_out", feed(t, config, block, layer, y))
        x = at(f"{block}.resid_post", x + mlp_out)
    y = t.rms_norm("ln_final", "model.norm", x, eps)
    unembed = weights.get("lm_head.weight", weights["model.embed_tokens.weight"])
    at("logits", y @ unembed.T)
    return t.points


def hooks(model):
    for i, layer in enumerate(model.model.layers):
        block, attn, mlp = f"blocks.{i}", layer.self_attn, layer.mlp
        yield from [
            (f"{block}.resid_pre", layer, True),
            (f"{block}.resid_post", layer, False),
            (f"{block}.resid_mid", layer.post_attention_layernorm, True),
            (f"{block}.attn.q", attn.q_proj, False),
            (f"{block}.attn.k", attn.k_proj, False),
            (f"{block}.attn.v", attn.v_proj, False),
            (f"{block}.attn.z", attn.o_proj, True),
            (f"{block}.attn_out", attn.o_proj, False),
            (f"{block}.mlp_out", mlp, False),
        ]
        if hasattr(mlp, "gate_proj"):
            yield from mlp_hooks(f"{block}.mlp", mlp)


def mlp_hooks(part, mlp):
    yield from [
        (f"{part}.pre", mlp.gate_proj, False),
        (f"{part}.pre_linear", mlp.up_proj, False),
        (f"{part}.post", mlp.down_proj, True),
    ]


FAMILY = Family(
    variants={name: {**SMALL, **config} for name, config in VARIANTS.items()},
    forward=forward,
    hooks=hooks,
)
