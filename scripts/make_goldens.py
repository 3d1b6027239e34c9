#!/usr/bin/env python3
"""Makes tests/golden/NAME: a small random network for each variant of an architecture, and what it must compute.

    python3 -m venv .venv && .venv/bin/pip install torch==2.15.0 transformers==5.23.0 safetensors
    .venv/bin/python scripts/make_goldens.py [NAME...]

Each folder holds `config.json` and `model.safetensors` as Hugging Face writes them, `golden.safetensors` with every
named activation and gradient, and `origin.json`, which says how they came about and how they are laid out.

The activations come from `forward` of the family's module in scripts/goldens: the network once more in f64, written
out so that every named point is a tensor of the graph. It is held against Hugging Face's own model, loaded from the
written folder: logits, hidden states, attention patterns, the inputs and outputs of every linear layer, the loss and
all parameter gradients must agree to 1e-6 (Hugging Face's code takes norms, softmax and rotations through f32 whatever
the model's type, so that is what can be asked), or nothing is written.
"""

import sys

import torch
import transformers

from goldens import FAMILIES
from goldens.golden import make

if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    family_of = {variant: family for family in FAMILIES for variant in family.variants}
    for name in sys.argv[1:] or family_of:
        make(family_of[name], name)
