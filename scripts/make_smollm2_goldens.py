#!/usr/bin/env python3
"""Makes tests/golden/smollm2: what the real SmolLM2-135M-Instruct (Q4_1) must compute, in compact form.

    python3 -m venv .venv && .venv/bin/pip install torch==2.15.0 transformers==5.23.0 gguf safetensors
    ./run models && .venv/bin/python scripts/make_smollm2_goldens.py

Hugging Face transformers reads the GGUF file and expands it to f32. From those weights the network is computed in f64
by `forward` of make_goldens.py, and held against Hugging Face's own f32 run; how far that one is from f64 is written
to origin.json, and nothing is written if it is further than the tolerances below. Greedy continuations are Hugging
Face's, in f32 with its key/value cache.

Whole activations would be hundreds of megabytes, so most tensors are kept as *sketches*: their L2 norm and eight dot
products with fixed vectors of signs. Each dot product of an error with such a vector is, in the mean square, as large
as the error itself, so that

    sqrt(mean over the eight of (sketch - reference sketch)^2) / reference norm

estimates the relative error of the whole tensor. Sign j of element i is +1 or -1 as bit j of splitmix64(i) is 0 or 1,
where i counts the elements in row-major order from 0 and

    splitmix64(i): z = (i + 1) * 0x9E3779B97F4A7C15; z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
                   z = (z ^ z >> 27) * 0x94D049BB133111EB; return z ^ z >> 31       (all modulo 2^64)

Masked attention scores (minus infinity) count as 0.
"""

import functools
import json
import shutil
from pathlib import Path

import numpy as np
import torch
import transformers
from make_goldens import GOLDEN, forward, loss_of, theirs
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

MODELS = Path(__file__).resolve().parent.parent / "models"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
FOLDER = GOLDEN / "smollm2"

PROMPTS = {
    "france": "The capital of France is",
    "mary": "When Mary and John went to the store, John gave a drink to",
    "code": "fn main() {\n    let xs = vec![1, 2, 3];\n    for x in &xs {\n        println!(\"{}\", x * 2);\n",
    "emoji": "I love 🍕 and 🏳️‍🌈 — naïve café 👩🏽‍🚀!",
    "cjk": "東京は日本の首都です。北京是中国的首都。",
    "repeats": "one two three one two three one two three one two",
}
# Fifteen random tokens twice over: what induction heads are made for.
RANDOM_REPEAT = np.random.default_rng(0).integers(1000, 40000, 15).tolist() * 2

# With gradients; the others are forward only.
WITH_GRADIENTS = ["france", "mary"]
# Previous-token and induction heads among them.
HEADS = [(0, 0), (11, 1), (16, 0), (17, 3), (17, 4), (18, 6), (29, 8)]
SIGNS = 8
GREEDY = 24
TOP = 50
SAMPLE = 500

# Hugging Face's f32 against f64: residual stream per layer and position, patterns absolute, logits absolute.
TOLERANCES = {"resid_relative": 1e-4, "pattern_absolute": 5e-5, "logit_absolute": 1e-3, "gradient_relative": 5e-4}


@functools.cache
def signs(length):
    """[SIGNS, length] of +1 and -1."""
    with np.errstate(over="ignore"):
        z = np.arange(1, length + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    bits = np.stack([(z >> np.uint64(j)) & np.uint64(1) for j in range(SIGNS)])
    return torch.from_numpy(1.0 - 2.0 * bits.astype(np.float64))


def sketch(x):
    """The sketch of each row of x: [..., n] to norms [...] and dot products [..., SIGNS]."""
    x = x.detach().double()
    x = torch.where(x.isinf(), torch.zeros_like(x), x)
    return x.norm(dim=-1), x @ signs(x.shape[-1]).T


def sketches(prefix, tensors):
    """Sketches of whole tensors, one row each."""
    rows = [sketch(t.reshape(-1)) for t in tensors]
    return {f"{prefix}_norm": torch.stack([n for n, _ in rows]), f"{prefix}_sketch": torch.stack([s for _, s in rows])}


def at_position(position, name, value):
    """A point's values at one position: at that destination of a pattern."""
    return value[:, position] if name.endswith(("attn_scores", "pattern")) else value[position]


def greedy(model, tokens):
    """Hugging Face's greedy continuation, and how far the first choice was ahead of the second at each step."""
    chosen, gaps, cache, step = [], [], None, torch.tensor([tokens])
    for _ in range(GREEDY):
        output = model(step, past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        best = output.logits[0, -1].topk(2)
        chosen.append(best.indices[0].item())
        gaps.append((best.values[0] - best.values[1]).item())
        step = best.indices[None, :1]
    return {"greedy": torch.tensor(chosen), "greedy_gap": torch.tensor(gaps)}


def residual_stream(points, layers):
    """[layer, pos, d_model]: embed, then each block's resid_post."""
    return torch.stack([points["embed"]] + [points[f"blocks.{i}.resid_post"] for i in range(layers)])


def compare(model, points, tokens):
    """How far Hugging Face's f32 run is from the f64 one."""
    layers = model.config.num_hidden_layers
    with torch.no_grad():
        reference, _ = theirs(model, tokens)
        reference["embed"] = reference["blocks.0.resid_pre"]
    ours, hf = residual_stream(points, layers), residual_stream(reference, layers)
    patterns = [f"blocks.{i}.attn.pattern" for i in range(layers)]
    return {
        "resid_relative": ((hf - ours).norm(dim=-1) / ours.norm(dim=-1)).max().item(),
        "pattern_absolute": max((reference[p] - points[p]).abs().max().item() for p in patterns),
        "logit_absolute": (reference["logits"] - points["logits"]).abs().max().item(),
    }


def gradients(model, weights, points, tokens):
    """Sketches of the gradients of the loss at every point and parameter, and Hugging Face's distance from them."""
    for value in points.values():
        value.retain_grad()
    loss = loss_of(points["logits"], tokens)
    loss.backward()
    model.zero_grad()
    loss_of(model(torch.tensor([tokens])).logits[0], tokens).backward()
    apart = [(p.grad - weights[n].grad).norm() / weights[n].grad.norm() for n, p in model.named_parameters()]
    tensors = {"loss": loss.detach()}
    tensors |= sketches("grad", [value.grad for value in points.values()])
    # At the last position there is none, as no token follows it.
    tensors |= sketches("grad_second_last", [at_position(-2, name, value.grad) for name, value in points.items()])
    tensors |= sketches("grad_param", [weights[n].grad for n, _ in model.named_parameters()])
    return tensors, max(apart).item()


def prompt_goldens(model, weights, tokens, with_gradients):
    config = model.config
    layers = config.num_hidden_layers
    for weight in weights.values():
        weight.grad = None
        weight.requires_grad_(with_gradients)
    points = forward(config, weights, tokens)
    errors = compare(model, {n: v.detach() for n, v in points.items()}, tokens)
    resid, logits = residual_stream(points, layers).detach(), points["logits"].detach()
    resid_norm, resid_sketch = sketch(resid)
    sample = torch.from_numpy(np.sort(np.random.default_rng(1).choice(config.vocab_size, SAMPLE, replace=False)))
    top = logits.topk(TOP)
    tensors = {
        "tokens": torch.tensor(tokens),
        "resid": resid[:, -2:],
        "resid_norm": resid_norm,
        "resid_sketch": resid_sketch,
        "pattern_heads": torch.tensor(HEADS),
        "patterns": torch.stack([points[f"blocks.{i}.attn.pattern"][h] for i, h in HEADS]),
        "pattern_last": torch.stack([points[f"blocks.{i}.attn.pattern"][:, -1] for i in range(layers)]),
        "top_ids": top.indices,
        "top_logits": top.values,
        "sample_ids": sample,
        "sample_logits": logits[:, sample],
        "log_sum_exp": logits.logsumexp(-1),
    }
    tensors |= sketches("point", points.values())
    tensors |= sketches("point_last", [at_position(-1, name, value) for name, value in points.items()])
    with torch.no_grad():
        tensors |= greedy(model, tokens)
    if with_gradients:
        more, errors["gradient_relative"] = gradients(model, weights, points, tokens)
        tensors |= more
    return tensors, errors, list(points)


def layouts():
    return {
        "tokens": "i64 [pos]; special tokens as the model's own tokenizer adds them",
        "resid": "[layer, 2, d_model]: embed, then each block's resid_post, at the last two positions",
        "resid_norm, resid_sketch": "[layer, pos], [layer, pos, 8]: of each position's vector",
        "pattern_heads, patterns": "i64 [n, 2] (layer, head); [n, pos/dst, pos/src]",
        "pattern_last": "[layer, head, pos/src]: every head's pattern from the last position",
        "top_ids, top_logits": "[pos, 50], in falling order",
        "sample_ids, sample_logits": "i64 [500] ids; [pos, 500]",
        "log_sum_exp": "[pos]: log of the sum of exp(logits), over the whole vocabulary",
        "greedy, greedy_gap": "i64 [24]; first logit minus second at each step",
        "point_norm, point_sketch": "[point], [point, 8]: of the whole activation, points in the order given here",
        "point_last_norm, point_last_sketch": "the same of the last position alone (of the last dst of a pattern)",
        "loss": "mean next-token cross entropy in nats",
        "grad_*, grad_second_last_*": "as point_*, of the derivative of the loss by the activation: all of it, and "
        "its part at the last position but one",
        "grad_param_norm, grad_param_sketch": "[parameter], [parameter, 8], parameters in the order given here",
    }


def main():
    torch.set_num_threads(2)
    transformers.utils.logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(MODELS, gguf_file=GGUF)
    model = AutoModelForCausalLM.from_pretrained(
        MODELS, gguf_file=GGUF, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    weights = {name: p.detach().double() for name, p in model.named_parameters()}
    prompts = {name: tokenizer(text).input_ids for name, text in PROMPTS.items()} | {"random-repeat": RANDOM_REPEAT}
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    worst, points = dict.fromkeys(TOLERANCES, 0.0), []
    for name, tokens in prompts.items():
        tensors, errors, points = prompt_goldens(model, weights, tokens, name in WITH_GRADIENTS)
        for what, error in errors.items():
            assert error <= TOLERANCES[what], f"{name}: {what} {error:.2e}"
            worst[what] = max(worst[what], error)
        stored = {n: (t if t.dtype == torch.int64 else t.detach().float()).contiguous() for n, t in tensors.items()}
        save_file(stored, FOLDER / f"{name}.safetensors")
        print(name, len(tokens), {k: f"{e:.1e}" for k, e in errors.items()}, flush=True)
    origin = {
        "made_by": "scripts/make_smollm2_goldens.py; the sketches are explained there",
        "model": f"models/{GGUF}, fetched by ./run models",
        "versions": {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__},
        "computed_in": "f64 from the weights as expanded to f32, rounded to f32 when written; greedy in f32",
        "hugging_face_f32_from_f64": {what: float(f"{error:.1e}") for what, error in worst.items()},
        "prompts": PROMPTS | {"random-repeat": "fifteen random tokens twice over, given as tokens"},
        "tensors": layouts(),
        "points_in_order": points,
        "parameters_in_order": list(weights),
    }
    (FOLDER / "origin.json").write_text(json.dumps(origin, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
