#!/usr/bin/env python3
"""Measures steps of training on modular addition beside PyTorch, as a Markdown table.

    bench_grokking.py --pellucid PROGRAM [--rounds N] [--steps N] [--write]

Both sides start from the same weights, which ours draws, and see the same inputs in every step: the configuration of Nanda
et al. 2023, "Progress measures for grokking via mechanistic interpretability" (one block, 3,831 of the sums modulo 113,
AdamW). Whole trainings of the two sides alternate, ours, theirs, ours, theirs; a figure is the median over rounds. Ours is
the time of the whole process, theirs that of the loop alone, without the import of PyTorch.

Losses are compared first, over 100 steps, and PyTorch in 64 bits is what both sides are held against. With gradient descent
ours has to stay within 1e-4 of it. With AdamW no 32 bits do: it makes a step of every gradient however small, so that
roundings grow. There ours has to stay within 1e-4 for 30 steps, and later within twice what PyTorch's own 32 bits stray.

`--write` puts both tables into docs/performance.md. The peers are those of bench_peers.py.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from bench_peers import alternate, environment_python, measure, median, write

BEGIN, END = "<!-- grokking: begin -->", "<!-- grokking: end -->"
BOUND = 1e-4
COMPARED = 100
EARLY = 30
# What the recipe is told for each kind of step.
OPTIMISERS = {
    "adamw": [],
    "sgd": ["--optimiser", "sgd", "--lr", "0.1", "--momentum", "0.9", "--weight-decay", "0"],
}


# ---------------------------------------------------------------------------------------------------------------------
# Their side: runs in the peers' own python, and prints one JSON document.


def their_steps(folder, steps, kind, bits):
    import torch
    from safetensors.torch import load_file

    folder, steps = Path(folder), int(steps)
    config = json.loads((folder / "config.json").read_text())
    heads, d_model = config["n_heads"], config["d_model"]
    modulus = config["d_vocab"] - 1
    dtype = {"32": torch.float32, "64": torch.float64}[bits]
    w = {name: tensor.to(dtype).requires_grad_() for name, tensor in load_file(folder / "model.safetensors").items()}
    numbers = torch.tensor(json.loads((folder / "inputs.json").read_text())["train"])
    a, b = numbers // modulus, numbers % modulus
    tokens = torch.stack([a, b, torch.full_like(a, modulus)], 1)
    answers = (a + b) % modulus
    n = len(tokens)
    later = torch.triu(torch.ones(3, 3, dtype=torch.bool), 1)
    if kind == "adamw":
        optimiser = torch.optim.AdamW(w.values(), lr=1e-3, betas=(0.9, 0.98), eps=1e-8, weight_decay=1.0)
    else:
        optimiser = torch.optim.SGD(w.values(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min((step + 1) / 10, 1.0))

    def loss():
        x = w["embed.weight"][tokens] + w["pos_embed.weight"]
        q, k, v = (
            (x @ w[f"blocks.0.attn.{part}.weight"].T).view(n, 3, heads, -1).transpose(1, 2) for part in ("q", "k", "v")
        )
        scores = (q @ k.transpose(2, 3)) / (d_model // heads) ** 0.5
        pattern = scores.masked_fill(later, float("-inf")).softmax(-1)
        z = (pattern @ v).transpose(1, 2).reshape(n, 3, d_model)
        x = x + z @ w["blocks.0.attn.o.weight"].T
        hidden = torch.relu(x @ w["blocks.0.mlp.up.weight"].T + w["blocks.0.mlp.up.bias"])
        x = x + hidden @ w["blocks.0.mlp.down.weight"].T + w["blocks.0.mlp.down.bias"]
        return torch.nn.functional.cross_entropy((x @ w["unembed.weight"].T)[:, -1], answers)

    losses, began = [], time.perf_counter()
    for _ in range(steps):
        now = loss()
        optimiser.zero_grad()
        now.backward()
        optimiser.step()
        schedule.step()
        losses.append(now.item())
    print(json.dumps({"losses": losses, "seconds": time.perf_counter() - began}))


# ---------------------------------------------------------------------------------------------------------------------
# The comparison.


class Bench:
    def __init__(self, program, scratch):
        self.program, self.scratch, self.python = program, scratch, environment_python()

    def ours(self, name, steps, every, kind="adamw"):
        command = [self.program, "train", "modular-addition", "--until", "0", "--steps", str(steps), *OPTIMISERS[kind]]
        return [*command, "--evaluate", str(every), "--json", "-o", f"{self.scratch}/{name}"]

    def theirs(self, steps, kind="adamw", bits="32"):
        return [self.python, __file__, "--child", f"{self.scratch}/start", str(steps), kind, bits]

    def losses(self):
        """How far both sides stray from PyTorch in 64 bits."""
        rows = []
        measure(self.ours("start", 0, 1))
        for kind in OPTIMISERS:
            measure(self.ours(kind, COMPARED, 1, kind))
            curve = (Path(self.scratch) / kind / "curve.jsonl").read_text().splitlines()
            mine = [json.loads(line)["train_loss"] for line in curve[:COMPARED]]
            exact, single = (measure(self.theirs(COMPARED, kind, bits))[2]["losses"] for bits in ("64", "32"))
            strayed, their = ([abs(a - b) for a, b in zip(side, exact, strict=True)] for side in (mine, single))
            early, worst = max(strayed[:EARLY]), max(strayed)
            bound = BOUND if kind == "sgd" else BOUND + 2 * max(their)
            if early > BOUND or worst > bound:
                sys.exit(f"{kind}: losses differ by {early:.1e} within {EARLY} steps and {worst:.1e} later: something is wrong")
            rows.append(
                f"| {kind} | {exact[0]:.3f} to {exact[-1]:.3f} | {early:.0e} | {worst:.0e} | {max(their[:EARLY]):.0e} "
                f"| {max(their):.0e} |"
            )
        head = f"| steps by | loss over {COMPARED} steps | Pellucid strays in {EARLY} steps | in all | PyTorch in {EARLY} | in all |"
        return "\n".join([head, "|---|---|---:|---:|---:|---:|", *rows])

    def speed(self, rounds, steps):
        seconds = {"ours": [], "theirs": []}
        for number in range(rounds):
            # A training that is there already is not made again: every round has a folder of its own.
            results = alternate({"ours": self.ours(f"round{number}", steps, steps), "theirs": self.theirs(steps)}, 1)
            seconds["ours"].append(results["ours"][0][0])
            seconds["theirs"].append(results["theirs"][0][2]["seconds"])
        ours, theirs = (1000 * median(seconds[side], lambda s: s) / steps for side in ("ours", "theirs"))
        head = f"| what, {steps} times | Pellucid | PyTorch | times faster |\n|---|---:|---:|---:|"
        return f"{head}\n| a step, 3,831 sums modulo 113 | {ours:.1f} ms | {theirs:.1f} ms | {theirs / ours:.1f} |"


def main():
    if sys.argv[1:2] == ["--child"]:
        return their_steps(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pellucid", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(arguments.pellucid, scratch)
        tables = f"{bench.losses()}\n\n{bench.speed(arguments.rounds, arguments.steps)}"
    print(tables)
    if arguments.write:
        write(tables, arguments.rounds, BEGIN, END)


if __name__ == "__main__":
    main()
