#!/usr/bin/env python3
"""Compares the binary with Hugging Face transformers on random networks of GPT-2's and Pythia's shape, made on the spot.

    .venv/bin/pip install torch==2.15.0 transformers==5.23.0 safetensors
    .venv/bin/python scripts/check_random_configurations.py [--pellucid FILE] [--count 20] [--seed 1]

Each configuration draws its own sizes, heads, blocks, non-linearity, rotated share, place of the MLP (beside or after
attention), biases, tying and scaling of attention; its folder is written as transformers writes it, in turn whole and
in shards. `pellucid capture` computes the logits of two prompts. Printed for each is the relative error of the logits
against transformers in f32, beside that of transformers' own f32 against its f64. Exits 1 if any is beyond 1e-5.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoXConfig

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "pellucid"
BOUND = 1e-5


def gpt2(draw):
    heads, width = draw.randint(1, 12), draw.choice([4, 8, 16, 32, 64])
    return GPT2Config(
        vocab_size=draw.randint(50, 3000),
        n_positions=draw.randint(40, 512),
        n_embd=heads * width,
        n_head=heads,
        n_layer=draw.randint(1, 8),
        n_inner=draw.choice([None, draw.randint(8, 700)]),
        activation_function=draw.choice(["gelu_new", "gelu", "relu", "silu", "quick_gelu", "gelu_pytorch_tanh"]),
        layer_norm_epsilon=10 ** draw.uniform(-6, -3),
        scale_attn_weights=draw.random() < 0.8,
        scale_attn_by_inverse_layer_idx=draw.random() < 0.3,
        tie_word_embeddings=draw.random() < 0.6,
        architectures=["GPT2LMHeadModel"],
    )


def pythia(draw):
    heads, width = draw.randint(1, 12), draw.choice([8, 10, 16, 24, 32, 64])
    return GPTNeoXConfig(
        vocab_size=draw.randint(50, 3000),
        hidden_size=heads * width,
        num_attention_heads=heads,
        num_hidden_layers=draw.randint(1, 8),
        intermediate_size=draw.randint(8, 700),
        max_position_embeddings=draw.randint(40, 512),
        hidden_act=draw.choice(["gelu", "gelu_new", "relu", "silu", "gelu_fast"]),
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 10 ** draw.uniform(2, 6),
            "partial_rotary_factor": draw.choice([0.25, 0.25, 0.5, 0.75, 1.0, draw.uniform(0.2, 1.0)]),
        },
        layer_norm_eps=10 ** draw.uniform(-6, -3),
        use_parallel_residual=draw.random() < 0.6,
        attention_bias=draw.random() < 0.7,
        tie_word_embeddings=draw.random() < 0.2,
        architectures=["GPTNeoXForCausalLM"],
    )


def relative(x, reference):
    return ((x.double() - reference.double()).norm() / reference.double().norm()).item()


def check(config, draw, seed, pellucid, folder, shards):
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    for parameter in model.parameters():
        # Larger than networks are initialised with, so that attention is far from uniform and biases matter.
        parameter.data.add_(torch.randn_like(parameter) * (0.2 if parameter.ndim == 1 else parameter.shape[-1] ** -0.5))
    model.save_pretrained(folder, max_shard_size="100KB" if shards else "5GB")
    ours, own, file = 0.0, 0.0, folder / "capture.safetensors"
    for length in (draw.randint(2, 12), draw.randint(13, 40)):
        tokens = [draw.randrange(config.vocab_size) for _ in range(length)]
        command = [pellucid, "capture", folder, "--tokens", ",".join(map(str, tokens)), "--point", "logits", "-o", file]
        subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
        with torch.no_grad():
            reference = model.float()(torch.tensor([tokens])).logits[0]
            exact = model.double()(torch.tensor([tokens])).logits[0]
        ours, own = max(ours, relative(load_file(file)["logits"], reference)), max(own, relative(reference, exact))
    return ours, own


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--pellucid", type=Path, default=BINARY)
    p.add_argument("--count", type=int, default=20, help="configurations of either family")
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    draw, worst = random.Random(a.seed), {}
    for family in (gpt2, pythia):
        for number in range(a.count):
            config = family(draw)
            with tempfile.TemporaryDirectory() as folder:
                try:
                    ours, own = check(config, draw, number, a.pellucid, Path(folder), shards=number % 2 == 1)
                except subprocess.CalledProcessError as failed:
                    sys.exit(f"{failed.stderr.strip()}\n{config.to_json_string()}")
            worst[family.__name__] = max(ours, worst.get(family.__name__, 0.0))
            print(
                f"{'ok  ' if ours <= BOUND else 'FAIL'} {family.__name__:6} {config.num_hidden_layers} blocks, "
                f"{config.num_attention_heads:2} heads of {config.hidden_size // config.num_attention_heads:2}: "
                f"relative error of logits {ours:.1e} (transformers' own f32 {own:.1e})"
            )
    for family, error in worst.items():
        print(f"{family}: {a.count} configurations, largest relative error {error:.1e} (<= {BOUND:.0e})")
    sys.exit(0 if max(worst.values()) <= BOUND else 1)


if __name__ == "__main__":
    main()
