#!/usr/bin/env python3
"""Compares the binary with Hugging Face transformers in f32 on the real SmolLM2, on any prompts.

    target/tools/peers/bin/python scripts/check_against_transformers.py [--model FILE.gguf] [PROMPT ...]

Needs torch, transformers, gguf and safetensors (`./run bench peers` makes such an environment). For each prompt it
captures every point with `pellucid capture` and prints the largest difference of the residual stream (relative, per
layer and position), of attention patterns and logits (absolute), whether the ten most probable tokens and 24 greedy
tokens are the same where the reference's own gap exceeds 4e-3, and the largest relative difference of gradients by
parameters. Exits 1 if any is beyond the bound stated beside it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
BINARY = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "pellucid"
PROMPTS = [
    "The capital of France is",
    "When Mary and John went to the store, John gave a drink to",
    "def fibonacci(n):\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n    return",
    "🙂🙃 emoji 👩‍👩‍👧‍👦 and flags 🇫🇷🇯🇵",
    "春眠不覺曉，處處聞啼鳥。夜來風雨聲，",
    "red blue green red blue green red blue green red",
    "שלום עולם and مرحبا بالعالم",
    "   leading spaces,\ttabs\n\n\nand newlines   ",
]
BOUNDS = {"resid": 2e-4, "pattern": 1e-4, "logit": 2e-3, "gradient": 1e-3}
GAP = 4e-3


def pellucid(*args):
    return subprocess.run([str(BINARY), *map(str, args)], check=True, capture_output=True, text=True).stdout


def check(model, tokenizer, path, prompt, folder):
    file = Path(folder) / "capture.safetensors"
    pellucid("capture", path, "--prompt", prompt, "--point", "*", "--grad", "loss", "--grad-parameters", "-o", file)
    ours = load_file(file)
    ids = tokenizer(prompt)["input_ids"]
    assert ours["tokens"].tolist() == ids, (ours["tokens"].tolist(), ids)
    batch = torch.tensor([ids])
    out = model(batch, output_hidden_states=True, output_attentions=True)
    layers = model.config.num_hidden_layers
    stream = [ours["embed"]] + [ours[f"blocks.{i}.resid_post"] for i in range(layers)]
    # The last of transformers' hidden states is behind the final norm.
    reference = [h[0] for h in out.hidden_states[:-1]]
    resid = max(((a - b).norm(dim=-1) / b.norm(dim=-1)).max().item() for a, b in zip(stream, reference))
    final = model.model.norm(stream[-1])
    resid = max(resid, ((final - out.hidden_states[-1][0]).norm(dim=-1) / out.hidden_states[-1][0].norm(dim=-1)).max().item())
    pattern = max((ours[f"blocks.{i}.attn.pattern"] - out.attentions[i][0]).abs().max().item() for i in range(layers))
    logits = out.logits[0]
    logit = (ours["logits"] - logits).abs().max().item()
    values, order = logits.topk(11, dim=-1)
    gaps = values[:, :-1] - values[:, 1:]
    clear = (gaps > GAP) & torch.cat([torch.ones(len(ids), 1, dtype=torch.bool), gaps[:, :-1] > GAP], dim=1)
    same_top = bool((ours["logits"].topk(11, dim=-1).indices[:, :10] == order[:, :10])[clear].all())
    greedy = json.loads(pellucid("view", "sample", path, "--prompt", prompt, "--max-new-tokens", 24, "--json"))["ids"]
    greedy = greedy["data"] if isinstance(greedy, dict) else greedy
    greedy = greedy[len(ids):] if greedy[:len(ids)] == ids else greedy
    same_greedy, tokens = True, list(ids)
    for token in greedy[:24]:
        with torch.no_grad():
            best = model(torch.tensor([tokens])).logits[0, -1].topk(2)
        same_greedy &= token == best.indices[0].item() or (best.values[0] - best.values[1]).item() < GAP
        tokens.append(token)
    gradient = 0.0
    if len(ids) > 1:
        model.zero_grad()
        torch.nn.functional.cross_entropy(logits[:-1], batch[0, 1:]).backward()
        for name, p in model.named_parameters():
            gradient = max(gradient, ((ours[f"grad_param/{name}"] - p.grad).norm() / p.grad.norm()).item())
    figures = {"resid": resid, "pattern": pattern, "logit": logit, "gradient": gradient}
    ok = same_top and same_greedy and all(figures[k] <= BOUNDS[k] for k in BOUNDS)
    text = "  ".join(f"{k} {v:.1e} (<= {BOUNDS[k]:.0e})" for k, v in figures.items())
    print(f"{'ok  ' if ok else 'FAIL'} {len(ids):4} tokens  {text}  top-10 {same_top}  greedy {same_greedy} ({len(greedy)})  {prompt[:30]!r}")
    return ok


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--model", type=Path, default=MODEL)
    p.add_argument("prompts", nargs="*", default=PROMPTS)
    a = p.parse_args()
    load = {"pretrained_model_name_or_path": a.model.parent, "gguf_file": a.model.name}
    tokenizer = AutoTokenizer.from_pretrained(**load)
    model = AutoModelForCausalLM.from_pretrained(**load, dtype=torch.float32, attn_implementation="eager").eval()
    with tempfile.TemporaryDirectory() as folder:
        results = [check(model, tokenizer, a.model, prompt, folder) for prompt in a.prompts]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
