"""OLMo 2: norms after the layers, on what they add to the stream, and norms of q and k over all heads together."""

import math

import torch

from .family import SMALL, Family
from .trace import Trace, frequencies, head_rms_norm, rotate, visible

VARIANTS = {
    "olmo2": {
        **SMALL,
        "model_type": "olmo2",
        "architectures": ["Olmo2ForCausalLM"],
        "hidden_size": 24,
        "intermediate_size": 28,
        "tie_word_embeddings": False,
        "rope_theta": 5000.0,
        "pad_token_id": 0,
    },
}


def forward(config, weights, tokens):
    t = Trace(weights)
    at, linear, eps = t.at, t.linear, config.rms_norm_eps
    length, width = len(tokens), config.hidden_size // config.num_attention_heads
    turns = frequencies(width, config.rope_parameters["rope_theta"])

    def heads_of(name, x):
        return at(name, x.view(length, -1, width))

    def normed(parameter, x):
        return head_rms_norm(x.flatten(1), weights[f"{parameter}.weight"], eps).view(x.shape)

    x = at("embed", weights["model.embed_tokens.weight"][torch.tensor(tokens)])
    for i in range(config.num_hidden_layers):
        block, layer = f"blocks.{i}", f"model.layers.{i}"
        attn = f"{layer}.self_attn"
        x = at(f"{block}.resid_pre", x)
        q = heads_of(f"{block}.attn.q", linear(f"{attn}.q_proj", x))
        k = heads_of(f"{block}.attn.k", linear(f"{attn}.k_proj", x))
        v = heads_of(f"{block}.attn.v", linear(f"{attn}.v_proj", x))
        q, k = rotate(normed(f"{attn}.q_norm", q), turns), rotate(normed(f"{attn}.k_norm", k), turns)
        summed = t.attention(block, q, k, v, weights[f"{attn}.o_proj.weight"], visible(length), math.sqrt(width))
        attn_out = t.rms_norm(f"{block}.ln1_post", f"{layer}.post_attention_layernorm", summed, eps)
        x = at(f"{block}.resid_mid", x + at(f"{block}.attn_out", attn_out))
        pre = at(f"{block}.mlp.pre", linear(f"{layer}.mlp.gate_proj", x))
        pre_linear = at(f"{block}.mlp.pre_linear", linear(f"{layer}.mlp.up_proj", x))
        post = at(f"{block}.mlp.post", pre * pre.sigmoid() * pre_linear)
        down = linear(f"{layer}.mlp.down_proj", post)
        mlp_out = t.rms_norm(f"{block}.ln2_post", f"{layer}.post_feedforward_layernorm", down, eps)
        x = at(f"{block}.resid_post", x + at(f"{block}.mlp_out", mlp_out))
    y = t.rms_norm("ln_final", "model.norm", x, eps)
    at("logits", y @ weights["lm_head.weight"].T)
    return t.points


def hooks(model):
    for i, layer in enumerate(model.model.layers):
        block, attn, mlp = f"blocks.{i}", layer.self_attn, layer.mlp
        yield from [
            (f"{block}.resid_pre", layer, True),
            (f"{block}.resid_post", layer, False),
            (f"{block}.resid_mid", mlp, True),
            (f"{block}.attn.q", attn.q_proj, False),
            (f"{block}.attn.k", attn.k_proj, False),
            (f"{block}.attn.v", attn.v_proj, False),
            (f"{block}.attn.z", attn.o_proj, True),
            (f"{block}.attn_out", layer.post_attention_layernorm, False),
            (f"{block}.mlp.pre", mlp.gate_proj, False),
            (f"{block}.mlp.pre_linear", mlp.up_proj, False),
            (f"{block}.mlp.post", mlp.down_proj, True),
            (f"{block}.mlp_out", layer.post_feedforward_layernorm, False),
        ]


FAMILY = Family(variants=VARIANTS, forward=forward, hooks=hooks)
