#!/usr/bin/env python3
"""Makes tests/golden/NAME: a small random network for each variant of an architecture, and what it must compute.

    python3 -m venv .venv && .venv/bin/pip install torch==2.15.0 transformers==5.23.0 safetensors
    .venv/bin/python scripts/make_goldens.py [NAME...]

Each folder holds `config.json` and `model.safetensors` as Hugging Face writes them, `golden.safetensors` with every
named activation and gradient, and `origin.json`, which says how they came about and how they are laid out.

The activations come from `forward` below: the network once more in f64, written out so that every named point is a
tensor of the graph. It is held against Hugging Face's own model, loaded from the written folder: logits, hidden
states, attention patterns, the inputs and outputs of every linear layer, the loss and all parameter gradients must
agree to 1e-6 (Hugging Face's code takes norms, softmax and rotations through f32 whatever the model's type, so that
is what can be asked), or nothing is written.
"""

import json
import math
import shutil
import sys
import zlib
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"

# Two prompts of unequal length, each run alone. Tokens repeat, so that attention has something to match.
PROMPTS = [[5, 17, 99, 5, 17, 64, 127], [3, 88, 3, 41]]

ACTIVATION_TOLERANCE = 1e-6
GRADIENT_TOLERANCE = 1e-5

SMALL = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 44,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "bos_token_id": 1,
    "eos_token_id": 2,
    "dtype": "float32",
}

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


def randomise(model, seed):
    """Fills every parameter so that none could be left out unnoticed: gains are not 1, biases are not 0, and
    attention is far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=generator)
        if name.endswith("bias"):
            values *= 0.3
        elif parameter.ndim == 1:
            values = 1.0 + 0.3 * values
        elif "embed_tokens" in name:
            values *= 0.7
        else:
            values *= 1.4 / math.sqrt(parameter.shape[1])
        parameter.data.copy_(values)


def inverse_frequencies(config):
    """Of the rotation, per pair of coordinates, in f64; with Llama 3.1's stretching of long wavelengths if asked for."""
    rope = config.rope_parameters
    width = head_width(config)
    frequencies = rope["rope_theta"] ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    if rope["rope_type"] == "default":
        return frequencies
    assert rope["rope_type"] == "llama3", rope
    turns = rope["original_max_position_embeddings"] * frequencies / (2 * math.pi)
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return kept * frequencies + (1 - kept) * frequencies / rope["factor"]


def head_width(config):
    return getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads


def rotate(x, frequencies):
    """Rotates [pos, head, d_head] by position, pairing coordinate i with i + d_head / 2."""
    angles = torch.arange(x.shape[0], dtype=torch.float64)[:, None] * frequencies
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


def visible(config, layer, length):
    """[dst, src]: which positions each position attends to."""
    dst, src = torch.arange(length)[:, None], torch.arange(length)[None]
    mask = src <= dst
    kinds = getattr(config, "layer_types", None)
    slides = kinds[layer] == "sliding_attention" if kinds else config.model_type == "mistral"
    if slides and config.sliding_window is not None:
        mask &= src > dst - config.sliding_window
    return mask


def forward(config, weights, tokens):
    """Every named point of one prompt, in order, as tensors of one graph; f64, no batch axis."""
    points = {}

    def at(name, value):
        # A name of its own for each place, even where two places hold the same values.
        points[name] = value.clone()
        return points[name]

    def linear(name, x):
        y = x @ weights[f"{name}.weight"].T
        return y + weights[f"{name}.bias"] if f"{name}.bias" in weights else y

    def norm(place, parameter, x):
        scale = at(f"{place}.scale", (x.square().mean(-1) + config.rms_norm_eps).sqrt())
        return at(f"{place}.normalized", x / scale[..., None]) * weights[f"{parameter}.weight"]

    def head_norm(parameter, x):
        if f"{parameter}.weight" not in weights:
            return x
        return x / (x.square().mean(-1, keepdim=True) + config.rms_norm_eps).sqrt() * weights[f"{parameter}.weight"]

    length, heads, width = len(tokens), config.num_attention_heads, head_width(config)
    frequencies = inverse_frequencies(config)
    x = at("embed", weights["model.embed_tokens.weight"][torch.tensor(tokens)])
    for i in range(config.num_hidden_layers):
        block, layer = f"blocks.{i}", f"model.layers.{i}"
        x = at(f"{block}.resid_pre", x)
        y = norm(f"{block}.ln1", f"{layer}.input_layernorm", x)
        q = at(f"{block}.attn.q", linear(f"{layer}.self_attn.q_proj", y).view(length, -1, width))
        k = at(f"{block}.attn.k", linear(f"{layer}.self_attn.k_proj", y).view(length, -1, width))
        v = at(f"{block}.attn.v", linear(f"{layer}.self_attn.v_proj", y).view(length, -1, width))
        q, k = head_norm(f"{layer}.self_attn.q_norm", q), head_norm(f"{layer}.self_attn.k_norm", k)
        if not hasattr(config, "no_rope_layers") or config.no_rope_layers[i]:
            q, k = rotate(q, frequencies), rotate(k, frequencies)
        q, k = at(f"{block}.attn.rot_q", q), at(f"{block}.attn.rot_k", k)
        group = heads // config.num_key_value_heads
        k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
        scores = torch.einsum("dhw,shw->hds", q, k) / math.sqrt(width)
        scores = scores.masked_fill(~visible(config, i, length), -math.inf)
        scores = at(f"{block}.attn.attn_scores", scores)
        pattern = at(f"{block}.attn.pattern", scores.softmax(-1))
        z = at(f"{block}.attn.z", torch.einsum("hds,shw->dhw", pattern, v))
        out = weights[f"{layer}.self_attn.o_proj.weight"].view(config.hidden_size, heads, width)
        result = at(f"{block}.attn.result", torch.einsum("phw,mhw->phm", z, out))
        attn_out = result.sum(1)
        if f"{layer}.self_attn.o_proj.bias" in weights:
            attn_out = attn_out + weights[f"{layer}.self_attn.o_proj.bias"]
        x = at(f"{block}.resid_mid", x + at(f"{block}.attn_out", attn_out))
        y = norm(f"{block}.ln2", f"{layer}.post_attention_layernorm", x)
        pre = at(f"{block}.mlp.pre", linear(f"{layer}.mlp.gate_proj", y))
        pre_linear = at(f"{block}.mlp.pre_linear", linear(f"{layer}.mlp.up_proj", y))
        post = at(f"{block}.mlp.post", pre * pre.sigmoid() * pre_linear)
        mlp_out = at(f"{block}.mlp_out", linear(f"{layer}.mlp.down_proj", post))
        x = at(f"{block}.resid_post", x + mlp_out)
    y = norm("ln_final", "model.norm", x)
    unembed = weights.get("lm_head.weight", weights["model.embed_tokens.weight"])
    at("logits", y @ unembed.T)
    return points


def loss_of(logits, tokens):
    """Mean cross entropy, in nats, of each next token."""
    return torch.nn.functional.cross_entropy(logits[:-1], torch.tensor(tokens[1:]))


def theirs(model, tokens):
    """What Hugging Face's own model computes, under our names, as far as it can be reached by hooks."""
    seen, handles = {}, []

    def record(name, take_input):
        def hook(_module, inputs, output):
            value = inputs[0] if take_input else output
            seen[name] = (value[0] if isinstance(value, tuple) else value).detach()[0]

        return hook

    for i, layer in enumerate(model.model.layers):
        block, attn, mlp = f"blocks.{i}", layer.self_attn, layer.mlp
        for name, module, take_input in [
            (f"{block}.resid_pre", layer, True),
            (f"{block}.resid_post", layer, False),
            (f"{block}.resid_mid", layer.post_attention_layernorm, True),
            (f"{block}.attn.q", attn.q_proj, False),
            (f"{block}.attn.k", attn.k_proj, False),
            (f"{block}.attn.v", attn.v_proj, False),
            (f"{block}.attn.z", attn.o_proj, True),
            (f"{block}.attn_out", attn.o_proj, False),
            (f"{block}.mlp.pre", mlp.gate_proj, False),
            (f"{block}.mlp.pre_linear", mlp.up_proj, False),
            (f"{block}.mlp.post", mlp.down_proj, True),
            (f"{block}.mlp_out", mlp, False),
        ]:
            handles.append(module.register_forward_hook(record(name, take_input)))
    output = model(torch.tensor([tokens]), output_attentions=True)
    for handle in handles:
        handle.remove()
    for i, pattern in enumerate(output.attentions):
        seen[f"blocks.{i}.attn.pattern"] = pattern.detach()[0]
    seen["logits"] = output.logits.detach()[0]
    return seen, output.logits[0]


def agree(name, ours, reference, tolerance):
    """Holds ours against the reference, by relative error, which is returned."""
    reference = reference.double()
    error = (ours.detach().reshape(reference.shape) - reference).norm() / reference.norm().clamp_min(1e-30)
    assert error <= tolerance, f"{name}: relative error {error:.2e}"
    return error.item()


def goldens(folder):
    """For the model in `folder`: the tensors of golden.safetensors, the points in order, and the largest relative error
    of an activation against Hugging Face."""
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float64)
    model.eval()
    config = model.config
    weights = {n: p.detach().clone().requires_grad_() for n, p in model.named_parameters()}
    tensors, worst = {}, 0.0
    for number, tokens in enumerate(PROMPTS):
        points = forward(config, weights, tokens)
        reference, logits = theirs(model, tokens)
        for name, value in reference.items():
            worst = max(worst, agree(name, points[name], value, ACTIVATION_TOLERANCE))
        tensors[f"{number}/tokens"] = torch.tensor(tokens)
        tensors |= {f"{number}/{name}": value.detach() for name, value in points.items()}
        if number == 0:
            for value in points.values():
                value.retain_grad()
            loss = loss_of(points["logits"], tokens)
            loss.backward()
            loss_of(logits, tokens).backward()
            tensors["loss"] = loss.detach()
            tensors |= {f"grad/{name}": value.grad for name, value in points.items()}
            for name, parameter in model.named_parameters():
                agree(f"gradient of {name}", weights[name].grad, parameter.grad, GRADIENT_TOLERANCE)
                tensors[f"grad_param/{name}"] = weights[name].grad
    as_stored = {n: (t if t.dtype == torch.int64 else t.float()).contiguous().clone() for n, t in tensors.items()}
    return as_stored, list(points), worst


def origin(name, points, worst):
    return {
        "made_by": "scripts/make_goldens.py",
        "variant": name,
        "versions": {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__},
        "weights": "random; seed = CRC-32 of the variant's name",
        "computed_in": "f64 from the f32 weights, rounded to f32 when written",
        "largest_relative_error_against_hugging_face": float(f"{worst:.1e}"),
        "tensors": {
            "N/tokens": "i64 [pos], the tokens of prompt N; each prompt was run alone",
            "N/POINT": "activation at POINT in prompt N",
            "loss": "mean next-token cross entropy of prompt 0 in nats",
            "grad/POINT": "derivative of that loss by the activation at POINT",
            "grad_param/PARAMETER": "derivative of that loss by a parameter, named as in model.safetensors",
        },
        "layouts": {
            "embed, resid_*, attn_out, mlp_out, *.normalized": "[pos, d_model]",
            "*.scale": "[pos]",
            "attn.q, attn.rot_q, attn.z": "[pos, query head, d_head]",
            "attn.k, attn.rot_k, attn.v": "[pos, key/value head, d_head]",
            "attn.attn_scores, attn.pattern": "[query head, pos/dst, pos/src]",
            "attn.result": "[pos, query head, d_model]",
            "mlp.*": "[pos, neuron]",
            "logits": "[pos, d_vocab]",
        },
        "points_in_order": points,
    }


def make(name):
    config = {**SMALL, **VARIANTS[name], "transformers_version": transformers.__version__}
    folder = GOLDEN / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    randomise(model, zlib.crc32(name.encode()))
    weights = {n: p.detach().clone() for n, p in model.named_parameters()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tensors, points, worst = goldens(folder)
    save_file(tensors, folder / "golden.safetensors")
    (folder / "origin.json").write_text(json.dumps(origin(name, points, worst), indent=2) + "\n")
    sizes = ", ".join(f"{p.name} {p.stat().st_size / 1000:.0f} kB" for p in sorted(folder.glob("*.safetensors")))
    print(f"{name}: {len(points)} points, worst disagreement {worst:.1e}; {sizes}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    for variant in sys.argv[1:] or VARIANTS:
        make(variant)
