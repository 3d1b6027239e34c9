#!/usr/bin/env python3
"""Makes tests/golden/quant: encoded weights, and the numbers they stand for by the `gguf` package.

    python3 -m venv .venv && .venv/bin/pip install gguf==0.19.0
    .venv/bin/python scripts/make_quant_goldens.py

NAME.blocks holds blocks of one encoding: random bytes with sensible scales, then all bits zero, all bits one, and the
largest, smallest, negative, subnormal and infinite scales. NAME.f32 holds their elements as little-endian floats.
"""

from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden" / "quant"

# Where each encoding keeps its 16-bit scales.
SCALES = {
    "F16": [0],
    "BF16": [],
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q8_0": [0],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
}

# zero, negative zero, smallest and largest subnormal, smallest and largest normal, one, infinity, NaN.
EDGES = [0x0000, 0x8000, 0x0001, 0x03FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00, 0x7C00, 0xFC00, 0x7E00]


def blocks_of(name, rng):
    """Blocks [n, bytes of a block]."""
    length, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    count = 8 if length == 256 else 24
    if length == 1:
        count = 256
    random = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for at in SCALES[name]:
        scales = rng.normal(0, 0.05, count).astype(np.float16)
        random[:, at : at + 2] = scales.view(np.uint8).reshape(count, 2)
    edges = rng.integers(0, 256, (len(EDGES), size), dtype=np.uint8)
    for at in SCALES[name]:
        edges[:, at : at + 2] = np.array(EDGES, dtype="<u2").view(np.uint8).reshape(-1, 2)
    ends = np.array([[0] * size, [255] * size], dtype=np.uint8)
    return np.concatenate([random, edges, ends])


def main():
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(SCALES):
        blocks = blocks_of(name, np.random.default_rng(seed))
        with np.errstate(all="ignore"):
            values = dequantize(blocks, GGMLQuantizationType[name])
        (GOLDEN / f"{name}.blocks").write_bytes(blocks.tobytes())
        (GOLDEN / f"{name}.f32").write_bytes(np.ascontiguousarray(values, dtype="<f4").tobytes())
        print(f"{name:5} {len(blocks):4} blocks {values.size:6} values")


if __name__ == "__main__":
    main()
